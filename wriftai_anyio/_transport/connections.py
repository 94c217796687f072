"""The only file that opens connections with httpx: one set of connections per event loop."""

import math
import sys
import weakref
from collections.abc import AsyncGenerator, Awaitable
from functools import partial
from typing import Final

import httpx
from anyio import CancelScope, move_on_after, sleep

from wriftai_anyio._concurrency import system
from wriftai_anyio._concurrency.forks import PerProcess
from wriftai_anyio._concurrency.per_loop import PerLoop
from wriftai_anyio._concurrency.threads import begin_in_thread
from wriftai_anyio._instrumentation.log import logger
from wriftai_anyio._instrumentation.shown import shown_response
from wriftai_anyio.errors import APIConnectionError

from .bodies import StreamedBody, UnreadableBody, beginning_of, read_whole
from .failures import SettingsFault, closed_error, connection_error, out_of_descriptors, patience_with, response_error
from .network import GivenTransport, Network, request_limit, time_in_pool
from .pools import Connections

DESCRIPTOR_RETRY: Final = 0.25
"""Seconds, on average, until a connect that found no free file descriptor is tried again."""
PLACE_RETRY: Final = 1.0
"""Seconds until a request that got no connection of a user's transport is sent again, unless one of ours ends first."""
LONGEST_WAIT_FOR_PLACE: Final = 2100.0
"""Seconds for which a request waits for the end of one of ours: the server holds none longer than half an hour."""


async def _descriptor_delay(request: httpx.Request) -> float:
    delay = DESCRIPTOR_RETRY * system.uniform(0.5, 1.5)
    logger.info("connecting to %s again after %.2f s: no file descriptor is free", request.url.host, delay)
    await sleep(delay)
    return delay


def _received(response: httpx.Response) -> httpx.Response:
    """Returns what had arrived of an answer that broke off, for the error."""
    return shown_response(response, beginning_of(response))


class _LoopEnd:
    """Closes the connections of an event loop when the loop ends, even if `aclose` was never called.

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
            dropped = self._open.pop(owner, None)  # another new client may have closed it meanwhile
            if dropped is not None:
                await dropped.aclose()

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


loop_ends: Final = PerLoop("wriftai_anyio_loop_end", _LoopEnd)


class Http:
    """Sends requests on the event loop that it is called from, over connections that belong to that loop.

    Args:
        transport: Used for all requests instead of connections of our own.
        largest: How many bytes an answer that is read as a whole may take.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport | None, largest: float = math.inf) -> None:
        self._transport = transport
        self._largest = largest
        self._closed = False
        self._network = PerProcess(Network)

    def fetch(self, request: httpx.Request) -> Awaitable[httpx.Response]:
        """Sends a request and reads the whole answer.

        Args:
            request: The request; its extension `timeout` bounds the attempt.

        Returns:
            The answer, read and closed.

        Raises:
            APIConnectionError: If the answer did not arrive, or broke off.
            APITimeoutError: If it did not come in time.
            APIResponseError: If the answer is too large, or encoded in a way that was not asked for.
        """
        return self._send(request, whole=True)

    async def read(self, response: httpx.Response) -> httpx.Response:
        """Reads the rest of an answer that was opened, and closes it; see `fetch`."""
        request = response.request
        with move_on_after(patience_with(request)):
            await self._read(response, request)
            return response
        raise connection_error(request, None, _received(response))

    async def _read(self, response: httpx.Response, request: httpx.Request) -> None:
        try:
            await read_whole(response, self._largest)
        except httpx.RequestError as error:
            raise connection_error(request, error, _received(response)) from error
        except UnreadableBody as error:
            raise response_error(response, str(error), error.beginning) from None

    def open(self, request: httpx.Request) -> Awaitable[httpx.Response]:
        """Sends a request and returns once the head of its answer has arrived; the caller closes the answer.

        Raises:
            APIConnectionError: If no answer came.
            APITimeoutError: If it did not come in time.
        """
        return self._send(request, whole=False)

    async def _send(self, request: httpx.Request, *, whole: bool) -> httpx.Response:
        try:
            connections = await self._connections(request.url.scheme)
        except SettingsFault as error:
            raise connection_error(request, error) from error
        waited = 0.0
        while True:
            try:
                return await self._attempt(connections, request, whole=whole)
            except APIConnectionError as error:
                full = isinstance(error.__cause__, httpx.PoolTimeout)
                if not full and not out_of_descriptors(error):
                    raise
                if waited > (LONGEST_WAIT_FOR_PLACE if full and connections.in_use else patience_with(request)):
                    raise
            if not full:
                waited += await _descriptor_delay(request)
            elif await connections.one_ended(PLACE_RETRY):
                waited = 0.0
            else:
                waited += PLACE_RETRY + time_in_pool(request)

    async def _attempt(self, connections: Connections, request: httpx.Request, *, whole: bool) -> httpx.Response:
        pool = await connections.enter()
        patience = patience_with(request)
        response: httpx.Response | None = None
        with CancelScope(deadline=connections.now() + patience) as scope:
            if isinstance(request.stream, StreamedBody):
                request.stream.renews(patience, scope)
            try:
                response = await connections.send(pool, request)
                if whole:
                    # A new timer for every answer would cost more than all else here, so early answers get none.
                    now = connections.now()
                    if scope.deadline - now < patience * 0.9:
                        scope.deadline = now + patience
                    await self._read(response, request)
            except httpx.RequestError as error:
                raise connection_error(request, error) from error
            return response
        raise connection_error(request, None, response and _received(response))

    async def _connections(self, scheme: str) -> Connections:
        if self._transport is None and not self._closed and not self._network.get().is_ready(scheme):
            await begin_in_thread(partial(self._network.get().prepare, scheme)).outcome()
        self.check_open()
        end = loop_ends.get()
        connections = end.connections(self)
        if connections is None:
            connections = self._make_connections()
            await end.add(self, connections)
        return connections

    def _make_connections(self) -> Connections:
        if self._transport is not None:
            transport = GivenTransport(self._transport)
            return Connections(lambda: transport, sys.maxsize, shared=True)
        return Connections(self._network.get().transport, request_limit(), shared=False)

    async def aclose(self) -> None:
        """Closes the connections of this event loop, and refuses further requests on any."""
        self.refuse()
        await self.close_loop()
        if self._transport is not None:
            await self._transport.aclose()

    def check_open(self) -> None:
        """Raises if further requests are refused.

        Raises:
            RuntimeError: If they are.
        """
        if self._closed:
            raise closed_error()

    def refuse(self) -> None:
        """Refuses further requests."""
        self._closed = True

    async def close_loop(self) -> None:
        """Closes the connections of this event loop."""
        await loop_ends.get().close(self)
