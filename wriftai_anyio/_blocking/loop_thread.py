"""The thread of the blocking calls, with the event loop in it."""

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import anyio
from anyio.from_thread import BlockingPortal
from anyio.lowlevel import EventLoopToken, current_token

from wriftai_anyio._concurrency.forks import forks_wait


class LoopThread:
    """The thread with the event loop and the `BlockingPortal` in it."""

    portal: BlockingPortal
    token: EventLoopToken
    idle: anyio.Event

    def __init__(self, backend: str, serve: Callable[["LoopThread"], Awaitable[None]]) -> None:
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
