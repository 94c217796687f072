"""The progress of a transfer, reported to the caller's callback."""

from collections.abc import Callable
from inspect import isawaitable
from typing import TypeAlias, TypeVar

from wriftai_anyio._blocking.calls import Caller
from wriftai_anyio._parsing.arguments import call_problem, is_coroutine_function

S = TypeVar("S")

UploadProgress: TypeAlias = Callable[[int, int], object]
"""Called with the change in the bytes transferred (negative if some must be sent again) and the total size in bytes."""
DownloadProgress: TypeAlias = Callable[[int, int | None], object]
"""Like `UploadProgress`; the size is `None` if the server does not state it."""


async def tell(on_progress: Callable[[int, S], object] | None, delta: int, size: S) -> None:
    """Calls a callback if there is one and anything changed, and awaits what it returns if that is awaitable."""
    if on_progress is not None and delta:
        outcome = on_progress(delta, size)
        if isawaitable(outcome):
            await outcome


def on_caller(caller: Caller, on_progress: Callable[[int, S], object] | None) -> Callable[[int, S], object] | None:
    """Returns a callback for a coroutine that calls the callback of a blocking caller in that caller's thread.

    A coroutine function runs on the event loop; what cannot be called is returned unchanged, to be refused later.
    """
    if on_progress is None or not callable(on_progress) or call_problem(on_progress, 2):
        return on_progress
    return (
        on_progress if is_coroutine_function(on_progress) else lambda delta, size: caller.run(on_progress, delta, size)
    )
