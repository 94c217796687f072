"""The connections of one client on one event loop, spread over pools that work around two race conditions of httpcore.

httpcore 1.0.9 can lose the slot of a request that is cancelled while it queues for a connection, so its pools are
not capped here and never queue; our own limiter bounds the requests under way. Its pool also looks through all
of its connections at each request, so many requests are spread over several pools. `Pool` describes the race
that is left.
"""

import math
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final

import httpx
from anyio import Event, Semaphore, get_cancelled_exc_class, move_on_after
from anyio.lowlevel import current_token

from wriftai_anyio._concurrency.cancellation import reason_to_leave
from wriftai_anyio._concurrency.executors import replaces_refusing_executor
from wriftai_anyio._concurrency.per_loop import loop_clock
from wriftai_anyio._instrumentation.foreign_logs import guard_foreign_logs, guarded, under_way

from .bodies import LONGEST_CLOSE, ArrivedBody, PooledStream, close
from .failures import ClosedMeanwhile, closed_error

REQUESTS_PER_POOL: Final = 8
"""httpcore's work for each request grows with the square of its pool: 1,000 held creates took 12 s of processor
time with 64 in a pool, and 4 s with 8."""
CANCELS_PER_POOL: Final = 32
_BROKEN: Final = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
"""How requests fail on a connection that is open: also on one that we have closed."""


class Pool:
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


class _Chunks(AsyncIterator[bytes]):
    """The chunks of a body. An `OSError`, of which httpcore does not map all, is raised as an error of httpx."""

    def __init__(self, chunks: AsyncIterator[bytes], connections: "Connections") -> None:
        self._chunks = chunks
        self._connections = connections

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._chunks)
        except (OSError, *_BROKEN) as error:
            if self._connections.is_closed:
                raise ClosedMeanwhile from error
            if isinstance(error, OSError):
                raise httpx.ReadError(str(error)) from error
            raise


class _CountedStream(PooledStream):
    """The body of an answer, which gives back its place in the pool when it is closed."""

    def __init__(
        self, stream: httpx.AsyncByteStream, request: httpx.Request, connections: "Connections", pool: Pool
    ) -> None:
        self._stream = stream
        self._request = request
        self._connections = connections
        self._pool: Pool | None = pool

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Chunks(guarded(aiter(self._stream), self._request), self._connections)

    async def aclose(self) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await self._stream.aclose()
        finally:
            await self._connections.leave(pool)

    def close_later(self, close: Callable[[], Awaitable[None]]) -> None:
        self._connections.close_later(close)

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if self._pool is not None and not is_finalizing():
            self._connections.lose(self._pool)


class Connections:
    """The connections of one client on one event loop.

    Args:
        make_transport: Makes an inner transport.
        limit: How many requests may be under way at once; more wait for their turn, first come, first served.
        shared: Whether all requests go through one transport, which the user gave and which is not guarded.

    Attributes:
        now: Returns the time of the event loop's clock, in seconds.
        is_closed: Whether `aclose` was called.
    """

    now: Callable[[], float]

    def __init__(self, make_transport: Callable[[], httpx.AsyncBaseTransport], limit: int, *, shared: bool) -> None:
        self._make_transport = make_transport
        self._limiter = Semaphore(limit, fast_acquire=True)
        self._shared = shared
        self._pools: list[Pool] = []
        self.is_closed = False
        self._dropped: deque[Callable[[], Awaitable[None]]] = deque()
        self._ended: Event | None = None
        self._loop = current_token()
        self.now = loop_clock()
        guard_foreign_logs()

    async def enter(self) -> Pool:
        """Waits for a place in a pool, and takes it."""
        if self._dropped:
            await self._close_dropped()
        await self._limiter.acquire()
        try:
            pool = self._pool_with_room()
        except BaseException:
            self._limiter.release()
            raise
        pool.active += 1
        return pool

    def _pool_with_room(self) -> Pool:
        if self.is_closed:
            raise closed_error()
        room = math.inf if self._shared else REQUESTS_PER_POOL
        for pool in self._pools:
            if pool.active < room and not pool.retired:
                return pool
        pool = Pool(self._make_transport())
        self._pools.append(pool)
        return pool

    async def send(self, pool: Pool, request: httpx.Request) -> httpx.Response:
        """Sends a request in the place taken; the caller must close the answer, or read it to its end."""
        try:
            with under_way(request):
                try:
                    response = await pool.transport.handle_async_request(request)
                except RuntimeError as error:
                    if not replaces_refusing_executor(error):
                        raise
                    response = await pool.transport.handle_async_request(request)
        except httpx.PoolTimeout:
            self._give_back(pool)  # a user's transport, which stays open: and nothing has ended there
            raise
        except BaseException as error:
            reason = reason_to_leave(error)  # trio connects in a nursery
            if isinstance(reason, get_cancelled_exc_class()):
                pool.cancels += 1
            await self.leave(pool)
            if self.is_closed and isinstance(reason, _BROKEN):
                raise ClosedMeanwhile from reason
            if reason is error:
                raise
            raise reason from None
        response.request = request
        if self.is_closed:
            # Its connection was being opened when `aclose` ran: httpcore has forgotten it, and it would stay open.
            await close(response)
            await self.leave(pool)
            raise ClosedMeanwhile
        await self._hold_place(pool, response)
        return response

    async def _hold_place(self, pool: Pool, response: httpx.Response) -> None:
        """Gives the place back when the answer is closed, or at once if nothing more comes of it."""
        stream = response.stream
        if isinstance(stream, httpx.AsyncByteStream) and not response.is_closed:
            if type(stream) is not httpx.ByteStream:
                response.stream = _CountedStream(stream, response.request, self, pool)
                return
            response.stream = ArrivedBody(b"".join(stream))  # a mock answered
        await self.leave(pool)

    def close_later(self, close: Callable[[], Awaitable[None]]) -> None:
        """Remembers how to close an answer that was dropped; the next request does it."""
        self._dropped.append(close)

    async def _close_dropped(self) -> None:
        while self._dropped:
            await self._dropped.popleft()()

    @property
    def in_use(self) -> bool:
        """Whether any request is under way."""
        return any(pool.active for pool in self._pools)

    async def one_ended(self, longest: float) -> bool:
        """Waits until a request ends, and returns whether one did within `longest` seconds."""
        ended = self._ended = self._ended or Event()
        with move_on_after(longest):
            await ended.wait()
        return ended.is_set()

    def lose(self, pool: Pool) -> None:
        """Gives back the place of an answer that was dropped unclosed; a finalizer that runs elsewhere loses it."""
        with suppress(RuntimeError):
            if current_token().native_token is self._loop.native_token:
                self._give_back(pool)
                self._tell_ended()

    def _give_back(self, pool: Pool) -> None:
        self._limiter.release()
        pool.active -= 1

    def _tell_ended(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended.set()

    async def leave(self, pool: Pool) -> None:
        """Gives a place back; closes the pool if it is retired, or idle beside another idle one."""
        self._give_back(pool)
        self._tell_ended()
        if pool.active or self._shared or pool not in self._pools:
            return
        is_alone = len(self._pools) == 1
        if pool.retired or (not is_alone and any(other.active == 0 for other in self._pools if other is not pool)):
            self._pools.remove(pool)
            await pool.aclose()

    async def aclose(self) -> None:
        """Closes all connections, also those in use; requests that wait for a place are refused."""
        self.is_closed = True
        await self._close_dropped()
        pools, self._pools = self._pools, []
        for pool in pools:
            await pool.aclose()
