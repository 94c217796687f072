"""The progress of a transfer, for the callback of the caller."""

from collections.abc import Callable
from inspect import isawaitable
from typing import TypeAlias, TypeVar

from wriftai_anyio._blocking.calls import Caller

S = TypeVar("S")

UploadProgress: TypeAlias = Callable[[int, int], object]
"""Called with how many bytes more (negative: fewer) are there, and the size of the whole, both in bytes."""
DownloadProgress: TypeAlias = Callable[[int, int | None], object]
"""Like `UploadProgress`; the size is `None` if the server does not state it."""


async def tell(on_progress: Callable[[int, S], object] | None, delta: int, size: S) -> None:
    """Calls a callback, if there is one and something to tell, and awaits what it returns if that is awaitable."""
    if on_progress is not None and delta:
        outcome = on_progress(delta, size)
        if isawaitable(outcome):
            await outcome


def on_caller(caller: Caller, on_progress: Callable[[int, S], object] | None) -> Callable[[int, S], object] | None:
    """Returns a callback for the coroutine that calls that of a blocking call, in the thread of its caller."""
    # What cannot be called goes on as it is, to be refused there.
    return (lambda delta, size: caller.run(on_progress, delta, size)) if callable(on_progress) else on_progress
