"""Calls functions on an event loop without waiting for them: anyio's own ways to call into a loop all wait."""

from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any

import anyio


class CallSoon:
    """Calls functions on the event loop on which it was made, soon and in order, from any thread.

    It never blocks, so finalizers and signal handlers may use it. If the event loop has ended, the call is dropped. In
    a forked child, do not call a loop of the parent: both processes share the socket that wakes it.

    The functions must not raise, and cannot await.
    """

    def __init__(self) -> None:
        loop: Any = anyio.lowlevel.current_token().native_token
        self._on_trio = hasattr(loop, "run_sync_soon")
        self._call_soon = loop.run_sync_soon if self._on_trio else loop.call_soon_threadsafe
        # In an asyncio callback, anyio recognizes its event loop only by the context (if sniffio is installed).
        self._context = copy_context()

    def __call__(self, function: Callable[[], object]) -> None:
        """Calls a function soon, and does not wait for it.

        Args:
            function: The function.
        """
        with suppress(RuntimeError):  # the event loop has ended
            if self._on_trio:
                self._call_soon(function)
            else:
                self._call_soon(function, context=self._context)
