"""Runs coroutines for blocking callers, in a thread for each client.

What anyio's portal does not do on its own, and this one does (measured on anyio 4.16, both backends): it does not
hang the exit of an interpreter whose user did not close it; Ctrl-C in a call ends the call's coroutine; an
exception of any kind in a coroutine leaves the portal alive; a forked child starts afresh; callbacks run in the
caller's thread; a call costs one hop instead of two.

    none ──first call──▶ starting ──event loop runs──▶ serving ──stop──▶ stopping ──idle, or 8 s──▶ ended
      │                     │  │                                          ▲
      │                     │  └──stop: remembered, and seen on arrival───┘
      │                     └──event loop fails──▶ none again: its calls say why, and the next one begins anew
      └──stop──▶ ended: there is no thread

    serving    calls come by `from_thread.run`, or by the `BlockingPortal` where their caller has callbacks to run
    stopping   no call is taken; those that were are cancelled, and what they clean up is awaited
    ended      `on_stop` has closed the connections; what is still said to the event loop is dropped

A stop is asked for by `close`, `aclose`, `atexit`, or the finalizer of the client. In the child of a fork a portal is
`none`, whatever it was in the parent: see `PerProcess`.
"""

import os
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from typing import Any, Final, TypeVar

import anyio
from anyio import RunFinishedError, from_thread

from wriftai_anyio._concurrency.system import refuse_after_shutdown

from .calls import Call, Caller, Started, abandon, in_worker_thread
from .exits import is_daemon_at_exit, stop_at_exit
from .guard import closed_error
from .loop_thread import LoopThread

T = TypeVar("T")

LONGEST_STOP: Final = 8.0
"""Seconds that stopping waits for cancelled calls: `cancel_on_exit` has five."""


class Portal:
    """Runs coroutines for blocking callers on an event loop in its own daemon thread.

    Args:
        backend: The event loop's kind, one of `BACKENDS`.
        on_stop: Awaited on the event loop before it ends.
    """

    def __init__(self, backend: str, on_stop: Callable[[], Awaitable[None]]) -> None:
        self._backend = backend
        self._on_stop = on_stop
        self._lock = threading.Lock()
        self._calls: set[Call[Any]] = set()
        self._stopping = False
        self._loop: LoopThread | None = None
        self._pid = os.getpid()

    def call(self, function: Callable[[], Awaitable[T]], caller: Caller | None = None) -> T:
        """Runs a coroutine function to its end.

        Args:
            function: The coroutine function.
            caller: Given if the coroutine runs callbacks in this thread.

        Returns:
            What the coroutine returned.

        Raises:
            RuntimeError: If the client is closed.
        """
        in_worker = in_worker_thread()
        if caller is None and (in_worker or sys.platform == "win32"):
            caller = Caller()
        call = Call(function, caller, self._forget)
        loop = self._ready_loop()
        try:
            # In here already, since Ctrl-C may come at any line: what is in the set must end, or closing waits for it.
            if self._add(call):
                if caller is None:
                    from_thread.run(call.run, token=loop.token)
                else:
                    loop.portal.start_task_soon(call.run)
                    while caller.attend(in_worker=in_worker):
                        pass
        except (RunFinishedError, CancelledError):
            self._forget(call)  # the event loop ended under it
        except BaseException:
            abandon(call, loop)
            raise
        return call.result()

    def start(self, function: Callable[[], Awaitable[T]], caller: Caller | None = None) -> Started[T]:
        """Starts a coroutine function, and does not wait for its end.

        Args:
            function: The coroutine function.
            caller: Given if the coroutine wakes this thread.

        Returns:
            What to ask for its outcome. One that is never asked runs to its end.

        Raises:
            RuntimeError: If the client is closed.
        """
        caller = caller or Caller()
        call = Call(function, caller, self._forget)
        loop = self._ready_loop()
        try:
            if not self._add(call):
                raise closed_error()
            loop.portal.start_task_soon(call.run)
        except BaseException:
            abandon(call, loop)
            raise
        return Started(call, caller, loop)

    def _ready_loop(self) -> LoopThread:
        refuse_after_shutdown()
        loop = self._loop
        if loop is None or self._stopping:
            loop = self._begin()
        try:
            loop.wait_ready()
        except RuntimeError:
            self._drop(loop)  # what was used up, such as file descriptors, may be free again at the next call
            raise
        return loop

    def _drop(self, failed: LoopThread) -> None:
        with self._lock:
            if self._loop is failed and failed.has_failed:
                self._loop = None

    def _begin(self) -> LoopThread:
        with self._lock:
            if self._stopping or is_daemon_at_exit():
                raise closed_error()
            if self._loop is None:
                self._loop = LoopThread(self._backend, self._serve)
                stop_at_exit(self)
            return self._loop

    def _add(self, call: Call[T]) -> bool:
        with self._lock:
            if not self._stopping:
                self._calls.add(call)
            return not self._stopping

    def _forget(self, call: Call[T]) -> None:
        with self._lock:
            self._calls.discard(call)
            last = self._stopping and not self._calls
        if last and self._loop is not None:
            self._loop.call_soon(self._loop.idle.set)

    async def _serve(self, loop: LoopThread) -> None:
        await loop.stop_requested()
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call.cancel()
        if calls:
            with anyio.move_on_after(LONGEST_STOP):
                await loop.idle.wait()
        await self._on_stop()

    def request_stop(self) -> None:
        """Asks the thread to end. Never blocks, so that a finalizer may call it, in any thread."""
        self._stopping = True
        if self._loop is not None and self._pid == os.getpid():
            self._loop.request_stop()

    def stop(self) -> None:
        """Cancels the calls that still run and ends the thread; returns when it has ended, or after ten seconds."""
        if self._pid != os.getpid():
            # The thread stayed behind in the parent of a fork, and so did the thread that held the lock then.
            return
        with self._lock:
            self._stopping = True
            loop = self._loop
        if loop is not None:
            loop.request_stop()
            loop.join(LONGEST_STOP + 2)

    @property
    def is_open(self) -> bool:
        """Whether no stop was requested."""
        return not self._stopping

    def reopen(self) -> None:
        """Lets the next call start a new event loop, after a stop that nobody requested."""
        if self._pid == os.getpid():
            with self._lock:
                self._loop, self._stopping = None, False
