"""Connections without a proxy, on which a request costs less than on httpcore's own.

httpcore 1.0.9 takes three locks for each request. They are free, since its pool gives a connection one request at a
time, but on both asyncio and trio even a free lock yields to the event loop. Without these yields an `async_get`
takes 0.92 of its time, and a blocking `get` 0.8 (issue 17):

    a request begins   lock of the connection       not taken once that is open
                       lock of the HTTP/1.1 state   replaced by none
    an answer ends     lock of the HTTP/1.1 state   replaced by none

Its pool keeps a queue of requests, and goes through all of its connections when one comes and when one ends. Nothing
queues here, so a request takes an idle connection itself, with which an `async_get` takes 0.9 of its time, and a
blocking `get` 0.87 to 0.95.

This relies on private names of httpx and httpcore. A version without them works as well, only more slowly.

httpcore's own streams look up the addresses of both ends before each request, and enter five context managers for
each read and write. With `SocketStream`, plugged in as a network backend, which httpcore's public interface allows, an
`async_get` takes 0.84 of its time on asyncio and 0.87 on trio, and a blocking `get` 0.74 and 0.87.
"""

import errno
import math
import os
import select
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import httpcore
import httpx
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSAttribute, TLSStream

from wriftai_anyio._concurrency import system

from .bodies import LONGEST_CLOSE

if TYPE_CHECKING:
    import ssl  # a lean Python may lack it: then only connections fail

T = TypeVar("T")

SETTLED: Final = 0.01
"""Seconds within which a server closes a connection that it ends after an answer without announcing it there."""


class DirectTransport(httpx.AsyncHTTPTransport):
    """Reaches hosts without a proxy, over as many connections as there are requests at a time.

    Args:
        context: The certificates that TLS connections trust.
        keepalive_expiry: Seconds for which an idle connection is kept.
        socket_options: Set for each socket.
    """

    def __init__(
        self, context: "ssl.SSLContext", keepalive_expiry: float, socket_options: Sequence[tuple[int, int, int]]
    ) -> None:
        super().__init__(verify=context)
        connection_to = partial(
            Connection,
            ssl_context=context,
            keepalive_expiry=keepalive_expiry,
            network_backend=Sockets(socket_options),
        )
        self._pool = DirectPool(connection_to, keepalive_expiry)


class DirectPool(httpcore.AsyncConnectionPool):
    """The connections of one transport.

    Args:
        connection_to: Makes a connection to an origin.
        keepalive_expiry: Seconds for which it is kept when it is idle.
    """

    def __init__(self, connection_to: "Callable[[httpcore.Origin], Connection]", keepalive_expiry: float) -> None:
        super().__init__(max_connections=None)
        self._connection_to = connection_to
        self._expiry = keepalive_expiry
        self._clocks_apart = _clocks_apart()

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        self._expire_after_sleep()
        if request.method == b"POST":
            # It must not be sent twice, and next the pool looks whether the server has closed the connection. One in
            # this event loop that closes it after its answer does so in this turn: one lock was waited for before.
            await anyio.lowlevel.checkpoint()
            self._put_settled_first()
        reusable = self._reusable(request.url)
        if reusable is not None:
            with suppress(httpcore.ConnectionNotAvailable):
                response = await reusable.handle_async_request(request)
                response.stream = _Answer(response.stream, self)
                return response
        return await super().handle_async_request(request)

    def _reusable(self, url: httpcore.URL) -> "Connection | None":
        """Returns the first idle connection for a URL; `None` if there is none, or if httpcore has some to close."""
        if url.scheme not in _SCHEMES or _is_replaced(_HTTPCORE_POOL):
            return None
        reusable: Connection | None = None
        origin = url.origin
        for each in self._all:
            if each.is_closed() or each.has_expired():
                return None
            if reusable is None and each.is_available() and each.can_handle_request(origin):
                reusable = each
        return reusable

    @property
    def _all(self) -> "list[Connection]":
        connections: list[Connection] = getattr(self, "_connections", [])
        return connections

    async def close_expired(self) -> None:
        """Closes connections that expired during a long request on another one."""
        now = system.monotonic()
        expired = [each for each in self._all if each.is_closed() or (each.is_idle() and each.expires_at < now)]
        for each in expired:
            self._all.remove(each)
        await self._close_connections(expired)

    def _expire_after_sleep(self) -> None:
        """Lets idle connections expire if the machine slept longer than they are kept.

        The server has closed them meanwhile, and nobody was awake to hear of it; a create on one of them would get no
        answer. `time.monotonic` stands still in a sleep. A clock that was set forward costs new connections.
        """
        before, self._clocks_apart = self._clocks_apart, _clocks_apart()
        if self._clocks_apart - before > self._expiry:
            for each in self._all:
                each.expire()

    def _put_settled_first(self) -> None:
        """Moves the connections whose answers have just ended to the end, the latest last.

        The pool takes the first that is idle. With servers that close some within 5 ms of an answer, five tasks got a
        fifth more creates of unknown outcome without this than with httpcore's yields, in which others looked again.
        The rest keep their order, so that few connections come near the time after which servers close idle ones.
        """
        settled = system.monotonic() + self._expiry - SETTLED
        self._all.sort(key=lambda each: max(each.expires_at, settled))

    def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        return self._connection_to(origin)

    async def _close_connections(self, closing: Sequence[httpcore.AsyncConnectionInterface]) -> None:
        # httpcore calls it twice a request, mostly with none, and enters a cancel scope each time: 4 % of a call. The
        # scope of `SocketStream.aclose` does.
        for each in closing:
            await each.aclose()


class _Answer:
    """The body of an answer on a connection that a request took itself."""

    def __init__(self, stream: object, pool: DirectPool) -> None:
        self._stream: Any = stream
        self._pool = pool

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        close = getattr(self._stream, "aclose", None)  # what a mock answers may have none
        if close is not None:
            await close()
        await self._pool.close_expired()


def _clocks_apart() -> float:
    return system.wall_time() - system.monotonic()


def _is_replaced(kind: type) -> bool:
    """Whether something else answers or watches in the place of a class of httpcore, as mocks and tracers do.

    Mocks and wrappers pass for what they replace, so each is asked for what it is, and not for what it says.
    """
    method = vars(kind).get("handle_async_request")
    if type(method) is not FunctionType:
        return True
    file = getattr(sys.modules.get(_MODULES[kind]), "__file__", None)
    return file != method.__code__.co_filename


_SCHEMES: Final = frozenset({b"http", b"https"})

# Bound here, since a mock may replace the class as well.
_HTTPCORE_POOL: Final[type] = httpcore.AsyncConnectionPool
_HTTPCORE_CONNECTION: Final[type] = httpcore.AsyncHTTPConnection
_MODULES: Final = {
    _HTTPCORE_POOL: "httpcore._async.connection_pool",
    _HTTPCORE_CONNECTION: "httpcore._async.connection",
}


class Connection(httpcore.AsyncHTTPConnection):
    """A connection on which requests after the first do not yield to the event loop for locks."""

    @property
    def expires_at(self) -> float:
        """When it is closed if it stays idle, on the clock of `time.monotonic`; minus infinity while it is in use."""
        expires_at: float | None = getattr(getattr(self, "_connection", None), "_expire_at", None)
        return -math.inf if expires_at is None else expires_at

    def has_expired(self) -> bool:
        # What came with the last answer and does not belong to it would be taken for the beginning of the next one: a
        # server that answered a get twice had the next create return that prediction, and its own was lost.
        return super().has_expired() or (self.is_idle() and self._has_stray_bytes())

    def _has_stray_bytes(self) -> bool:
        state: object = getattr(getattr(self, "_connection", None), "_h11_state", None)
        stray: tuple[bytes, bool] = getattr(state, "trailing_data", (b"", False))
        return bool(stray[0])

    def expire(self) -> None:
        """Lets it be closed, in place of being used again, if it is idle."""
        if self.is_idle():
            setattr(getattr(self, "_connection", self), "_expire_at", -math.inf)  # noqa: B010

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        opened: httpcore.AsyncConnectionInterface | None = getattr(self, "_connection", None)
        if opened is not None and not _is_replaced(_HTTPCORE_CONNECTION):
            return await opened.handle_async_request(request)
        response = await super().handle_async_request(request)
        # Nobody holds the lock that is replaced here: it is next taken at the end of this answer, which nobody has yet.
        setattr(getattr(self, "_connection", self), "_state_lock", _NoLock())  # noqa: B010
        return response


class _NoLock:
    """In the place of a lock that is always free, and whose `acquire` would raise if its caller was cancelled.

    httpcore gives a connection back or closes it under this lock, which must happen then, too.
    """

    async def __aenter__(self) -> None:
        """Takes nothing."""

    async def __aexit__(self, *_: object) -> None:
        """Releases nothing."""


class Sockets(httpcore.AsyncNetworkBackend):
    """Opens sockets.

    Args:
        options: Set on each of them.
    """

    def __init__(self, options: Sequence[tuple[int, int, int]]) -> None:
        self._options = options

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 -- ours are the same for all
    ) -> httpcore.AsyncNetworkStream:
        try:
            stream = await _connected(timeout, anyio.connect_tcp(host, port, local_host=local_address))
        except ValueError as error:  # anyio raises it, too, if the name has IPv6 addresses alone and Python no IPv6
            raise httpcore.ConnectError(f"{host} has no address that this Python can connect to") from error
        try:
            return SocketStream(stream, self._prepared(stream))
        except OSError as error:  # macOS sets no options on a connection that was reset
            await anyio.aclose_forcefully(stream)
            raise httpcore.ConnectError(str(error)) from error

    def _prepared(self, stream: ByteStream) -> socket.socket:
        """Returns the socket of a stream, with the options set."""
        try:
            opened = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 -- it is anyio's, not Django's
        except AttributeError:
            # uvloop's transport then has no socket any more, and anyio's stream asks `None` for its addresses.
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)) from None
        for option in self._options:
            opened.setsockopt(*option)
        return opened


class SocketStream(httpcore.AsyncNetworkStream):
    """Reads and writes the bytes of a connection, with or without TLS.

    Args:
        stream: What reads and writes them.
        opened: The socket beneath the stream.
    """

    def __init__(self, stream: ByteStream, opened: socket.socket) -> None:
        self._stream = stream
        self._socket = opened
        self._broken_by: BaseException | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return await _within(timeout, self._stream.receive(max_bytes))
        except anyio.EndOfStream:
            return b""
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except _BROKEN as error:
            error.__cause__ = error.__cause__ or self._broken_by  # of ours, httpcore's pool keeps the context alone
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        try:
            await _within(timeout, self._stream.send(buffer))
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except _BROKEN as error:
            # httpcore reads on, since there may be an answer. TLS then refuses to, and does not say why.
            self._broken_by = error.__cause__
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        with anyio.move_on_after(LONGEST_CLOSE, shield=True):  # a cancelled caller closes, too
            await self._stream.aclose()

    async def start_tls(
        self, ssl_context: "ssl.SSLContext", server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        # Many servers close without TLS's closing handshake. HTTP itself says where most answers end; see `is_cut_off`.
        wrapped = TLSStream.wrap(
            self._stream, hostname=server_hostname, ssl_context=ssl_context, standard_compatible=False
        )
        try:
            return SocketStream(await _connected(timeout, wrapped), self._socket)
        except BaseException:
            # A cancelled handshake, too: httpcore has not taken the stream yet, and would leave it open.
            await self.aclose()
            raise

    def get_extra_info(self, info: str) -> object:
        if info == "is_readable":
            return _is_readable(self._socket)
        attribute = _ATTRIBUTES.get(info)
        return attribute and self._stream.extra(attribute, None)  # noqa: S610


_BROKEN: Final = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)
"""What a stream raises if its connection is broken or closed; TLS raises an `OSError`."""

_ATTRIBUTES: Final = {
    "ssl_object": TLSAttribute.ssl_object,
    "client_addr": SocketAttribute.local_address,
    "server_addr": SocketAttribute.remote_address,
    "socket": SocketAttribute.raw_socket,
}


async def _within(timeout: float | None, operation: Awaitable[T]) -> T:
    """Awaits an operation for at most `timeout` seconds; `anyio.fail_after` would enter three context managers."""
    if timeout is None:
        return await operation
    with anyio.move_on_after(timeout):
        return await operation
    raise TimeoutError


async def _connected(timeout: float | None, operation: Awaitable[T]) -> T:
    try:
        return await _within(timeout, operation)
    except TimeoutError as error:
        raise httpcore.ConnectTimeout(str(error)) from error
    except _BROKEN as error:
        raise httpcore.ConnectError(str(error)) from error


def _is_readable(opened: socket.socket) -> bool:
    """Whether bytes are waiting on an idle connection: usually its end, since the server has closed it."""
    if opened.fileno() < 0:
        return True
    if not hasattr(select, "poll"):  # Windows has none, and gevent removes it
        return bool(select.select([opened], [], [], 0)[0])
    poll = select.poll()
    poll.register(opened, select.POLLIN)
    return bool(poll.poll(0))
