"""How this machine reaches the network: proxies, sockets and their number."""

import importlib
import math
import os
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio
import httpx

from wriftai_anyio._concurrency.causes import members
from wriftai_anyio._concurrency.forks import forks_wait
from wriftai_anyio._concurrency.system import NO_THREAD, no_thread_because

from .failures import PROXY, SettingsFault
from .proxies import Proxies, Proxy
from .tls import certificates

if TYPE_CHECKING:
    import ssl  # a lean Python may lack it: then only connections fail

IDLE_EXPIRY: Final = 4.0
"""Seconds that a connection is kept for later requests. Many servers and gateways close one that is idle for five
(Node, uvicorn, Apache), and a create that is on its way at that moment gets no answer: its outcome is unknown."""
LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=IDLE_EXPIRY)
"""No limits, for connections through a proxy; those without one have none either. `Connections` limits the requests."""
LONGEST_IN_POOL: Final = 5.0
"""Seconds for which a request queues in the pool of a user's transport at a time."""
REQUESTS_A_TURN: Final = 16
"""How many requests over a user's transport are sent before one yields to the event loop."""
REQUESTS_WITHOUT_LIMIT: Final = 900
"""Requests under way at once where Python cannot say how many file descriptors are allowed: 1,024 is usual."""


class Network:
    """Makes transports with the proxies and certificates that the environment names."""

    def __init__(self) -> None:
        self._proxies: Proxies | None = None
        self._ready: set[str] = set()

    def is_ready(self, scheme: str) -> bool:
        """Whether `prepare` has run for a scheme of URLs."""
        return scheme in self._ready

    def prepare(self, scheme: str) -> None:
        """Does what is slow and blocks (0.05 to 0.2 s), once: late imports, proxies, and certificates for https.

        Raises:
            SettingsFault: If the environment names certificates that cannot be read.
        """
        with forks_wait():
            if self._proxies is None:
                _import_what_comes_later()
                self._proxies = Proxies()
            if scheme == "https":
                certificates()
            self._ready.add(scheme)

    def transport(self) -> httpx.AsyncBaseTransport:
        """Makes a transport with its own connections."""
        if self._proxies is None:
            raise AssertionError("prepare() runs before")
        return _Transport(self._proxies)


def _import_what_comes_later() -> None:
    for name in ("encodings.idna", "resource"):
        with suppress(ImportError):
            importlib.import_module(name)
    _direct(_without_authorities())


def _without_authorities() -> "ssl.SSLContext":
    """Returns a context that trusts nobody, for connections without TLS."""
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _Transport(httpx.AsyncBaseTransport):
    """Reaches each host directly or through its proxy; each of these routes has its own connections."""

    def __init__(self, proxies: Proxies) -> None:
        self._proxies = proxies
        self._ways: dict[tuple[Proxy | None, bool], httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        proxy = self._proxies.way_to(request.url)
        if proxy is not None:
            request.extensions[PROXY] = proxy.label
        way = proxy, request.url.scheme == "https"
        if way not in self._ways:
            self._ways[way] = _opened(*way)
        try:
            return await self._ways[way].handle_async_request(request)
        except LookupError as error:
            if not str(error).endswith("idna"):
                raise
            problem = "this Python lacks its module 'encodings.idna', without which trio looks up no names"
            raise SettingsFault(problem) from None
        except Exception as error:
            if type(error).__module__ == "ssl":
                # On asyncio, httpcore does not map OpenSSL's errors on an established connection through a proxy. Other
                # `OSError`s are those of the file that is sent.
                raise httpx.ReadError(str(error), request=request) from error
            if isinstance(error, RuntimeError) and str(error) == NO_THREAD:
                # The event loop looks up host names in threads. Without a connection nothing was sent.
                raise httpx.ConnectError(no_thread_because(error), request=request) from error
            # httpcore does not map socksio's errors for a reply that is cut off or not SOCKS.
            if not type(error).__module__.startswith("socksio."):
                raise
            raise httpx.ProxyError(f"it did not answer as SOCKS5 has it: {error}", request=request) from error

    async def aclose(self) -> None:
        for transport in self._ways.values():
            await transport.aclose()


def _opened(proxy: Proxy | None, secure: bool) -> httpx.AsyncHTTPTransport:
    context = certificates() if secure else _without_authorities()
    if proxy is None:
        return _direct(context)
    options = _keepalive_options()
    secure_proxy = certificates() if proxy.address.scheme == "https" else None
    through = httpx.Proxy(proxy.address, ssl_context=secure_proxy)
    try:
        return httpx.AsyncHTTPTransport(verify=context, limits=LIMITS, proxy=through, socket_options=options)
    except ImportError:
        problem = f"{proxy.variable} names a SOCKS proxy, for which httpx needs socksio: pip install 'httpx[socks]'"
        raise SettingsFault(problem) from None


def _direct(context: "ssl.SSLContext") -> httpx.AsyncHTTPTransport:
    from .direct import DirectTransport  # it imports httpcore, which a start does without (issue 17)

    return DirectTransport(context, IDLE_EXPIRY, _keepalive_options())


def _keepalive_options() -> list[tuple[int, int, int]]:
    # A held create is silent for up to half an hour: without probes a dead peer would not be noticed, and a
    # gateway in between would forget the connection.
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    times = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 6))
    options += [(socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in times if hasattr(socket, name)]
    return options


class _ReadableRequest(httpx.Request):
    """A request whose `content` can be read at once, as with httpx's own client; reading it counts as asking for it."""

    @property
    def content(self) -> bytes:
        if not isinstance(self.stream, httpx.ByteStream):
            return super().content
        return self.read()


class GivenTransport(httpx.AsyncBaseTransport):
    """A user's transport. It gets a copy of each request, which looks like one that httpx's own client sends.

    It may read the copy's content, sign it and replace its extensions, and none of that shows in our errors.

    Args:
        transport: The user's transport.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self._requests = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # With a transport that answers at once, such as a mock in tests, calls in a loop would never yield, and no
        # deadline would be noticed. Our own connections yield when they read.
        self._requests += 1
        if self._requests % REQUESTS_A_TURN == 0:
            await anyio.lowlevel.checkpoint()
        # A full pool of the user's says nothing of the server: `Http` waits for a place, longer than this timeout.
        timeouts = {**request.extensions.get("timeout", {}), "pool": time_in_pool(request)}
        extensions = {**request.extensions, "timeout": timeouts}
        copy = _ReadableRequest(
            request.method, request.url, headers=request.headers, stream=request.stream, extensions=extensions
        )
        if type(copy.stream) is httpx.ByteStream:
            copy.read()  # empty; a mock's `aread` takes 4 of 50 µs otherwise
        try:
            return await self._transport.handle_async_request(copy)
        except Exception as error:
            # It may send in its own task group, and by means other than httpcore, which do not raise httpx's errors.
            reason = next(members(error))
            if isinstance(reason, OSError):
                raise httpx.ReadError(str(reason), request=request) from error
            if reason is error or not isinstance(reason, httpx.RequestError):
                raise
            raise reason from None

    async def aclose(self) -> None:
        await self._transport.aclose()


def time_in_pool(request: httpx.Request) -> float:
    """Returns the seconds for which a request queues in the pool of a user's transport at a time."""
    return min(request.extensions.get("timeout", {}).get("pool") or math.inf, LONGEST_IN_POOL)


def request_limit() -> int:
    """Returns how many requests may be under way at once: nine tenths of the file descriptors still free."""
    if sys.platform == "win32":
        return 8192
    try:
        import resource
    except ImportError:
        return REQUESTS_WITHOUT_LIMIT
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(8, (soft - _open_descriptors()) * 9 // 10)


def _open_descriptors() -> int:
    try:
        return len(os.listdir("/dev/fd"))  # noqa: PTH208 -- names alone, no paths are made of them
    except OSError:
        return 64
