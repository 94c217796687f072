"""How this machine reaches the network: TLS, proxies, sockets and their number, as httpx honours them."""

import importlib
import logging
import os
import re
import socket
import ssl
import sys
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Final

import httpx

from wriftai_anyio._concurrency.forks import PerProcess, forks_wait

IDLE_EXPIRY: Final = 30.0
"""Seconds that a connection is kept for later requests."""
LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=IDLE_EXPIRY)


class Network:
    """Makes transports with the proxies and certificates that the environment names."""

    def __init__(self) -> None:
        self._make: Callable[[], httpx.AsyncBaseTransport] | None = None
        self._ready: set[str] = set()

    def is_ready(self, scheme: str) -> bool:
        """Whether `prepare` has run for a scheme of URLs."""
        return scheme in self._ready

    def prepare(self, scheme: str) -> None:
        """Does, once, what is slow and blocks (0.05 to 0.2 s): late imports, proxies, and authorities for https."""
        with forks_wait():
            if self._make is None:
                self._make = _make_transport()
            if scheme == "https":
                _make_tls()
            self._ready.add(scheme)

    def transport(self) -> httpx.AsyncBaseTransport:
        """Makes a transport with connections of its own."""
        if self._make is None:
            raise AssertionError("prepare() runs before")
        return self._make()


def _make_transport() -> Callable[[], httpx.AsyncBaseTransport]:
    _import_what_comes_later()
    without_authorities = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    httpx.AsyncHTTPTransport(verify=without_authorities)
    for name in ("httpx", "httpcore.http11"):
        logging.getLogger(name).addFilter(_without_secrets)
    if any(scheme != "no" for scheme in urllib.request.getproxies()):
        return partial(_ProxiedTransport, _make_tls())
    return partial(_DirectTransport, without_authorities)


def _import_what_comes_later() -> None:
    for name in ("encodings.idna", "resource"):
        with suppress(ImportError):
            importlib.import_module(name)


_tls_contexts: Final[PerProcess[dict[tuple[str | None, ...], ssl.SSLContext]]] = PerProcess(dict)
"""Shared by all clients of a process, by the settings of the environment: reading the authorities takes 0.03 s."""


def _tls_settings() -> tuple[str | None, ...]:
    return tuple(map(os.environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")))


def _make_tls() -> ssl.SSLContext:
    """Returns the context for the environment as it is; blocks where there is none yet."""
    contexts, settings = _tls_contexts.get(), _tls_settings()
    with forks_wait():
        if settings not in contexts:
            contexts[settings] = httpx.create_ssl_context()
        return contexts[settings]


class _DirectTransport(httpx.AsyncBaseTransport):
    """Opens connections itself.

    Args:
        without_authorities: A context that trusts nobody, for connections without TLS.
    """

    def __init__(self, without_authorities: ssl.SSLContext) -> None:
        self._plain = _direct(without_authorities)
        self._secure: httpx.AsyncHTTPTransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        transport = self._with_tls() if request.url.scheme == "https" else self._plain
        return await _sent(transport.handle_async_request, request)

    def _with_tls(self) -> httpx.AsyncHTTPTransport:
        if self._secure is None:
            self._secure = _direct(_make_tls())
        return self._secure

    async def aclose(self) -> None:
        await self._plain.aclose()
        if self._secure is not None:
            await self._secure.aclose()


def _direct(context: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
    return httpx.AsyncHTTPTransport(verify=context, limits=LIMITS, socket_options=_keepalive_options())


class _WithoutSecrets(logging.Filter):
    """Leaves presigned URLs, which are secrets, out of the lines that httpx and httpcore log of our requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not _sending.get():
            return True
        record.msg = _LOCATION.sub(r"\1…", str(record.msg))
        if isinstance(record.args, tuple):
            record.args = tuple(
                value.copy_with(query=None) if isinstance(value, httpx.URL) else value for value in record.args
            )
        return True


_LOCATION: Final = re.compile(r"""(\(b'location', b)(['"]).*?\2(?=\))""", re.IGNORECASE)
"""Where a redirect leads, as httpcore logs it."""


_sending: ContextVar[bool] = ContextVar("wriftai_anyio_sending", default=False)
_without_secrets: Final = _WithoutSecrets()


async def _sent(send: Callable[[httpx.Request], Awaitable[httpx.Response]], request: httpx.Request) -> httpx.Response:
    sending = _sending.set(True)
    try:
        return await send(request)
    finally:
        _sending.reset(sending)


class _ProxiedTransport(httpx.AsyncBaseTransport):
    """Goes through the proxies of the environment: which one for which host is httpx's own rule."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._client = httpx.AsyncClient(verify=tls, limits=LIMITS)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await _sent(partial(self._client.send, stream=True, follow_redirects=False), request)

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
    """Returns how many requests may be under way at once: nine tenths of the file descriptors still free."""
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
