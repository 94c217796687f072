"""Host name lookups on asyncio after the main thread has ended.

asyncio looks names up in the event loop's default executor, and concurrent.futures refuses all work as soon as the
main thread has ended: before other threads are joined, and before `atexit` runs. trio does not depend on it.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

from anyio.lowlevel import current_token

from .system import is_without_threads_at_shutdown

P = ParamSpec("P")
T = TypeVar("T")

MOST_THREADS: Final = 16
REFUSAL: Final = "cannot schedule new futures"
"""How the error of a refused lookup begins, on Python 3.9 to 3.14."""


class DaemonExecutor(ThreadPoolExecutor):
    """Runs functions in daemon threads, which end when there is nothing left to do.

    It is a `ThreadPoolExecutor` because asyncio accepts no other executors.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pending: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._running = 0
        self._lock = threading.Lock()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Starts to run a function, and returns its future."""
        future: Future[T] = Future()
        work = future, partial(fn, *args, **kwargs)
        with self._lock:
            self._pending.append(work)
            is_for_this_thread = self._running < MOST_THREADS and not self._begin(work)
        if is_for_this_thread:
            self._work()
        return future

    def _begin(self, work: tuple[Future[Any], Callable[[], Any]]) -> bool:
        """Starts a thread, and returns whether one runs: Python 3.12 starts none once the main thread has ended."""
        try:
            threading.Thread(target=self._work, name="wriftai_anyio lookups", daemon=True).start()
        except RuntimeError as error:
            if self._running:  # one of the running threads will take it
                return True
            if not is_without_threads_at_shutdown(error):
                self._pending.remove(work)
                raise
            self._running += 1
            return False
        self._running += 1
        return True

    def _work(self) -> None:
        while (work := self._next()) is not None:
            future, function = work
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001 -- raised again where the outcome is awaited
                future.set_exception(error)
            else:
                future.set_result(result)

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._lock:
            if self._pending:
                return self._pending.popleft()
            self._running -= 1
            return None


def replaces_refusing_executor(error: RuntimeError) -> bool:
    """Gives this event loop a working executor, if its own has refused to work.

    Args:
        error: What ended a request.

    Returns:
        Whether that was the case. Then nothing of the request was sent, and it can be tried again.
    """
    if not str(error).startswith(REFUSAL):
        return False
    loop: Any = current_token().native_token
    loop.set_default_executor(DaemonExecutor())
    return True
