"""The package's logger, and its wording of why something is retried.

INFO has a line for each retry, each noticeable wait for the rate limit and each reconnect; DEBUG has one for each
request and each answer. No line contains a token, a body, or more than the host of an address outside the API.

An exception in a log handler does not end the call that logs: after a create, its prediction would be lost.
"""

import logging
import traceback
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final

import httpx

from wriftai_anyio.errors import APIConnectionError, APIResponseError, APIStatusError, request_id_of
from wriftai_anyio.plain_text import one_line

_logger: Final = logging.getLogger("wriftai_anyio")
# Without a handler, Python would print the warnings of a logger that is not configured.
_logger.addHandler(logging.NullHandler())


class _Harmless(logging.Filter):
    """Makes everything that log lines quote one printable line: it may come from a server."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(arg if isinstance(arg, (int, float)) else one_line(arg) for arg in record.args)
        return True


_logger.addFilter(_Harmless())


class _Log:
    """Writes to the package's logger, and suppresses exceptions of its handlers and filters.

    Python's own handlers print their errors (`logging.Handler.handleError`). Others may raise them.
    """

    def debug(self, line: str, *args: object) -> None:
        """Writes a line of level DEBUG."""
        self._write(logging.DEBUG, line, args)

    def info(self, line: str, *args: object) -> None:
        """Writes a line of level INFO."""
        self._write(logging.INFO, line, args)

    def warning(self, line: str, *args: object) -> None:
        """Writes a line of level WARNING."""
        self._write(logging.WARNING, line, args)

    def exception(self, line: str, *args: object) -> None:
        """Writes a line of level ERROR, with the traceback of the exception being handled."""
        self._write(logging.ERROR, line, args, with_traceback=True)

    def _write(self, level: int, line: str, args: tuple[object, ...], *, with_traceback: bool = False) -> None:
        try:
            _logger.log(level, line, *args, exc_info=with_traceback, stacklevel=3)
        except Exception:  # noqa: BLE001 -- what only looks on
            with suppress(Exception):
                if logging.raiseExceptions:  # Python's own handlers check this, too
                    traceback.print_exc()

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 -- as that of a logger
        """Returns whether lines of a level are written."""
        return _logger.isEnabledFor(level)


logger: Final = _Log()

NOTICEABLE_WAIT: Final = 1.0
"""Seconds of waiting for the rate limit from which a line is logged."""


def reason(outcome: httpx.Response | APIConnectionError | APIStatusError | APIResponseError) -> str:
    """Returns in a few words why something is retried.

    Args:
        outcome: The answer, or the error.
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
    """Logs an error in the block and goes on: an observer must not lose a prediction that costs money.

    Args:
        what: The name of the observer, for the log line.
    """
    try:
        yield
    except Exception:
        logger.exception("%s raised an error, which was ignored", what)
