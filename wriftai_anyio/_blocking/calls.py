"""One blocking call: its coroutine, its caller, and the callbacks passed between them."""

import os
import queue
import sys
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, ParamSpec, TypeVar

import anyio

from wriftai_anyio._concurrency.causes import without_internals
from wriftai_anyio._concurrency.outcome import Outcome
from wriftai_anyio._concurrency.threads import ThreadCall
from wriftai_anyio.errors import WriftAIError

from .guard import closed_error

if TYPE_CHECKING:
    from .loop_thread import LoopThread

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_GOODBYE: Final = 1.0
"""Seconds that a caller who leaves a call early waits for the end of its coroutine."""
WINDOWS_SLICE: Final = 0.5
"""Seconds: on Windows a thread that waits for a lock does not see Ctrl-C (anyio#532)."""
WORKER_SLICE: Final = 0.1
"""Seconds between a worker thread's checks whether the task that waits for it was cancelled."""


_PLAIN_THREADS: Final = (threading.Thread, type(threading.main_thread()))


class Caller:
    """The thread that waits in a blocking call, as the call's coroutine sees it."""

    def __init__(self) -> None:
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a callback in the caller's own thread, with its context variables.

        Args:
            function: The callback.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Returns:
            What the callback returned.

        Raises:
            Exception: What the callback raised.
        """
        # What is not an `Exception`, such as Ctrl-C in the callback, ends the call in the caller's thread.
        callback = ThreadCall(partial(function, *args, **kwargs), Exception)
        self._inbox.put(callback.run)
        return await callback.outcome()

    def wake(self) -> None:
        """Ends the thread's `attend`, this one or else the next."""
        if self._inbox.empty():
            self._inbox.put(_nothing)

    def end(self) -> None:
        """Ends the thread's `attend`, which then returns `False`."""
        self._inbox.put(None)

    def attend(self, *, in_worker: bool) -> bool:
        """Waits in the caller's thread for what there is to do, and does it.

        Args:
            in_worker: Whether this is a worker thread of anyio, whose task may be cancelled meanwhile.

        Returns:
            Whether there may be more to do: `False` when the call has ended.
        """
        timeout = WORKER_SLICE if in_worker else WINDOWS_SLICE if sys.platform == "win32" else None
        while True:
            try:
                callback = self._inbox.get(timeout=timeout)
            except queue.Empty:
                if in_worker:
                    _check_cancelled()
                continue
            if callback is None:
                return False
            callback()
            return True


def _nothing() -> None:
    """Does what there is to do in a thread that was only to be woken."""


class Call(Generic[T]):
    """One coroutine run for one blocking caller. Its outcome comes back as a value, whatever it is.

    Args:
        function: The coroutine function.
        caller: Told of the end, if the call's thread waits on it.
        forget: Called at the end.

    Attributes:
        ended: Whether it has.
    """

    ended: bool

    def __init__(
        self, function: Callable[[], Awaitable[T]], caller: Caller | None, forget: "Callable[[Call[T]], None]"
    ) -> None:
        self._function = function
        self._caller = caller
        self._forget = forget
        # All kinds of errors: none of them must end the event loop, on which others have calls.
        self._outcome: Outcome[T] = Outcome(BaseException)
        self._scope: anyio.CancelScope | None = None
        self._cancelled = False
        self.ended = False
        # Held until the end. An event of `threading` raises three exceptions when it is made: it takes 25 times as
        # long to make and to set.
        self._running = threading.Lock()
        self._running.acquire()

    async def run(self) -> None:
        """Runs the coroutine on the portal's event loop."""
        if self.ended:
            return
        try:
            if not self._cancelled:
                with anyio.CancelScope() as self._scope:
                    await self._outcome.run(self._function)
        finally:
            self._end()

    def _end(self) -> None:
        self._forget(self)
        self.ended = True
        self._running.release()
        if self._caller is not None:
            self._caller.end()

    def cancel(self) -> None:
        """Cancels the coroutine, now or when it begins. To be called on the portal's event loop."""
        self._cancelled = True
        if self._scope is not None:
            self._scope.cancel()

    def give_up(self) -> None:
        """Cancels the coroutine for a caller who has left, perhaps before the event loop heard of it; see `cancel`."""
        self.cancel()
        if self._scope is None and not self.ended:
            self._end()

    def wait_ended(self, seconds: float) -> None:
        """Waits for the end in another thread, for a limited number of seconds."""
        if not self.ended and self._running.acquire(timeout=seconds):
            self._running.release()  # for others who wait

    def result(self) -> T:
        """Returns what the coroutine returned, or raises what it raised; once."""
        if not self._outcome.is_known:
            raise closed_error("The client was closed during this call.")
        return self._outcome.take()


class Started(Generic[T]):
    """A coroutine that runs for a blocking caller, who asks for its outcome later, and once.

    Args:
        call: The coroutine.
        caller: The thread.
        loop: Where it runs.
    """

    def __init__(self, call: Call[T], caller: Caller, loop: "LoopThread") -> None:
        self._call = call
        self._caller = caller
        self._loop = loop
        self._pid = os.getpid()

    @property
    def is_of_this_process(self) -> bool:
        """Whether it runs here, and not in the parent of a fork."""
        return self._pid == os.getpid()

    def wait_woken(self) -> bool:
        """Waits until it wakes its caller, and returns `False` once it has ended; see `result`."""
        try:
            return not self._call.ended and self._caller.attend(in_worker=in_worker_thread())
        except BaseException:
            self.cancel()
            raise

    def result(self) -> T:
        """Waits for its end, and returns its result or raises its error. A caller who leaves early cancels it."""
        while self.wait_woken():
            pass
        try:
            return self._call.result()
        except WriftAIError as error:
            raise without_internals(error)  # noqa: B904 -- the same error

    def cancel(self) -> None:
        """Cancels it, and waits at most a second for its end."""
        if self.is_of_this_process:
            abandon(self._call, self._loop)

    def leave(self) -> None:
        """Cancels it without waiting for its end. Never blocks, so a finalizer may call it, in any thread."""
        if self.is_of_this_process:
            self._loop.call_soon(self._call.give_up)

    def post(self, function: Callable[[], None]) -> None:
        """Calls a function on its event loop, soon, and does not wait for it.

        Args:
            function: What to call; it must not raise.
        """
        self._loop.call_soon(function)


def abandon(call: Call[T], loop: "LoopThread") -> None:
    """Cancels a call whose caller leaves, and waits at most a second for its end."""
    # A hook may block the event loop: leaving must not wait for that forever.
    loop.call_soon(call.give_up)
    call.wait_ended(LONGEST_GOODBYE)


def in_worker_thread() -> bool:
    """Whether this is a worker thread of anyio or trio, for which a task waits."""
    thread = threading.current_thread()
    if type(thread) in _PLAIN_THREADS and not (thread.daemon and "trio" in sys.modules):
        return False  # without two exceptions: anyio's workers are of a class of their own, and trio's are daemons
    try:
        _check_cancelled()
    except RuntimeError:  # of both libraries, in threads of others
        return False
    return True


def _check_cancelled() -> None:
    try:
        anyio.from_thread.check_cancelled()
    except anyio.NoEventLoopError:  # anyio does not know trio's own threads
        # In part while another thread imports it, when it has no threads yet.
        from_trio = getattr(sys.modules.get("trio"), "from_thread", None)
        check_cancelled: Callable[[], None] | None = getattr(from_trio, "check_cancelled", None)
        if check_cancelled is None:
            raise
        check_cancelled()
