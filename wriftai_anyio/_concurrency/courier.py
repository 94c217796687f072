"""Calls into an event loop, from any thread and without waiting for it: anyio's own ways in all wait."""

from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Thread
from typing import Final

from anyio import RunFinishedError, from_thread
from anyio.lowlevel import EventLoopToken, current_token

LONGEST_IDLE: Final = 0.5
"""Seconds for which the thread stays for further calls."""


class Courier:
    """Carries calls to an event loop, on one thread that ends when there have been none for a while.

    Args:
        loop: The event loop.
    """

    def __init__(self, loop: EventLoopToken) -> None:
        self._loop = loop
        self._calls: list[Callable[[], None]] = []
        self._changed = Condition()
        self._under_way = False

    def carry(self, call: Callable[[], None]) -> None:
        """Has a function called on the event loop, after those before it: at once, if this is its thread.

        Never blocks. If the event loop ends before, the function is not called.

        Args:
            call: The function, which must not raise.
        """
        if self._is_here():
            call()
            return
        with self._changed:
            self._calls.append(call)
            self._changed.notify()
            if self._under_way:
                return
            self._under_way = True
        Thread(target=self._work, name="wriftai_anyio courier", daemon=True).start()

    def _is_here(self) -> bool:
        try:
            return current_token().native_token is self._loop.native_token
        except RuntimeError:
            return False

    def _work(self) -> None:
        while calls := self._take():
            with suppress(RunFinishedError):
                from_thread.run_sync(_call_all, calls, token=self._loop)

    def _take(self) -> list[Callable[[], None]]:
        """Waits for calls; none if it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._calls, LONGEST_IDLE)
            calls, self._calls = self._calls, []
            self._under_way = bool(calls)
        return calls


def _call_all(calls: list[Callable[[], None]]) -> None:
    for call in calls:
        call()
