"""Runs a client's coroutine methods for its blocking callers."""

import sys
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from wriftai_anyio._concurrency.causes import without_internals
from wriftai_anyio._concurrency.forks import PerProcess
from wriftai_anyio._concurrency.threads import run_in_thread
from wriftai_anyio.errors import WriftAIError

from .calls import Caller, Started
from .guard import refuse_event_loop
from .portal import Portal

P = ParamSpec("P")
T = TypeVar("T")


class BlockingRunner:
    """Runs coroutine methods on a portal of this process, which starts with the first call.

    When it is collected, which is when its client and all of the client's resources are, the portal's thread ends.

    Args:
        backend: The event loop's kind, one of `BACKENDS`.
        on_stop: Awaited on the portal's event loop before it ends.
    """

    def __init__(self, backend: str, on_stop: Callable[[], Awaitable[None]]) -> None:
        self._portals = PerProcess(lambda: Portal(backend, on_stop))

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if is_finalizing():
            return  # the portal was stopped at exit, and the names of modules may be gone
        portal = self._portals.peek()
        if portal is not None:
            portal.request_stop()

    def call(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a coroutine method for a blocking caller.

        Args:
            function: The coroutine method, whose name the error gives inside an event loop.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Returns:
            What it returned.

        Raises:
            RuntimeError: Inside a running event loop.
        """
        refuse_event_loop(function.__name__)
        try:
            return self._portals.get().call(lambda: function(*args, **kwargs))
        except WriftAIError as error:
            raise without_internals(error)  # noqa: B904 -- the same error

    def call_with_callbacks(
        self, name: str, function: Callable[[Caller], Awaitable[T]], caller: Caller | None = None
    ) -> T:
        """Runs a coroutine function that calls back into the thread of its blocking caller.

        Args:
            name: The name of the coroutine method, for the error inside an event loop.
            function: Takes the `Caller` to run callbacks on.
            caller: Given if callbacks of other coroutines, too, are to run while this thread waits.

        Returns:
            What it returned.

        Raises:
            RuntimeError: Inside a running event loop.
        """
        refuse_event_loop(name)
        thread = caller or Caller()
        try:
            return self._portals.get().call(lambda: function(thread), thread)
        except WriftAIError as error:
            raise without_internals(error)  # noqa: B904 -- the same error

    def start(self, name: str, function: Callable[[], Awaitable[T]], caller: Caller | None = None) -> Started[T]:
        """Starts a coroutine function for a blocking caller, who asks for its outcome later.

        Args:
            name: The name of the coroutine method, for the error inside an event loop.
            function: The coroutine function.
            caller: Given if it wakes its caller; see `Started.wait_woken`.

        Returns:
            What to ask for its outcome.

        Raises:
            RuntimeError: Inside a running event loop.
        """
        refuse_event_loop(name)
        return self._portals.get().start(function, caller)

    @staticmethod
    def caller() -> Caller:
        """Returns what stands for the calling thread in callbacks of several coroutines."""
        return Caller()

    def close(self) -> None:
        """Ends the calls under way and the portal's thread, and refuses further calls."""
        self._portals.get().stop()

    async def aclose(self) -> None:
        """Does what `close` does if there is a portal, and does not block the event loop."""
        portal = self._portals.peek()
        if portal is not None:
            await run_in_thread(portal.stop)
