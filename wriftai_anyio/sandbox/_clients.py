"""The connection of a client: whether the client is still there, and how to close it."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import anyio
from starlette.types import Scope


class Connection(Protocol):
    """One client's TCP connection."""

    @property
    def closed(self) -> anyio.Event:
        """Set once either side has closed it."""
        ...

    def abort(self) -> None:
        """Close it at once; unsent data is lost."""

    def close(self) -> None:
        """Close it once everything written has been sent."""


def connection_of(scope: Scope) -> Connection:
    """Return the connection of a request."""
    connection: Connection = scope["state"]["connection"]
    return connection


async def while_connected(connection: Connection, wait: Callable[[], Awaitable[object]], seconds: float) -> None:
    """Await something until it ends, the time is up or the client has disconnected.

    Args:
        connection: The client's connection.
        wait: What to await.
        seconds: The most seconds to wait.
    """
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            await connection.closed.wait()
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        with anyio.move_on_after(seconds):
            await wait()
        tasks.cancel_scope.cancel()
