"""A uvicorn server that starts and stops at once, and lets the application close connections."""

import os
import socket
from collections.abc import Callable
from functools import cached_property
from typing import Final

import anyio
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

BACKLOG: Final = 4096
KEEP_ALIVE_SECONDS: Final = 75


def listen(port: int) -> socket.socket:
    """Open a listening socket on loopback.

    Args:
        port: The port, or 0 for a free one.

    Raises:
        OSError: If the port is in use.
    """
    # The protocol is given since asyncio sets TCP_NODELAY only for sockets with it.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


class _SandboxProtocol(H11Protocol):
    """One connection, which each of its requests has in its state."""

    @cached_property
    def closed(self) -> anyio.Event:
        return anyio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.closed.set()

    def handle_events(self) -> None:
        self.access_log = False
        self.app_state = {"connection": self}
        super().handle_events()

    def abort(self) -> None:
        self.transport.abort()

    def close(self) -> None:
        self.transport.close()


class SandboxServer(uvicorn.Server):
    """A server that runs until `stop` is called, and then drops open connections.

    Args:
        app: The application.
        on_ready: Called once it accepts connections.
    """

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_SandboxProtocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            )
        )
        self._on_ready = on_ready
        self._stopping = anyio.Event()

    def stop(self) -> None:
        """Stop it. Call this on its event loop."""
        self._stopping.set()

    async def main_loop(self) -> None:
        """Serve until it is stopped."""
        self._on_ready()
        await self._stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Close the sockets and drop all connections, which ends their requests."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        while self.server_state.tasks:  # noqa: ASYNC110 - uvicorn has no event to wait for
            await anyio.sleep(0.001)
