"""The observer of a client without a tracer, which does nothing."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from wriftai_anyio.hooks import ObservedCreate, ObservedPrediction, Observer


def _ignore(_: ObservedPrediction) -> None:
    """Ignores it."""


class _Nobody:
    """Observes nothing."""

    _creating: Final = nullcontext(_ignore)
    _following: Final = nullcontext()

    def creating(self, create: ObservedCreate) -> AbstractContextManager[Callable[[ObservedPrediction], None]]:
        del create
        return self._creating

    def following(self, prediction_id: str) -> AbstractContextManager[object]:
        del prediction_id
        return self._following

    def seen(self, prediction: ObservedPrediction) -> None:
        """Ignores it."""

    def left(self, prediction_id: str) -> None:
        """Ignores it."""

    def close(self) -> None:
        """Does nothing."""


NOBODY: Final[Observer] = _Nobody()
"""The observer of clients without a tracer."""
