"""Several calls at once, with one plain error if one fails."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import anyio

from .cancellation import ungrouped
from .outcome import Outcome

T = TypeVar("T")
A = TypeVar("A")


async def side_by_side(function: Callable[[A], Awaitable[T]], arguments: Sequence[A], at_once: int) -> list[T]:
    """Calls a coroutine function once for each argument.

    Args:
        function: The coroutine function.
        arguments: Its arguments.
        at_once: How many calls may be under way.

    Returns:
        The results, in the order of the arguments.

    Raises:
        BaseException: What the first call that failed raised, without a group around it; the others are cancelled.
    """
    outcomes: dict[int, Outcome[T]] = {}
    failures: list[Outcome[T]] = []
    remaining = iter(enumerate(arguments))

    async def work() -> None:
        for index, argument in remaining:
            outcome = outcomes[index] = Outcome[T](BaseException)
            await outcome.run(partial(function, argument))
            if outcome.failed:
                failures.append(outcome)
                tasks.cancel_scope.cancel()
                return

    with ungrouped():
        async with anyio.create_task_group() as tasks:
            for _ in range(min(at_once, len(arguments))):
                tasks.start_soon(work)
    if failures:
        failures[0].take()
    return [outcomes[index].take() for index in range(len(arguments))]
