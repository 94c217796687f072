"""One blocking call: its coroutine, its caller, and the callbacks on their way between them."""

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import anyio
from anyio import CancelScope, NoEventLoopError, RunFinishedError, from_thread
from anyio.lowlevel import current_token

from .loop_thread import LoopThread

T = TypeVar("T")

LONGEST_GOODBYE: Final = 1.0
"""Seconds that a caller who leaves a call early waits for the end of its coroutine."""
WINDOWS_SLICE: Final = 0.5
"""Seconds: on Windows a thread that waits for a lock does not see Ctrl-C (anyio#532)."""
WORKER_SLICE: Final = 0.1
"""Seconds between a worker thread's looks whether the task that waits for it was cancelled."""


class _Callback(Generic[T]):
    """A callback on its way from a coroutine to the caller's thread and back."""

    def __init__(self, function: Callable[..., T], args: tuple[object, ...]) -> None:
        self._function = function
        self._args = args
        self._values: list[T] = []
        self._errors: list[Exception] = []
        self._token = current_token()
        self._done = anyio.Event()

    def run(self) -> None:
        try:
            self._values.append(self._function(*self._args))
        except Exception as error:  # noqa: BLE001 -- it is raised again in the coroutine that asked
            self._errors.append(error)
        with contextlib.suppress(RunFinishedError):
            from_thread.run_sync(self._done.set, token=self._token)

    async def outcome(self) -> T:
        await self._done.wait()
        if self._errors:
            raise self._errors.pop()
        return self._values.pop()


class Caller:
    """The thread that waits in a blocking call, as the call's coroutine sees it."""

    def __init__(self) -> None:
        self.inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    async def run(self, function: Callable[..., object], *args: object) -> None:
        """Runs a callback in the caller's own thread, with its context variables.

        Args:
            function: The callback.
            *args: Its arguments.

        Raises:
            Exception: What the callback raised.
        """
        callback = _Callback(function, args)
        self.inbox.put(callback.run)
        await callback.outcome()

    def wake(self) -> None:
        """Ends the thread's `Started.wait_woken`, this one or else the next."""
        if self.inbox.empty():
            self.inbox.put(_nothing)


def _nothing() -> None:
    """Does what there is to do in a thread that was only to be woken."""


class Call(Generic[T]):
    """One coroutine run for one blocking caller. Its outcome comes back as a value, whatever it is."""

    def __init__(
        self, function: Callable[[], Awaitable[T]], caller: Caller | None, forget: "Callable[[Call[T]], None]"
    ) -> None:
        self._function = function
        self._caller = caller
        self._forget = forget
        self._values: list[T] = []
        self._errors: list[BaseException] = []
        self._scope: CancelScope | None = None
        self._cancelled = False
        self.ended: threading.Event = threading.Event()

    async def run(self) -> None:
        if self._cancelled:
            return
        try:
            with CancelScope() as self._scope:
                await self._outcome()
        finally:
            self._end()

    def _end(self) -> None:
        self._forget(self)
        self.ended.set()
        if self._caller is not None:
            self._caller.inbox.put(None)

    async def _outcome(self) -> None:
        try:
            self._values.append(await self._function())
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:  # noqa: BLE001 -- handed to the caller; it must not end the loop
            self._errors.append(error)

    def cancel(self) -> None:
        self._cancelled = True
        if self._scope is not None:
            self._scope.cancel()
        elif not self.ended.is_set():
            # Ctrl-C may have come before the event loop heard of it: then it never begins.
            self._end()

    def result(self) -> T:
        if self._errors:
            raise self._errors.pop()
        if not self._values:
            raise RuntimeError("The client was closed during this call.")
        return self._values.pop()


class Started(Generic[T]):
    """A coroutine that runs for a blocking caller, who asks for its outcome later, and once."""

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
            return not self._call.ended.is_set() and attend(self._caller, in_worker=in_worker_thread())
        except BaseException:
            self.cancel()
            raise

    def result(self) -> T:
        """Waits for its end, and returns its result or raises its error. A caller who leaves early cancels it."""
        while self.wait_woken():
            pass
        return self._call.result()

    def cancel(self) -> None:
        """Cancels it, and waits a second at most for its end."""
        if self.is_of_this_process:
            abandon(self._call, self._loop)

    def leave(self) -> None:
        """Cancels it, and does not wait for its end. Never blocks, so that a finalizer may call it, in any thread."""
        if self.is_of_this_process:
            self._loop.post(self._call.cancel)

    def post(self, function: Callable[[], None]) -> None:
        """Has a function called on its event loop, soon, and does not wait for it.

        Args:
            function: What to call; it must not raise.
        """
        self._loop.post(function)


def run_callbacks(caller: Caller, *, in_worker: bool) -> None:
    while attend(caller, in_worker=in_worker):
        pass


def attend(caller: Caller, *, in_worker: bool) -> bool:
    timeout = WORKER_SLICE if in_worker else WINDOWS_SLICE if sys.platform == "win32" else None
    while True:
        try:
            callback = caller.inbox.get(timeout=timeout)
        except queue.Empty:
            if in_worker:
                from_thread.check_cancelled()
            continue
        if callback is None:
            return False
        callback()
        return True


def abandon(call: Call[T], loop: LoopThread) -> None:
    # Posted, since a hook may block the event loop: leaving must not wait for that without an end.
    loop.post(call.cancel)
    call.ended.wait(LONGEST_GOODBYE)


def in_worker_thread() -> bool:
    try:
        from_thread.check_cancelled()
    except NoEventLoopError:
        return False
    return True
