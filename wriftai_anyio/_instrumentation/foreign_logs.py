"""Keeps secrets out of the logs of the libraries below us while they send our requests, over any transport.

They log at DEBUG: hpack logs all headers, and the bytes in which they are encoded; httpcore the headers of an answer,
such as the target of a redirect; httpx whole addresses.
"""

import logging
import re
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Final

import httpx

_LOGGERS: Final = (
    "asyncio",
    "h2",
    "hpack.hpack",
    "hpack.table",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
    "httpx",
)
"""Each is listed, since a filter sees only the records of its own logger, and none of its children's."""

_ADDRESS: Final = re.compile(
    r"""(\b[a-z][a-z0-9+.-]*://)(?:[^/\s'"?#@]*@)?([^\s'"?#)>]*)(?:[?#][^\s'")>]*)?""", re.IGNORECASE
)
_SECRET_HEADER: Final = re.compile(
    r"""(\(b?['"](?:authorization|proxy-authorization|cookie|set-cookie|(?:content-)?location|link)['"], b?)"""
    r"""(['"]).*?\2(?=[,)])""",
    re.IGNORECASE,
)
_SHORTEST_SECRET: Final = 4
"""Characters; anything shorter occurs in log lines by chance."""

_under_way: ContextVar[httpx.Request | None] = ContextVar("wriftai_anyio_request_under_way", default=None)


class _WithoutSecrets(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        request = _under_way.get()
        if request is None:
            return True
        if record.name.startswith("hpack."):
            return False
        line = record.getMessage()
        cleaned = _SECRET_HEADER.sub(r"\1…", _ADDRESS.sub(r"\1\2", line))
        for secret in _secrets_of(request):
            cleaned = cleaned.replace(secret, "…")
        if cleaned != line:
            record.msg, record.args = cleaned, None
        return True


def _secrets_of(request: httpx.Request) -> list[str]:
    token = request.headers.get("authorization", "").rpartition(" ")[2]
    secrets = (token, request.url.query.decode("ascii"), request.url.userinfo.decode("ascii"))
    return [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]


_without_secrets: Final = _WithoutSecrets()


def guard_foreign_logs() -> None:
    """Makes the loggers of the libraries below us hide the secrets of our requests, from now on."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_without_secrets)


class under_way:  # noqa: N801 -- used like a function; a generator would cost each request 2 µs more
    """Marks everything logged in the `with` block as part of one of our requests."""

    __slots__ = ("_mark", "_request")

    def __init__(self, request: httpx.Request) -> None:
        self._request = request

    def __enter__(self) -> None:
        self._mark = _under_way.set(self._request)

    def __exit__(self, *_: object) -> None:
        _under_way.reset(self._mark)


def guarded(chunks: AsyncIterator[bytes], request: httpx.Request) -> AsyncIterator[bytes]:
    """Returns the body of an answer, read with its request marked as `under_way` where that is needed.

    With HTTP/2, the reader of one body may also read the headers of another answer.
    """
    return _Marked(chunks, request) if _logger.isEnabledFor(logging.DEBUG) else chunks


_logger: Final = logging.getLogger("hpack.hpack")


class _Marked(AsyncIterator[bytes]):
    def __init__(self, chunks: AsyncIterator[bytes], request: httpx.Request) -> None:
        self._chunks = chunks
        self._request = request

    async def __anext__(self) -> bytes:
        with under_way(self._request):
            return await anext(self._chunks)
