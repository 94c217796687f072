"""Leaving a wait early: what is still finished then, shielded and bounded."""

from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, TypeVar

import anyio
from anyio import CancelScope, create_task_group, current_time, get_cancelled_exc_class, move_on_after
from anyio.lowlevel import checkpoint

T = TypeVar("T")

LONGEST_FINISH: Final = 5.0
"""Seconds for which a request that must not be lost goes on after its caller has left."""


@contextmanager
def ungrouped() -> Generator[None]:
    """Raises by itself why the block is left early, as `reason_to_leave` says it.

    Raises:
        BaseException: That.
    """
    try:
        yield
    except BaseException as error:
        reason = reason_to_leave(error)
        if reason is error:
            raise
        raise reason from None


def reason_to_leave(error: BaseException) -> BaseException:
    """Finds why a coroutine is left early, where trio's nurseries wrap it, of which the caller knows nothing.

    trio raises `KeyboardInterrupt` inside the task that waits, or that runs.

    Args:
        error: What ended the coroutine.

    Returns:
        `KeyboardInterrupt`, if it is anywhere in a group; or the cancellation, if nothing else is in it; or the error.
    """
    parts = list(_parts(error))
    for part in parts:
        if isinstance(part, KeyboardInterrupt):
            return part
    return parts[0] if all(isinstance(part, get_cancelled_exc_class()) for part in parts) else error


def _parts(error: BaseException) -> Iterator[BaseException]:
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())  # of a group, which Python 3.10 does not know
    if not inner:
        yield error
    for each in inner:
        yield from _parts(each)


class Sending:
    """A request that is let finish once it is under way, though its caller leaves; see `finish_what_is_sent`.

    Args:
        on_attempt: Awaited right before each attempt to send it, after all queues.
        on_failure: Awaited after an attempt by which the server surely did nothing, and which is repeated.

    Attributes:
        scope: What the request runs in; shielded while it is under way.
        on_attempt: As given.
        on_failure: As given.
    """

    scope: CancelScope
    on_attempt: Callable[[], Awaitable[None]]
    on_failure: Callable[[], Awaitable[None]]

    def __init__(
        self,
        on_attempt: Callable[[], Awaitable[None]] = checkpoint,
        on_failure: Callable[[], Awaitable[None]] = checkpoint,
    ) -> None:
        self.scope = CancelScope()
        self.on_attempt = on_attempt
        self.on_failure = on_failure

    def __enter__(self) -> None:
        self.scope.shield = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.scope.shield = False


async def finish_what_is_sent(
    sending: Sending, function: Callable[[], Awaitable[T]], keep: Callable[[T], None]
) -> None:
    """Runs a coroutine function whose request under way is let finish, though the caller is cancelled.

    It runs as a task of its own, since asyncio's own cancellation reaches through anyio's shields.

    Args:
        sending: Entered by the coroutine while its request is under way.
        function: The coroutine function.
        keep: Called with its result, also when the caller has left meanwhile.

    Raises:
        Exception: What `function` raised.
    """
    errors: list[Exception] = []
    ended = anyio.Event()

    async def run() -> None:
        with sending.scope:
            try:
                keep(await function())
            except Exception as error:  # noqa: BLE001 -- raised below, out of the task group
                errors.append(error)
        ended.set()

    with ungrouped():
        async with create_task_group() as tasks:
            tasks.start_soon(run)
            try:
                await ended.wait()
            except BaseException:  # cancelled, or Ctrl-C, which trio raises here
                sending.scope.deadline = current_time() + LONGEST_FINISH
                raise
    if errors:
        raise errors.pop()


async def finish(cleanup: Callable[[], Awaitable[object]]) -> Exception | None:
    """Runs a cleanup to its end: shielded, and for five seconds at most.

    Args:
        cleanup: A coroutine function.

    Returns:
        Why it did not succeed, for a log: the caller's own reason to leave matters more. `None` if it did.
    """
    with move_on_after(LONGEST_FINISH, shield=True):
        try:
            await cleanup()
        except Exception as error:  # noqa: BLE001 -- returned
            return error
        return None
    return TimeoutError(f"it took longer than {LONGEST_FINISH:g} s")
