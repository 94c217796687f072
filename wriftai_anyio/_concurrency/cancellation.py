"""Leaving a wait early: what must still finish then, shielded and bounded."""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import cached_property
from typing import Final, TypeVar

import anyio

from .causes import members
from .outcome import Outcome

T = TypeVar("T")

LONGEST_FINISH: Final = 5.0
"""Seconds that a request which must not be lost may take after its caller has left."""


@contextmanager
def ungrouped() -> Generator[None]:
    """Unwraps the error that ends the block from the exception groups around it; see `reason_to_leave`.

    Raises:
        BaseException: That error.
    """
    try:
        yield
    except BaseException as error:
        reason = reason_to_leave(error)
        if reason is error:
            raise
        raise reason from None


def reason_to_leave(error: BaseException) -> BaseException:
    """Finds why a coroutine ends early, where internal nurseries, unknown to the caller, have wrapped the reason.

    trio raises `KeyboardInterrupt` inside a task, whether it waits or runs.

    Args:
        error: What ended the coroutine.

    Returns:
        A `KeyboardInterrupt` from anywhere in the group; else the cancellation, if the group holds nothing else; else
        the error itself.
    """
    parts = list(members(error))
    for part in parts:
        if isinstance(part, KeyboardInterrupt):
            return part
    return parts[0] if all(isinstance(part, anyio.get_cancelled_exc_class()) for part in parts) else error


class GracePeriod:
    """The five seconds that a call may still take in total once its caller leaves, whatever it has to finish."""

    @cached_property
    def deadline(self) -> float:
        """When it ends, by the event loop's clock. It begins when this is first read."""
        return anyio.current_time() + LONGEST_FINISH


class SendShield:
    """Shields a request from cancellation while it is under way; see `finish_what_is_sent`.

    Enter it with `async with` around each attempt to send the request.

    Attributes:
        broken_off: Whether an attempt was interrupted, so that what the server did is unknown.
    """

    broken_off: bool = False

    @cached_property
    def scope(self) -> "anyio.CancelScope":
        """The scope that the request runs in; shielded while an attempt is under way."""
        # Made on first use: it takes a tenth of a wait's memory, and a wait for an existing prediction sends nothing.
        return anyio.CancelScope()

    async def __aenter__(self) -> None:
        # The last chance to notice that the caller has left already: from here on, the request goes on.
        await anyio.lowlevel.checkpoint()
        self.scope.shield = True

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.scope.shield = False
        self.broken_off = kind is not None and not issubclass(kind, Exception)


async def finish_what_is_sent(
    shield: SendShield, function: Callable[[], Awaitable[T]], keep: Callable[[T], None], grace: GracePeriod
) -> None:
    """Runs a coroutine function, and lets its request under way finish even if the caller is cancelled.

    The function runs in its own task, because asyncio's own cancellation goes through anyio's shields.

    Args:
        shield: Entered by the coroutine while its request is under way.
        function: The coroutine function.
        keep: Called with its result, even if the caller has left meanwhile. It is not called if asyncio cancels
            the task.
        grace: Bounds how long it goes on once the caller has left.

    Raises:
        Exception: What `function` raised.
    """
    outcome: Outcome[None] = Outcome()
    ended = anyio.Event()

    async def send() -> None:
        keep(await function())

    async def run() -> None:
        with shield.scope:
            await outcome.run(send)
        ended.set()

    with ungrouped():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            try:
                await ended.wait()
            except BaseException:  # cancelled, or Ctrl-C, which trio raises here
                shield.scope.deadline = grace.deadline
                raise
    if outcome.failed:
        outcome.take()


async def finish_in_own_task(
    cleanup: Callable[[], Awaitable[object]], on_failure: Callable[[Exception], None], grace: GracePeriod
) -> None:
    """Runs a cleanup to its end, whatever cancels the caller meanwhile; for use while the caller leaves.

    An anyio shield holds only against anyio's scopes. asyncio's own `task.cancel()` goes through it, but reaches only
    the task that waits here: the cleanup runs in another one. If that is cancelled too, as by a program that cancels
    all tasks of its loop, the cleanup starts over.

    Args:
        cleanup: A coroutine function that is safe to repeat.
        on_failure: Called with the error if it fails; nothing is raised, since the caller's own reason to leave matters
            more.
        grace: Bounds how long it takes.
    """

    async def run() -> None:
        failure: Exception | None = InterruptedError("it was interrupted")
        try:
            with anyio.CancelScope(deadline=grace.deadline, shield=True) as scope:
                failure = await _persistently(cleanup, scope)
            if scope.cancelled_caught:
                failure = TimeoutError(f"it took longer than {LONGEST_FINISH:g} s to leave")
        finally:
            if failure is not None:
                on_failure(failure)

    with anyio.CancelScope(shield=True), ungrouped():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)


async def _persistently(cleanup: Callable[[], Awaitable[object]], scope: "anyio.CancelScope") -> Exception | None:
    while True:
        try:
            await cleanup()
        except anyio.get_cancelled_exc_class():  # noqa: PERF203 -- repeated only where asyncio cancels the task
            if scope.cancel_called:
                raise
        except Exception as error:  # noqa: BLE001 -- returned
            return error
        else:
            return None


async def finish(cleanup: Callable[[], Awaitable[object]]) -> Exception | None:
    """Runs a cleanup to its end in this task, shielded from anyio's scopes and for five seconds at most.

    Args:
        cleanup: A coroutine function.

    Returns:
        Why it failed, for a log; `None` if it succeeded. It is not raised, since the caller's own reason to leave
        matters more.
    """
    with anyio.move_on_after(LONGEST_FINISH, shield=True):
        try:
            await cleanup()
        except Exception as error:  # noqa: BLE001 -- returned
            return error
        return None
    return TimeoutError(f"it took longer than {LONGEST_FINISH:g} s")
