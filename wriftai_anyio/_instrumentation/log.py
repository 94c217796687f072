"""The package's logger, and the words in which its lines say why something is tried again.

INFO has a line for each retry, each noticeable wait for the rate limit and each reconnect; DEBUG one for each request
and each answer. No line holds a token, a body, or more than the host of an address outside the API.
"""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import httpx

from wriftai_anyio.errors import APIConnectionError, APIResponseError, APIStatusError, request_id_of
from wriftai_anyio.plain_text import one_line

logger: Final = logging.getLogger("wriftai_anyio")
# Without a handler, Python prints the warnings of a logger that is not configured.
logger.addHandler(logging.NullHandler())


class _Harmless(logging.Filter):
    """Makes one printable line of all that lines of the log quote: it may come from a server."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(arg if isinstance(arg, (int, float)) else one_line(arg) for arg in record.args)
        return True


logger.addFilter(_Harmless())

NOTICEABLE_WAIT: Final = 1.0
"""Seconds of waiting for the rate limit from which on a line says so."""


def reason(outcome: httpx.Response | APIConnectionError | APIStatusError | APIResponseError) -> str:
    """Returns in few words why something is tried again.

    Args:
        outcome: How it went.
    """
    if isinstance(outcome, APIConnectionError):
        seen = outcome.__cause__
        return f"{type(outcome).__name__} ({type(seen).__name__})" if seen else type(outcome).__name__
    response = outcome if isinstance(outcome, httpx.Response) else outcome.response
    status = str(response.status_code)
    if isinstance(outcome, APIResponseError):
        status += " with an answer that cannot be used"
    request_id = request_id_of(response)
    return f"{status} (request {request_id})" if request_id else status


@contextmanager
def failures_logged(what: str) -> Generator[None]:
    """Logs what fails in the block, and goes on: what only looks on must not lose a prediction that costs money.

    Args:
        what: Who looks on, for the line.
    """
    try:
        yield
    except Exception:
        logger.exception("%s failed, and was passed over", what)
