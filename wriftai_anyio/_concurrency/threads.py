"""Blocking work off the event loop, on daemon threads."""

import contextlib
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Final, Generic, ParamSpec, TypeVar

import anyio

from . import system
from .call_soon import CallSoon
from .outcome import Outcome

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_HANG: Final = 0.2
"""Seconds that leaving a worker waits for its thread, which may hang in a read."""


class ThreadCall(Generic[T]):
    """A function that another thread runs, and its outcome for the task that waits for it.

    Args:
        function: What to run.
        kinds: The errors to keep for the task; others are raised in the thread.
    """

    def __init__(self, function: Callable[[], T], kinds: type[BaseException] = BaseException) -> None:
        self._function = function
        self._outcome: Outcome[T] = Outcome(kinds)
        self._waiter: anyio.Event | None = None
        self._call_soon = CallSoon()

    def run(self) -> None:
        """Runs the function, in this thread."""
        self._outcome.run_sync(self._function)
        if self._waiter is not None:
            self._call_soon(self._waiter.set)

    async def wait(self) -> None:
        """Waits for the end, in one task."""
        # The waiter is set before this check: an end at the same moment sees the waiter, or is seen here.
        waiter = self._waiter = anyio.Event()
        if not self._outcome.is_known:
            await waiter.wait()

    async def outcome(self) -> T:
        """Waits for the end, and returns or raises what the function did; once."""
        await self.wait()
        return self.result()

    def result(self) -> T:
        """Returns or raises what the function did; once, after its end."""
        return self._outcome.take()


async def run_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs a function in its own thread and waits for its end, even when cancelled.

    Args:
        function: What to run; it must end on its own, soon.
        *args: Its arguments.
        **kwargs: Its keyword arguments.

    Returns:
        What the function returned.
    """
    job = begin_in_thread(partial(function, *args, **kwargs))
    with anyio.CancelScope(shield=True):
        await job.wait()
    return job.result()


def begin_in_thread(function: Callable[[], T]) -> ThreadCall[T]:
    """Starts to run a function in its own thread, which goes on if the task that waits for it is cancelled.

    Args:
        function: What to run; it must end on its own, soon.

    Returns:
        The call, to wait for.
    """
    job = ThreadCall(function)
    thread = system.SerialThread("wriftai_anyio worker")
    thread.start()
    thread.call(job.run)
    thread.end()
    return job


class Worker:
    """A thread that runs functions one after another while an `async with` block lasts.

    Attributes:
        cleanup: What the thread closes at its end, even if that comes late, after a read that hung.
    """

    def __init__(self) -> None:
        self.cleanup = ExitStack()
        self._thread = system.SerialThread("wriftai_anyio files")

    def begin(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> ThreadCall[T]:
        """Queues a function to run after those queued before, and does not wait for it.

        Args:
            function: What to run.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Returns:
            The call, to wait for.
        """
        job = ThreadCall(partial(function, *args, **kwargs))
        self._thread.call(job.run)
        return job

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a function, and returns or raises what it did.

        If this is cancelled, the function goes on: it must be safe for it to end later.
        """
        return await self.begin(function, *args, **kwargs).outcome()

    async def __aenter__(self) -> "Worker":
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._thread.forget()
        last = self.begin(self.cleanup.close)
        self._thread.end()
        # An error while closing or removing files must not hide why the block was left.
        with anyio.move_on_after(LONGEST_HANG, shield=True), contextlib.suppress(OSError):
            await last.outcome()
            # The thread has nothing left to do, so this hardly blocks; without it, the thread might still be listed.
            self._thread.join(LONGEST_HANG)
