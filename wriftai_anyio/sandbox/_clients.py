"""The other end of a connection: whether it is still there, and how to break it off."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import anyio
from starlette.types import Scope


class Connection(Protocol):
    """One client's TCP connection."""

    @property
    def closed(self) -> anyio.Event:
        """Set once it has been closed by either side."""
        ...

    def abort(self) -> None:
        """Close it at once; what is not yet sent is lost."""

    def close(self) -> None:
        """Close it when all that was written has been sent."""


def connection_of(scope: Scope) -> Connection:
    """Return the connection that a request came over."""
    connection: Connection = scope["state"]["connection"]
    return connection


async def while_connected(connection: Connection, wait: Callable[[], Awaitable[object]], seconds: float) -> None:
    """Await something until it ends, the seconds have passed or the client has left.

    Args:
        connection: The client's connection.
        wait: What to await.
        seconds: How long at most.
    """
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            await connection.closed.wait()
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        with anyio.move_on_after(seconds):
            await wait()
        tasks.cancel_scope.cancel()
