"""How to wait for a prediction: the options of both spellings."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass
from typing import Final

from wriftai_anyio._blocking.calls import Caller
from wriftai_anyio._types.prediction import PredictionWithIO


@dataclass(frozen=True)
class _BaseWaitOptions:
    poll_interval: float = 1.0


def _check(options: "WaitOptions | AsyncWaitOptions") -> None:
    if not (options.poll_interval >= 0 and math.isfinite(options.poll_interval)):
        raise ValueError(f"poll_interval must be seconds, 0 or more, not {options.poll_interval!r}.")
    for name, value in (("timeout", options.timeout), ("duration", options.duration)):
        if value is not None and not (value >= 0 and math.isfinite(value)):
            raise ValueError(f"{name} must be seconds, 0 or more, or None, not {value!r}.")


@dataclass(frozen=True)
class WaitOptions(_BaseWaitOptions):
    """Options for customizing wait behavior.

    Args:
        poll_interval: Seconds between two polls of one prediction, at least; slower where the account's rate
            limit demands it.
        on_poll: Called with the latest prediction after each poll, in the thread that waits.
        timeout: Seconds for the whole wait, the create included; `None` for no end.
        cancel_on_exit: Whether whoever leaves early, by timeout, Ctrl-C or error, also cancels the prediction
            on the server (for five seconds at most).
        duration: For `create(wait=True)`: seconds for which the server may hold the connection; `None` for as
            long as it likes.
        poll: For `create(wait=True)`: whether to poll if the server answers before the prediction has ended.

    Raises:
        ValueError: If a number is negative or not finite.
    """

    on_poll: Callable[[PredictionWithIO], None] | None = None
    """Optional callback that receives the latest prediction after each poll."""
    _: KW_ONLY
    timeout: float | None = None
    """Seconds for the whole wait; `None` for no end."""
    cancel_on_exit: bool = False
    """Whether leaving early also cancels the prediction on the server."""
    duration: float | None = None
    """Seconds for which the server may hold the connection of a create."""
    poll: bool = True
    """Whether to poll after a held create."""

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class AsyncWaitOptions(_BaseWaitOptions):
    """Options for customizing asynchronous wait behavior.

    Args:
        poll_interval: Seconds between two polls of one prediction, at least; slower where the account's rate
            limit demands it.
        on_poll: Awaited with the latest prediction after each poll.
        timeout: Seconds for the whole wait, the create included; `None` for no end.
        cancel_on_exit: Whether whoever leaves early, by timeout, cancel scope or error, also cancels the
            prediction on the server (shielded, for five seconds at most).
        duration: For `async_create(wait=True)`: seconds for which the server may hold the connection; `None`
            for as long as it likes.
        poll: For `async_create(wait=True)`: whether to poll if the server answers before the prediction ended.

    Raises:
        ValueError: If a number is negative or not finite.
    """

    on_poll: Callable[[PredictionWithIO], Awaitable[None]] | None = None
    """Optional callback that receives the latest prediction after each poll."""
    _: KW_ONLY
    timeout: float | None = None
    """Seconds for the whole wait; `None` for no end."""
    cancel_on_exit: bool = False
    """Whether leaving early also cancels the prediction on the server."""
    duration: float | None = None
    """Seconds for which the server may hold the connection of a create."""
    poll: bool = True
    """Whether to poll after a held create."""

    def __post_init__(self) -> None:
        _check(self)


DEFAULT_WAIT_OPTIONS: Final = WaitOptions()
"""Default wait options."""

DEFAULT_ASYNC_WAIT_OPTIONS: Final = AsyncWaitOptions()
"""Default async wait options."""


def in_caller(options: WaitOptions, caller: Caller) -> AsyncWaitOptions:
    """Returns the options of the coroutine method, with the callback in the caller's thread.

    Args:
        options: The options of the blocking method.
        caller: The thread that waits.
    """
    on_poll = options.on_poll

    async def run_in_caller(prediction: PredictionWithIO) -> None:
        if on_poll is not None:
            await caller.run(on_poll, prediction)

    return AsyncWaitOptions(
        options.poll_interval,
        run_in_caller if on_poll else None,
        timeout=options.timeout,
        cancel_on_exit=options.cancel_on_exit,
        duration=options.duration,
        poll=options.poll,
    )
