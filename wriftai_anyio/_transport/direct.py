"""Connections without a proxy, on which a request takes httpcore's locks without yielding to the event loop.

httpcore 1.0.9 takes three locks for each request. They are free, since its pool gives a connection one request at a
time, but on both asyncio and trio even a free lock yields to the event loop. Without these yields an `async_get`
takes 0.92 of its time, and a blocking `get` 0.8 (issue 17):

    a request begins   lock of the connection       not taken once that is open
                       lock of the HTTP/1.1 state   taken at once
    an answer ends     lock of the HTTP/1.1 state   taken at once

This relies on private names of httpx and httpcore. A version without them works as well, only more slowly.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import httpcore
import httpx

from wriftai_anyio._concurrency import system

if TYPE_CHECKING:
    import ssl  # a lean Python may lack it: then only connections fail

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
        self._pool = Pool(
            partial(Connection, ssl_context=context, keepalive_expiry=keepalive_expiry, socket_options=socket_options),
            keepalive_expiry,
        )


class Pool(httpcore.AsyncConnectionPool):
    """The connections of one transport.

    Args:
        connection_to: Makes a connection to an origin.
        keepalive_expiry: Seconds for which it is kept when it is idle.
    """

    def __init__(self, connection_to: "Callable[[httpcore.Origin], Connection]", keepalive_expiry: float) -> None:
        super().__init__(max_connections=None)
        self._connection_to = connection_to
        self._expiry = keepalive_expiry

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        if request.method == b"POST":
            # It must not be sent twice, and next the pool looks whether the server has closed the connection. One in
            # this event loop that closes it after its answer does so in this turn: one lock was waited for before.
            await anyio.lowlevel.checkpoint()
            self._put_settled_first()
        return await super().handle_async_request(request)

    def _put_settled_first(self) -> None:
        """Moves the connections whose answers have just ended to the end, the latest last.

        The pool takes the first that is idle. With servers that close some within 5 ms of an answer, five tasks got a
        fifth more creates of unknown outcome without this than with httpcore's yields, in which others looked again.
        The rest keep their order, so that few connections come near the time after which servers close idle ones.
        """
        settled = system.monotonic() + self._expiry - SETTLED
        connections: list[Connection] = getattr(self, "_connections", [])
        connections.sort(key=lambda each: max(each.expires_at, settled))

    def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        return self._connection_to(origin)


class Connection(httpcore.AsyncHTTPConnection):
    """A connection on which requests after the first do not yield to the event loop for locks."""

    @property
    def expires_at(self) -> float:
        """When it is closed if it stays idle, on the clock of `time.monotonic`; minus infinity while it is in use."""
        expires_at: float | None = getattr(getattr(self, "_connection", None), "_expire_at", None)
        return -math.inf if expires_at is None else expires_at

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        opened: httpcore.AsyncConnectionInterface | None = getattr(self, "_connection", None)
        if opened is not None:
            return await opened.handle_async_request(request)
        response = await super().handle_async_request(request)
        # Nobody holds the lock that is replaced here: it is next taken at the end of this answer, which nobody has yet.
        setattr(getattr(self, "_connection", self), "_state_lock", anyio.Lock(fast_acquire=True))  # noqa: B010
        return response
