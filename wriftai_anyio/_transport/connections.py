"""The only file that opens connections with httpx: one set of connections per event loop."""

import sys
import weakref
from collections.abc import AsyncGenerator
from functools import partial
from typing import Final

import httpx
from anyio import current_time, move_on_after, sleep

from wriftai_anyio._concurrency import system
from wriftai_anyio._concurrency.forks import PerProcess
from wriftai_anyio._concurrency.per_loop import PerLoop
from wriftai_anyio._concurrency.threads import begin_in_thread
from wriftai_anyio._instrumentation.log import logger
from wriftai_anyio.errors import APIConnectionError

from .bodies import StreamedBody, read_whole
from .failures import closed_error, connection_error, late, out_of_descriptors, patience_with
from .network import Network, request_limit
from .pools import Connections

DESCRIPTOR_RETRY: Final = 0.25
"""Seconds until a connect is tried again that failed for want of file descriptors, on average."""


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
        with move_on_after(patience_with(request)):
            try:
                await read_whole(response)
            except httpx.RequestError as error:
                raise connection_error(request, error) from error
            return response
        raise late(request)

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
                if not out_of_descriptors(error) or waited > patience_with(request):
                    raise
            delay = DESCRIPTOR_RETRY * system.uniform(0.5, 1.5)
            logger.info("connecting to %s again after %.2f s: no file descriptor is free", request.url.host, delay)
            await sleep(delay)
            waited += delay

    async def _attempt(self, connections: Connections, request: httpx.Request, *, whole: bool) -> httpx.Response:
        pool = await connections.enter()
        patience = patience_with(request)
        with move_on_after(patience) as scope:
            if isinstance(request.stream, StreamedBody):
                request.stream.renews(patience, scope)
            try:
                response = await connections.send(pool, request)
                if whole:
                    # A new timer for every answer would cost more than all else here, so early answers get none.
                    if scope.deadline - current_time() < patience * 0.9:
                        scope.deadline = current_time() + patience
                    await read_whole(response)
                    if self._transport is not None:
                        response.read()  # who gave the transport may keep its answers, and look at them
            except httpx.RequestError as error:
                raise connection_error(request, error) from error
            return response
        raise late(request)

    async def _connections(self, scheme: str) -> Connections:
        if self._transport is None and not self._closed and not self._network.get().is_ready(scheme):
            await begin_in_thread(partial(self._network.get().prepare, scheme)).outcome()
        if self._closed:
            raise closed_error()
        end = loop_ends.get()
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
        await loop_ends.get().close(self)
