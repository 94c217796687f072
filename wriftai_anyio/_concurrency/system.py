"""Time, randomness and threads: the package takes them from here alone, so that a simulation can replace them.

Call them through this module (`system.wall_time()`): a name imported from it would stay the real one. The event
loop's own clock (`anyio.current_time`) needs no place here, since an event loop may run on virtual time.
"""

import contextlib
import queue
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

wall_time: Callable[[], float] = time.time
"""Returns this machine's Unix time in seconds."""
monotonic: Callable[[], float] = time.monotonic
"""Returns the seconds of a clock that all threads share and that never goes backwards."""
uniform: Callable[[float, float], float] = random.uniform
"""Draws a number between two others; nothing secret depends on it."""


NO_THREAD: Final = "can't start new thread"
"""Python's message if the system allows no further thread."""
_NONE_AT_SHUTDOWN: Final = "can't create new thread at interpreter shutdown"
_REASONS: Final = {
    NO_THREAD: "the limit of the user or container, or the memory, is used up",
    _NONE_AT_SHUTDOWN: "Python 3.12 starts none once the main thread has ended, so begin before that",
}


def no_thread_because(error: RuntimeError) -> str:
    """Says why a thread could not be started, and what to do."""
    reason = _REASONS.get(str(error))
    return (
        f"A thread could not be started ({error}): {reason}." if reason else f"A thread could not be started: {error}."
    )


def lacks_threads(error: RuntimeError) -> bool:
    """Whether an error says that no thread can be started now."""
    return str(error) in _REASONS


def is_without_threads_at_shutdown(error: RuntimeError) -> bool:
    """Whether an error says that Python starts no more threads, though those that exist go on."""
    return str(error) == _NONE_AT_SHUTDOWN


def refuse_after_shutdown() -> None:
    """Raises if other threads no longer run: waiting for one would never end.

    Raises:
        RuntimeError: If Python has shut down.
    """
    if sys.is_finalizing():
        raise RuntimeError(
            "Python has shut down: no event loop can run for a blocking call any more. Call earlier, such as in a "
            "function that is registered with atexit. Nothing was sent."
        )


class SerialThread:
    """A daemon thread that calls functions one after another.

    anyio's own worker threads on asyncio are not daemons: an idle one on the portal's loop would hang the exit of an
    interpreter whose user did not call `close()`.

    Args:
        name: The thread's name.
    """

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()

    def start(self) -> None:
        """Starts the thread.

        Raises:
            RuntimeError: If the system allows no further thread.
        """
        try:
            self._thread.start()
        except RuntimeError as error:
            raise RuntimeError(no_thread_because(error)) from error

    def call(self, function: Callable[[], None]) -> None:
        """Calls a function, which must not raise, after those before it, and does not wait for it."""
        self._calls.put(function)

    def forget(self) -> None:
        """Drops the functions that have not started yet."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._calls.get_nowait()

    def end(self) -> None:
        """Lets the thread end after the functions already given to it, and does not wait for that."""
        self._calls.put(None)

    def join(self, seconds: float) -> None:
        """Waits for the thread's end, for at most `seconds`."""
        self._thread.join(seconds)
