"""The only file that opens connections with httpx: one set of connections per event loop, and its guard.

httpcore 1.0.9 can lose the slot of a request that is cancelled while it queues for a connection, so its pools are
not capped here and never queue; our own limiter bounds the requests under way. Its pool also looks through all
of its connections at each request, so many requests are spread over several pools. See `_Pool` for the one
window that is left.
"""

import math
import sys
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Final

import httpx
from anyio import CancelScope, Semaphore, current_time, get_cancelled_exc_class, move_on_after, sleep
from anyio.lowlevel import RunVar, current_token

from wriftai_anyio._concurrency import system
from wriftai_anyio._concurrency.cancellation import reason_to_leave
from wriftai_anyio._concurrency.forks import PerProcess
from wriftai_anyio._concurrency.threads import begin_in_thread
from wriftai_anyio._instrumentation.log import logger
from wriftai_anyio.errors import APIConnectionError, APITimeoutError

from .network import Network, causes, out_of_descriptors, request_limit

REQUESTS_PER_POOL: Final = 8
"""httpcore's work for each request grows with the square of its pool: 1,000 held creates took 12 s of processor
time with 64 in a pool, and 4 s with 8."""
CANCELS_PER_POOL: Final = 32
LONGEST_CLOSE: Final = 1.0
"""Seconds that closing connections may take when a caller leaves."""
DESCRIPTOR_RETRY: Final = 0.25
"""Seconds until a connect is tried again that failed for want of file descriptors, on average."""


class Body(httpx.AsyncByteStream):
    """A request's body that notes whether it was asked for: if not, the server saw no whole request."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.asked = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        self.asked = True
        return _Once(self._content)


class _Once(AsyncIterator[bytes]):
    """One chunk. No generator, since a request that is cancelled would leave it unfinished: trio warns of that."""

    def __init__(self, chunk: bytes) -> None:
        self._chunks = [chunk]

    async def __anext__(self) -> bytes:
        if not self._chunks:
            raise StopAsyncIteration
        return self._chunks.pop()


class StreamedBody(httpx.AsyncByteStream):
    """A long body in chunks: each that is asked for renews the patience with the request's attempt.

    An iterator and no generator, since a request that ends early would leave a generator unfinished.
    """

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._patience = math.inf
        self._scope = CancelScope()

    def renews(self, patience: float, scope: CancelScope) -> None:
        """Names the scope of the attempt, and the seconds for which it goes on without a chunk being asked for."""
        self._patience = patience
        self._scope = scope

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        # How long a chunk takes to be made is not the server's affair.
        self._scope.deadline = math.inf
        try:
            return await anext(self._chunks)
        finally:
            self._scope.deadline = current_time() + self._patience


class _Pool:
    """One inner transport, and what is under way on it.

    A request that is cancelled between its connect and the lock of the HTTP/1.1 state leaves a connection in
    httpcore's pool that is neither used nor closed again. So a pool retires after some cancels that came
    before an answer's head, and is closed when the last answer on it has been read.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self.transport = transport
        self.active = 0
        self.cancels = 0

    @property
    def retired(self) -> bool:
        return self.cancels >= CANCELS_PER_POOL

    async def aclose(self) -> None:
        with move_on_after(LONGEST_CLOSE, shield=True):
            await self.transport.aclose()


class _CountedStream(httpx.AsyncByteStream):
    """An answer's body that gives its place in the pool back when it is closed."""

    def __init__(self, stream: httpx.AsyncByteStream, connections: "Connections", pool: _Pool) -> None:
        self._stream = stream
        self._connections = connections
        self._pool: _Pool | None = pool

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await self._stream.aclose()
        finally:
            await self._connections.leave(pool)

    def __del__(self) -> None:
        if self._pool is not None:
            self._connections.lose(self._pool)


class Connections:
    """The connections of one client on one event loop.

    Args:
        make_transport: Makes an inner transport.
        limit: How many requests may be under way at once; more wait for their turn, first come, first served.
        shared: Whether all requests go through one transport, which the user gave and which is not guarded.
    """

    def __init__(self, make_transport: Callable[[], httpx.AsyncBaseTransport], limit: int, *, shared: bool) -> None:
        self._make_transport = make_transport
        self._limiter = Semaphore(limit, fast_acquire=True)
        self._shared = shared
        self._pools: list[_Pool] = []
        self._closed = False
        self._loop = current_token()

    async def enter(self) -> _Pool:
        """Takes a place in a pool, when there is one."""
        await self._limiter.acquire()
        try:
            pool = self._pool_with_room()
        except BaseException:
            self._limiter.release()
            raise
        pool.active += 1
        return pool

    def _pool_with_room(self) -> _Pool:
        if self._closed:
            raise closed_error()
        room = math.inf if self._shared else REQUESTS_PER_POOL
        for pool in self._pools:
            if pool.active < room and not pool.retired:
                return pool
        pool = _Pool(self._make_transport())
        self._pools.append(pool)
        return pool

    async def send(self, pool: _Pool, request: httpx.Request) -> httpx.Response:
        """Sends a request in the place taken; the caller must close the answer, or read it to its end."""
        try:
            response = await pool.transport.handle_async_request(request)
        except BaseException as error:
            reason = reason_to_leave(error)  # trio connects in a nursery
            if isinstance(reason, get_cancelled_exc_class()):
                pool.cancels += 1
            await self.leave(pool)
            if reason is error:
                raise
            raise reason from None
        response.request = request
        if self._closed:
            # Its connection was only being opened then: httpcore has forgotten it, and it would stay open.
            await close(response)
            await self.leave(pool)
            raise httpx.ReadError("the client was closed meanwhile", request=request)
        if response.is_closed or not isinstance(response.stream, httpx.AsyncByteStream):
            await self.leave(pool)
        else:
            response.stream = _CountedStream(response.stream, self, pool)
        return response

    def lose(self, pool: _Pool) -> None:
        """Gives back the place of an answer that was dropped unclosed, in a finalizer: elsewhere it is lost."""
        with suppress(RuntimeError):
            if current_token().native_token is self._loop.native_token:
                self._limiter.release()
                pool.active -= 1

    async def leave(self, pool: _Pool) -> None:
        """Gives a place back; closes the pool if it is retired, or idle beside another idle one."""
        self._limiter.release()
        pool.active -= 1
        if pool.active or self._shared or pool not in self._pools:
            return
        if pool.retired or any(other.active == 0 for other in self._pools if other is not pool):
            self._pools.remove(pool)
            await pool.aclose()

    async def aclose(self) -> None:
        """Closes all connections, also those in use; who waits for a place gets none any more."""
        self._closed = True
        pools, self._pools = self._pools, []
        for pool in pools:
            await pool.aclose()


class _LoopEnd:
    """Closes the connections of an event loop when that ends, though nobody called `aclose`.

    The connections of clients that were dropped unclosed are closed when the next client comes.
    """

    def __init__(self) -> None:
        self._open: dict[weakref.ref[Http], Connections] = {}
        self._keeper: AsyncGenerator[None, None] | None = None

    def connections(self, http: "Http") -> Connections | None:
        return self._open.get(weakref.ref(http))

    async def add(self, http: "Http", connections: Connections) -> None:
        self._open[weakref.ref(http)] = connections
        if self._keeper is None:
            self._keeper = self._keep()
            await anext(self._keeper)
        for owner in [owner for owner in self._open if owner() is None]:
            await self._open.pop(owner).aclose()

    async def close(self, http: "Http") -> None:
        connections = self._open.pop(weakref.ref(http), None)
        if connections is not None:
            await connections.aclose()

    async def _keep(self) -> AsyncGenerator[None, None]:
        # An event loop that shuts down closes all async generators. This one is held here and not by a client,
        # since trio warns of those that are collected. It is suspended in a plain `try`: no cancel scope is
        # open across the yield.
        try:
            yield
        finally:
            self._keeper = None
            while self._open:
                _, connections = self._open.popitem()
                await connections.aclose()


_loop_end: RunVar[_LoopEnd] = RunVar("wriftai_anyio_loop_end")


def _this_loop_end() -> _LoopEnd:
    try:
        return _loop_end.get()
    except LookupError:
        end = _LoopEnd()
        _loop_end.set(end)
        return end


class Http:
    """Sends requests on whatever event loop it is called from, over connections that belong to that loop.

    Args:
        transport: Used for all requests instead of connections of our own.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport | None) -> None:
        self._transport = transport
        self._closed = False
        self._network = PerProcess(Network)

    async def fetch(self, request: httpx.Request) -> httpx.Response:
        """Sends a request and reads the whole answer.

        Args:
            request: The request; its extension `timeout` bounds the attempt.

        Returns:
            The answer, read and closed.

        Raises:
            APIConnectionError: If no whole answer came.
            APITimeoutError: If it did not come in time.
        """
        return await self._send(request, whole=True)

    async def read(self, response: httpx.Response) -> httpx.Response:
        """Reads the rest of an answer that was opened, and closes it; see `fetch`."""
        request = response.request
        with move_on_after(_patience(request)):
            try:
                await _read_whole(response)
            except httpx.RequestError as error:
                raise connection_error(request, error) from error
            return response
        raise _late(request)

    async def open(self, request: httpx.Request) -> httpx.Response:
        """Sends a request and returns when the head of its answer is there; the caller closes the answer.

        Raises:
            APIConnectionError: If no answer came.
            APITimeoutError: If it did not come in time.
        """
        return await self._send(request, whole=False)

    async def _send(self, request: httpx.Request, *, whole: bool) -> httpx.Response:
        connections = await self._connections(request.url.scheme)
        waited = 0.0
        while True:
            try:
                return await self._attempt(connections, request, whole=whole)
            except APIConnectionError as error:
                if not out_of_descriptors(error) or waited > _patience(request):
                    raise
            delay = DESCRIPTOR_RETRY * system.uniform(0.5, 1.5)
            logger.info("connecting to %s again after %.2f s: no file descriptor is free", request.url.host, delay)
            await sleep(delay)
            waited += delay

    async def _attempt(self, connections: Connections, request: httpx.Request, *, whole: bool) -> httpx.Response:
        pool = await connections.enter()
        patience = _patience(request)
        with move_on_after(patience) as scope:
            if isinstance(request.stream, StreamedBody):
                request.stream.renews(patience, scope)
            try:
                response = await connections.send(pool, request)
                if whole:
                    # A new timer for every answer would cost more than all else here, so early answers get none.
                    if scope.deadline - current_time() < patience * 0.9:
                        scope.deadline = current_time() + patience
                    await _read_whole(response)
            except httpx.RequestError as error:
                raise connection_error(request, error) from error
            return response
        raise _late(request)

    async def _connections(self, scheme: str) -> Connections:
        if self._transport is None and not self._closed and not self._network.get().is_ready(scheme):
            await begin_in_thread(partial(self._network.get().prepare, scheme)).outcome()
        if self._closed:
            raise closed_error()
        end = _this_loop_end()
        connections = end.connections(self)
        if connections is None:
            connections = self._make_connections()
            await end.add(self, connections)
        return connections

    def _make_connections(self) -> Connections:
        if self._transport is not None:
            transport = self._transport
            return Connections(lambda: transport, sys.maxsize, shared=True)
        return Connections(self._network.get().transport, request_limit(), shared=False)

    async def aclose(self) -> None:
        """Closes the connections of this event loop, and refuses further requests on any."""
        self.refuse()
        await self.close_loop()
        if self._transport is not None:
            await self._transport.aclose()

    def refuse(self) -> None:
        """Refuses further requests."""
        self._closed = True

    async def close_loop(self) -> None:
        """Closes the connections of this event loop."""
        await _this_loop_end().close(self)


def closed_error() -> RuntimeError:
    """Makes the error for calls of a client that is closed."""
    return RuntimeError("This client is closed. Make a new Client.")


async def _read_whole(response: httpx.Response) -> None:
    stream = response.stream
    if response.is_closed or not isinstance(stream, httpx.AsyncByteStream):
        await response.aread()
        return
    try:
        content = b"".join([chunk async for chunk in stream])
    except BaseException:
        await close(response)
        raise
    await stream.aclose()
    # Decoded only now: httpx leaves its chain of generators unfinished when that fails, and trio warns of them.
    response.stream = httpx.ByteStream(content)
    response.read()


async def close(response: httpx.Response) -> None:
    """Closes an answer that may not have been read to its end: at once, and also when cancelled."""
    with move_on_after(LONGEST_CLOSE, shield=True):
        await response.aclose()


async def abandon(chunks: AsyncIterator[bytes], patience: float = 0.0) -> None:
    """Ends the iterator of an answer's body, whose connection is closed thereby.

    Under httpx lies a chain of generators. trio warns of each that is left unfinished, and only what is raised
    in the innermost one finishes them all.

    Args:
        chunks: The iterator.
        patience: Seconds in which the body may end by itself, so that the connection can be used again.
    """
    with move_on_after(patience, shield=True):
        async for _ in chunks:
            pass


def connection_error(request: httpx.Request, error: httpx.RequestError) -> APIConnectionError:
    """Makes our error of what httpx saw; the request that both then carry has no access token."""
    said = next((str(cause) for cause in causes(error) if str(cause)), "")
    reason = f"{type(error).__name__}: {said}" if said else type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        made = _error(APITimeoutError, request, f"was not answered in time ({reason})", error)
    else:
        made = _error(APIConnectionError, request, f"was not answered ({reason})", error)
    error.request = made.request
    return made


def _late(request: httpx.Request) -> APIConnectionError:
    return _error(APITimeoutError, request, f"was not answered within {_patience(request):g} s", None)


def _error(
    kind: type[APIConnectionError], request: httpx.Request, what: str, error: httpx.RequestError | None
) -> APIConnectionError:
    sent = _may_have_arrived(request, error)
    known = "The server may have seen it." if sent else "The server did nothing."
    return kind(
        f"{request.method} {request.url.path} on {request.url.host} {what}. {known} "
        "Check the network and the base URL, then try again.",
        request=without_secrets(request),
        request_sent=sent,
    )


def _may_have_arrived(request: httpx.Request, error: httpx.RequestError | None) -> bool:
    never_connected = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
    if isinstance(error, never_connected):
        return False
    return not isinstance(request.stream, Body) or request.stream.asked


def without_secrets(request: httpx.Request) -> httpx.Request:
    """Copies a request's method, address and headers, without what authorizes it and without its body."""
    headers = [(name, value) for name, value in request.headers.multi_items() if name not in _SECRET_HEADERS]
    return httpx.Request(request.method, request.url, headers=headers)


_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})


def _patience(request: httpx.Request) -> float:
    timeout = request.extensions.get("timeout", {})
    connect, answer = timeout.get("connect"), timeout.get("read")
    return math.inf if connect is None or answer is None else connect + answer
