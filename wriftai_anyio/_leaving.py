"""Leaving a wait early: what is still finished then, shielded and bounded."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio
from anyio import CancelScope, create_task_group, current_time, get_cancelled_exc_class, move_on_after

T = TypeVar("T")

LONGEST_FINISH: Final = 5.0
"""Seconds for which a request that must not be lost goes on after its caller has left."""


async def finish_what_is_sent(function: Callable[[CancelScope], Awaitable[T]], keep: Callable[[T], None]) -> None:
    """Runs a coroutine function that goes on while it shields its scope, though the caller is cancelled.

    It runs as a task of its own, since asyncio's own cancellation reaches through anyio's shields.

    Args:
        function: Takes the scope, and shields it while a request is under way.
        keep: Called with its result, also when the caller has left meanwhile.

    Raises:
        Exception: What `function` raised.
    """
    errors: list[Exception] = []
    ended = anyio.Event()
    scope = CancelScope()

    async def run() -> None:
        with scope:
            try:
                keep(await function(scope))
            except Exception as error:  # noqa: BLE001 -- raised below, out of the task group
                errors.append(error)
        ended.set()

    async with create_task_group() as tasks:
        tasks.start_soon(run)
        try:
            await ended.wait()
        except get_cancelled_exc_class():
            scope.deadline = current_time() + LONGEST_FINISH
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
