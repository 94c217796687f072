"""How this machine reaches the network: TLS, proxies, sockets and their number, as httpx honours them."""

import errno
import logging
import os
import socket
import ssl
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

import httpx

IDLE_EXPIRY: Final = 30.0
"""Seconds that a connection is kept for later requests."""
LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=IDLE_EXPIRY)


class Network:
    """Makes transports that go out as the environment says; TLS settings are read once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None
        self._proxied = False

    @property
    def ready(self) -> bool:
        """Whether `prepare` has run."""
        return self._tls is not None

    def prepare(self) -> None:
        """Does, once, what is slow and blocks (0.05 to 0.2 s): certificates, proxies, and httpcore's late imports."""
        with self._lock:
            if self._tls is not None:
                return
            self._proxied = any(scheme != "no" for scheme in urllib.request.getproxies())
            tls = httpx.create_ssl_context()
            httpx.AsyncHTTPTransport(verify=tls)
            self._tls = tls

    def transport(self) -> httpx.AsyncBaseTransport:
        """Makes a transport with connections of its own."""
        if self._tls is None:
            raise AssertionError("prepare() runs before")
        if self._proxied:
            return _ProxiedTransport(self._tls)
        return httpx.AsyncHTTPTransport(verify=self._tls, limits=LIMITS, socket_options=_keepalive_options())


class _WithoutQueries(logging.Filter):
    """Leaves the queries out of the lines that httpx logs of our requests: those of presigned URLs are secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _sending.get() and isinstance(record.args, tuple):
            record.args = tuple(
                value.copy_with(query=None) if isinstance(value, httpx.URL) else value for value in record.args
            )
        return True


_sending: ContextVar[bool] = ContextVar("wriftai_anyio_sending", default=False)
_without_queries: Final = _WithoutQueries()


class _ProxiedTransport(httpx.AsyncBaseTransport):
    """Goes through the proxies of the environment: which one for which host is httpx's own rule."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._client = httpx.AsyncClient(verify=tls, limits=LIMITS)
        logging.getLogger("httpx").addFilter(_without_queries)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        sending = _sending.set(True)
        try:
            return await self._client.send(request, stream=True, follow_redirects=False)
        finally:
            _sending.reset(sending)

    async def aclose(self) -> None:
        await self._client.aclose()


def _keepalive_options() -> list[tuple[int, int, int]]:
    # A held create is silent for up to half an hour: without probes a dead peer would not be noticed, and a
    # gateway in between would forget the connection.
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


def request_limit() -> int:
    """Says how many requests may be under way at once: nine tenths of the file descriptors still free."""
    if sys.platform == "win32":
        return 8192
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(8, (soft - _open_descriptors()) * 9 // 10)


def _open_descriptors() -> int:
    try:
        return len(os.listdir("/dev/fd"))  # noqa: PTH208 -- names alone, no paths are made of them
    except OSError:
        return 64


def out_of_descriptors(error: BaseException) -> bool:
    """Whether an error comes from a want of file descriptors, in this process or in the whole system."""
    return any(isinstance(cause, OSError) and cause.errno in {errno.EMFILE, errno.ENFILE} for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    pending = [error]
    while pending:
        cause = pending.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        pending.extend(link for link in (cause.__cause__, cause.__context__) if link is not None)
        inner = getattr(cause, "exceptions", ())
        pending.extend(link for link in inner if isinstance(link, BaseException))
