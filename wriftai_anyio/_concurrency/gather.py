"""Several calls at once, with one plain error if one fails."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from anyio import create_task_group, get_cancelled_exc_class

from .cancellation import ungrouped

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
        BaseException: What the first call that failed raised, by itself; the others are cancelled.
    """
    results: dict[int, T] = {}
    errors: list[BaseException] = []
    remaining = iter(enumerate(arguments))

    async def work() -> None:
        try:
            for index, argument in remaining:
                results[index] = await function(argument)
        except get_cancelled_exc_class():
            raise
        except BaseException as error:  # noqa: BLE001 -- raised below, out of the task group
            errors.append(error)
            tasks.cancel_scope.cancel()

    with ungrouped():
        async with create_task_group() as tasks:
            for _ in range(min(at_once, len(arguments))):
                tasks.start_soon(work)
    if errors:
        raise errors[0]
    return [results[index] for index in range(len(arguments))]
