"""The blocking side: a portal thread for each client, and the twins that go through it.

What anyio's portal does not do by itself, and this one does (measured on anyio 4.16, both backends): it does not
hang the exit of an interpreter whose user did not close it; Ctrl-C in a call ends the call's coroutine; an
exception of any kind in a coroutine leaves the portal alive; a forked child starts afresh; callbacks run in the
caller's thread; a call costs one hop instead of two.
"""

import atexit
import contextlib
import os
import queue
import re
import socket
import sys
import threading
import weakref
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any, Final, Generic, TypeVar

import anyio
from anyio import CancelScope, NoEventLoopError, RunFinishedError, from_thread
from anyio.from_thread import BlockingPortal
from anyio.lowlevel import EventLoopToken, current_token

from wriftai_anyio._concurrency.forks import forks_wait

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])

LONGEST_GOODBYE: Final = 1.0
"""Seconds that a caller who leaves a call early waits for the end of its coroutine."""
LONGEST_STOP: Final = 8.0
"""Seconds that stopping waits for cancelled calls: `cancel_on_exit` has five."""
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


class _Call(Generic[T]):
    """One coroutine run for one blocking caller. Its outcome comes back as a value, whatever it is."""

    def __init__(
        self, function: Callable[[], Awaitable[T]], caller: Caller | None, forget: "Callable[[_Call[T]], None]"
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


class Portal:
    """Runs coroutines for blocking callers on an event loop in a daemon thread of its own.

    Args:
        backend: The event loop's kind, "asyncio" or "trio".
        on_stop: Awaited on the event loop before it ends.
    """

    def __init__(self, backend: str, on_stop: Callable[[], Awaitable[None]]) -> None:
        self._backend = backend
        self._on_stop = on_stop
        self._lock = threading.Lock()
        self._calls: set[_Call[Any]] = set()
        self._stopping = False
        self._loop: _Loop | None = None
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
        in_worker = _in_worker_thread()
        if caller is None and (in_worker or sys.platform == "win32"):
            caller = Caller()
        call = _Call(function, caller, self._forget)
        loop = self._enter(call)
        try:
            if caller is None:
                from_thread.run(call.run, token=loop.token)
            else:
                loop.portal.start_task_soon(call.run)
                _run_callbacks(caller, in_worker=in_worker)
        except BaseException:
            _abandon(call, loop)
            raise
        return call.result()

    def start(self, function: Callable[[], Awaitable[T]], caller: Caller | None = None) -> "Started[T]":
        """Starts a coroutine function, and does not wait for its end.

        Args:
            function: The coroutine function.
            caller: Given if the coroutine wakes this thread.

        Returns:
            What to ask for its outcome. Whoever never asks lets it run to its end.

        Raises:
            RuntimeError: If the client is closed.
        """
        caller = caller or Caller()
        call = _Call(function, caller, self._forget)
        loop = self._enter(call)
        try:
            loop.portal.start_task_soon(call.run)
        except BaseException:
            _abandon(call, loop)
            raise
        return Started(call, caller, loop)

    def _enter(self, call: _Call[T]) -> "_Loop":
        with self._lock:
            if self._stopping:
                raise RuntimeError("This client is closed. Make a new Client.")
            if self._loop is None:
                self._loop = _Loop(self._backend, self._serve)
                _running.add(self)
            self._calls.add(call)
        self._loop.wait_ready()
        return self._loop

    def _forget(self, call: _Call[T]) -> None:
        with self._lock:
            self._calls.discard(call)
            last = self._stopping and not self._calls
        if last and self._loop is not None:
            self._loop.idle.set()

    async def _serve(self, loop: "_Loop") -> None:
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
            # The thread stayed behind in the parent of a fork, and so did whoever held the lock then.
            return
        with self._lock:
            self._stopping = True
            loop = self._loop
        if loop is not None:
            loop.request_stop()
            loop.join(LONGEST_STOP + 2)


class Started(Generic[T]):
    """A coroutine that runs for a blocking caller, who asks for its outcome later, and once."""

    def __init__(self, call: _Call[T], caller: Caller, loop: "_Loop") -> None:
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
            return not self._call.ended.is_set() and _attend(self._caller, in_worker=_in_worker_thread())
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
            _abandon(self._call, self._loop)

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


class _Loop:
    """The thread with the event loop and the `BlockingPortal` in it."""

    portal: BlockingPortal
    token: EventLoopToken
    idle: anyio.Event

    def __init__(self, backend: str, serve: Callable[["_Loop"], Awaitable[None]]) -> None:
        self._backend = backend
        self._serve = serve
        self._failure: BaseException | None = None
        self._posted: deque[Callable[[], None]] = deque()
        self._stopping = False
        self._ready = threading.Event()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.settimeout(0)
        self._wake_sender.settimeout(0)
        self._thread = threading.Thread(target=self._run, name="wriftai_anyio portal", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with ExitStack() as start:
                start.enter_context(forks_wait())  # the event loop is imported now
                anyio.run(self._main, start.close, backend=self._backend)
        except BaseException as error:  # noqa: BLE001 -- told to the callers
            self._failure = error
        finally:
            self._ready.set()
            self._wake_receiver.close()
            self._wake_sender.close()

    async def _main(self, started: Callable[[], None]) -> None:
        async with BlockingPortal() as portal:
            started()
            self.portal = portal
            self.token = current_token()
            self.idle = anyio.Event()
            self._ready.set()
            await self._serve(self)

    def wait_ready(self) -> None:
        if not self._ready.is_set():
            self._ready.wait()
        if self._failure is not None:
            raise RuntimeError(f"The event loop ({self._backend}) for blocking calls could not run.") from self._failure

    async def stop_requested(self) -> None:
        """Calls what is posted, until it is to stop."""
        while not self._stopping:
            await anyio.wait_readable(self._wake_receiver)
            self._wake_receiver.recv(4096)
            while self._posted:
                self._posted.popleft()()

    def post(self, function: Callable[[], None]) -> None:
        self._posted.append(function)
        with contextlib.suppress(OSError):
            self._wake_sender.send(b"x")

    def request_stop(self) -> None:
        self.post(self._stop)

    def _stop(self) -> None:
        self._stopping = True

    def join(self, timeout: float) -> None:
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)


def _run_callbacks(caller: Caller, *, in_worker: bool) -> None:
    while _attend(caller, in_worker=in_worker):
        pass


def _attend(caller: Caller, *, in_worker: bool) -> bool:
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


def _abandon(call: _Call[T], loop: _Loop) -> None:
    # Posted, since a hook may block the event loop: leaving must not wait for that without an end.
    loop.post(call.cancel)
    call.ended.wait(LONGEST_GOODBYE)


def _in_worker_thread() -> bool:
    try:
        from_thread.check_cancelled()
    except NoEventLoopError:
        return False
    return True


def refuse_event_loop(async_name: str) -> None:
    """Raises if an event loop runs in this thread, which a blocking call would block.

    Args:
        async_name: The coroutine function to name instead.

    Raises:
        RuntimeError: If an event loop runs here, unless it is that of a notebook's kernel.
    """
    try:
        current_token()
    except RuntimeError:
        return
    if threading.current_thread().daemon or not in_notebook():
        raise RuntimeError(
            f"A blocking call would block the event loop that runs in this thread. Use `await …{async_name}(…)` here."
        )


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook (IPython)."""
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_shell is not None and hasattr(get_shell(), "kernel")


_running: "weakref.WeakSet[Portal]" = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    portals = list(_running)
    with contextlib.suppress(KeyboardInterrupt):  # of one who does not wait for the end; Python would print it
        for portal in portals:
            portal.request_stop()
        for portal in portals:
            portal.stop()


def twin(coroutine_function: Callable[..., object]) -> Callable[[F], F]:
    """Marks a method as the blocking twin of a coroutine method, and documents it from that one.

    Args:
        coroutine_function: The coroutine method.

    Returns:
        A decorator that leaves the twin as it is, with the docstring of the coroutine method in blocking terms.
    """

    def decorate(function: F) -> F:
        function.__doc__ = _blocking_terms(coroutine_function.__doc__ or "")
        return function

    return decorate


def _blocking_terms(text: str) -> str:
    text = re.sub(r"\b([Aa])n async (?=context manager|iterator)", r"\1 ", text)
    text = re.sub(r"\basync (for|with)\b", r"\1", text)
    text = re.sub(r"\bawait ", "", text)
    return re.sub(r"\b(async_|Async|ASYNC_)(?=\w)", "", text)
