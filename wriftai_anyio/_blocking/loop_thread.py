"""The thread of the blocking calls, with the event loop in it."""

import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import anyio
from anyio.from_thread import BlockingPortal
from anyio.lowlevel import EventLoopToken, current_token

from wriftai_anyio._concurrency.call_soon import CallSoon
from wriftai_anyio._concurrency.causes import causes
from wriftai_anyio._concurrency.forks import forks_wait, refuse_while_importing
from wriftai_anyio._concurrency.system import lacks_threads, no_thread_because

from .backends import BACKENDS
from .guard import note_thread_of_loop


class LoopThread:
    """A daemon thread with an event loop, and a `BlockingPortal` on that.

    Args:
        backend: The event loop's kind, one of `BACKENDS`.
        serve: Awaited on the event loop, which ends after it; it awaits `stop_requested`.

    Attributes:
        portal: Starts tasks.
        token: Leads to the event loop.
        call_soon: Calls functions on the event loop without waiting for them.
        idle: Set when the last call has ended after a stop was requested.
    """

    portal: BlockingPortal
    token: EventLoopToken
    call_soon: CallSoon
    idle: anyio.Event
    _stop: anyio.Event

    def __init__(self, backend: str, serve: Callable[["LoopThread"], Awaitable[None]]) -> None:
        self._backend = backend
        self._serve = serve
        self._failure: BaseException | None = None
        self._stopping = False
        self._ready = threading.Event()
        try:
            self._thread = threading.Thread(target=self._run, name="wriftai_anyio portal", daemon=True)
            self._thread.start()
        except RuntimeError as error:
            if lacks_threads(error):
                raise RuntimeError(f"{no_thread_because(error)} Blocking calls need one. Nothing was sent.") from error
            raise RuntimeError(
                f"Blocking calls need a daemon thread, which cannot be started here ({error}). Isolated "
                "subinterpreters do not allow it: call from the main interpreter, or from a process of its own."
            ) from error

    def _run(self) -> None:
        try:
            with ExitStack() as start:
                start.enter_context(forks_wait())  # the event loop is imported now
                kind = BACKENDS[self._backend]
                anyio.run(self._main, start.close, backend=kind.name, backend_options=kind.options)
        except BaseException as error:  # noqa: BLE001 -- told to the callers
            self._failure = error
        finally:
            self._ready.set()

    async def _main(self, started: Callable[[], None]) -> None:
        async with BlockingPortal() as portal:
            started()
            note_thread_of_loop()
            self.portal = portal
            self.token = current_token()
            self.call_soon = CallSoon()
            self.idle = anyio.Event()
            self._stop = anyio.Event()
            self._ready.set()
            await self._serve(self)

    async def stop_requested(self) -> None:
        """Waits, on the event loop, until a stop is requested."""
        # `_ready` was set before this look: a stop that comes at the same time sees that, or is seen here.
        if not self._stopping:
            await self._stop.wait()

    @property
    def has_failed(self) -> bool:
        """Whether the event loop could not run."""
        return self._failure is not None

    def wait_ready(self) -> None:
        """Waits until the event loop runs.

        Raises:
            RuntimeError: If it could not run, or cannot while this thread waits.
        """
        if not self._ready.is_set():
            refuse_while_importing()  # the thread could not import the event loop
            self._ready.wait()
        if self._failure is not None:
            # If a module is missing, anyio's message only names one of its own extras.
            missing = (cause for cause in causes(self._failure) if isinstance(cause, ImportError))
            reason = next(missing, self._failure)
            text = f"The event loop ({self._backend}) for blocking calls could not run: {reason}"
            raise RuntimeError(text) from self._failure

    def request_stop(self) -> None:
        """Ends `stop_requested`. Never blocks, so that a finalizer may call it, in any thread."""
        self._stopping = True
        if self._ready.is_set() and self._failure is None:
            self.call_soon(self._stop.set)

    def join(self, timeout: float) -> None:
        """Waits for the thread's end for a limited number of seconds, unless this is the thread."""
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)
