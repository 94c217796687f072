"""Imports the code that creates, waits and cancels with a client's first call."""

from functools import partial
from typing import TYPE_CHECKING

from wriftai_anyio._concurrency.forks import Late
from wriftai_anyio._parsing.prediction import PredictionParser
from wriftai_anyio.api import API

if TYPE_CHECKING:
    from .operations import Operations


def late_operations(api: API, parser: PredictionParser) -> "Late[Operations]":
    """Returns a client's operations, which are made with its first call.

    Args:
        api: What sends the requests.
        parser: Turns answers into predictions.
    """
    # Imported with the first call of any kind: a later import may find no free file descriptor.
    api.engine.import_with_it(_import_operations)
    return Late(partial(_make_operations, api, parser), api.engine)


def _import_operations() -> None:
    from . import operations  # noqa: F401  # pyright: ignore[reportUnusedImport]


def _make_operations(api: API, parser: PredictionParser) -> "Operations":
    from wriftai_anyio._polling.poller import Poller

    from .operations import Operations

    return Operations(api, parser, Poller(api, parser))
