"""Blocking work off the event loop, on daemon threads."""

import contextlib
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Final, Generic, ParamSpec, TypeVar

from anyio import CancelScope, Event, RunFinishedError, from_thread, move_on_after
from anyio.lowlevel import current_token

from . import system

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_GOODBYE: Final = 0.2
"""Seconds for which leaving a worker waits for its thread, which may hang in a read."""


class Job(Generic[T]):
    """A function that another thread runs, and its outcome for the task that waits.

    Args:
        function: What to run.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._values: list[T] = []
        self._errors: list[BaseException] = []
        self._token = current_token()
        self._lock = threading.Lock()
        self._ended = False
        self._waiter: Event | None = None

    def run(self) -> None:
        """Runs the function, in this thread."""
        try:
            self._values.append(self._function())
        except BaseException as error:  # noqa: BLE001 -- it is raised again in the task that waits
            self._errors.append(error)
        with self._lock:
            self._ended = True
            waiter = self._waiter
        if waiter is not None:
            with contextlib.suppress(RunFinishedError):
                from_thread.run_sync(waiter.set, token=self._token)

    async def wait(self) -> None:
        """Waits for the end, in one task."""
        with self._lock:
            if self._ended:
                return
            waiter = self._waiter = Event()
        try:
            await waiter.wait()
        finally:
            self._waiter = None

    async def outcome(self) -> T:
        """Waits for the end, and returns or raises what the function did; once."""
        await self.wait()
        return self.result()

    def result(self) -> T:
        """Returns or raises what the function did; once, after its end."""
        if self._errors:
            raise self._errors.pop()
        return self._values.pop()


async def run_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs a function in a thread of its own and waits for its end, also when cancelled.

    Args:
        function: What to run; it must end by itself, soon.
        *args: Its arguments.
        **kwargs: Its keyword arguments.

    Returns:
        What the function returned.
    """
    job = begin_in_thread(partial(function, *args, **kwargs))
    with CancelScope(shield=True):
        await job.wait()
    return job.result()


def begin_in_thread(function: Callable[[], T]) -> Job[T]:
    """Has a function run in a thread of its own. Whoever is cancelled while waiting for it leaves it alone.

    Args:
        function: What to run; it must end by itself, soon.

    Returns:
        Its outcome to come.
    """
    job = Job(function)
    thread = system.SerialThread("wriftai_anyio worker")
    thread.start()
    thread.call(job.run)
    thread.end()
    return job


class Worker:
    """A thread that runs functions one after another while an `async with` block lasts.

    Attributes:
        cleanup: What the thread closes at the end, also if that end comes late, after a read that hung.
    """

    def __init__(self) -> None:
        self.cleanup = ExitStack()
        self._thread = system.SerialThread("wriftai_anyio files")

    def begin(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Job[T]:
        """Has a function run after those begun before, and does not wait for it.

        Args:
            function: What to run.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Returns:
            Its outcome to come.
        """
        job = Job(partial(function, *args, **kwargs))
        self._thread.call(job.run)
        return job

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Has a function run, and returns or raises what it did.

        When cancelled, it is left alone: it must do no harm when it ends later.
        """
        return await self.begin(function, *args, **kwargs).outcome()

    async def __aenter__(self) -> "Worker":
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.forget()
        last = self.begin(self.cleanup.close)
        self._thread.end()
        # What cannot be closed or removed any more must not hide why the block was left.
        with move_on_after(LONGEST_GOODBYE, shield=True), contextlib.suppress(OSError):
            await last.outcome()
            # It has nothing left to do, so that this does not block; without it, it might still be listed.
            self._thread.join(LONGEST_GOODBYE)
