"""Calls that still send something to the server after they were left, and a client's close, which waits for them.

A program that ends often cancels its tasks and closes its client at the same moment, as uvicorn does with the requests
and the lifespan of an application. Without this, the connections would be gone before the first cancel is sent.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, NamedTuple

import anyio
from anyio.lowlevel import current_token

from wriftai_anyio._transport.failures import closed_error

LONGEST_DEPARTURE: Final = 8.0
"""Seconds that closing waits for such calls: `cancel_on_exit` may take five."""


class _Call(NamedTuple):
    loop: object
    task: int
    scope: anyio.CancelScope | None


class Departures:
    """The calls of one client that its close must not cut off."""

    def __init__(self) -> None:
        self._calls: dict[object, _Call] = {}
        self._ended: dict[object, anyio.Event] = {}
        self._is_closing = False

    @contextmanager
    def noted(self, scope: anyio.CancelScope | None = None) -> Generator[None]:
        """Makes the close of the client wait for the end of the block.

        Args:
            scope: Cancelled by the close, so that the call ends early.
        """
        key = object()
        call = self._calls[key] = _Call(current_token().native_token, anyio.get_current_task().id, scope)
        try:
            yield
        finally:
            del self._calls[key]
            ended = self._ended.pop(call.loop, None)
            if ended is not None:
                ended.set()

    def check_open(self) -> None:
        """Raises if the client is being closed.

        Raises:
            RuntimeError: If it is.
        """
        if self._is_closing:
            raise closed_error()

    async def finish(self) -> None:
        """Cancels the calls on this event loop and waits until they have ended, eight seconds at most."""
        self._is_closing = True
        loop, task = current_token().native_token, anyio.get_current_task().id
        with anyio.move_on_after(LONGEST_DEPARTURE, shield=True):
            # A call that ends its wait may start another block, to send its cancel, before this task runs again.
            while calls := [call for call in list(self._calls.values()) if call.loop is loop and call.task != task]:
                ended = self._ended.setdefault(loop, anyio.Event())
                for call in calls:
                    if call.scope is not None:
                        call.scope.cancel()
                await ended.wait()
