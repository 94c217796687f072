"""How to wait for a prediction: the options of both spellings, checked when they are made."""

import math
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from numbers import Real
from typing import Final

from wriftai_anyio._blocking.calls import Caller
from wriftai_anyio._parsing.arguments import check_flags, shown

from .callbacks import OnPoll, check_on_poll, in_thread_of


@dataclass(frozen=True)
class _BaseWaitOptions:
    """What both kinds of options have in common."""

    poll_interval: float = 1.0
    """Seconds between two polls of one prediction, at least."""
    on_poll: OnPoll | None = None
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
        _check_seconds("poll_interval", self.poll_interval)
        for name, value in (("timeout", self.timeout), ("duration", self.duration)):
            if value is not None:
                _check_seconds(name, value, " or None,")
        check_flags(cancel_on_exit=self.cancel_on_exit, poll=self.poll)
        if self.on_poll is not None:
            check_on_poll(self.on_poll)


def _check_seconds(name: str, value: object, otherwise: str = "") -> None:
    if isinstance(value, Real) and not isinstance(value, bool):
        with suppress(OverflowError):
            if 0 <= float(value) < math.inf:
                return
    hint = " Give its total_seconds()." if isinstance(value, timedelta) else ""
    raise ValueError(f"{name} must be a number of seconds, 0 or more,{otherwise} not {shown(value)}.{hint}")


@dataclass(frozen=True)
class WaitOptions(_BaseWaitOptions):
    """How to wait for a prediction. The coroutine methods take these options, too.

    Args:
        poll_interval: Seconds between two polls of one prediction, at least; polls are slower if the account's rate
            limit requires it. 1 by default. Only after a create are the first polls sooner: the first after 0.05
            seconds, and each of the next after twice as long.
        on_poll: Called with the latest prediction after each poll, in the thread that waits. A coroutine function runs
            on the client's event loop. The callback gets its own copy of the prediction, which it may change.
        timeout: Seconds for the whole wait, including the create; `None`, the default, for no limit.
        cancel_on_exit: Whether leaving the wait early, by timeout, Ctrl-C or an error, also cancels the prediction on
            the server. This takes at most five seconds; predictions that may run on after that are named in the log.
        duration: For `create(wait=True)`: seconds for which the server may hold the connection; `None`, the default,
            for as long as the server likes.
        poll: For `create(wait=True)`: whether to poll if the server answers before the prediction has ended.

    Raises:
        ValueError: If a value cannot be used: a number that is negative, not finite or not a number, or an `on_poll`
            that cannot be called with a prediction.

    Example:
        ```python
        options = WaitOptions(timeout=600, on_poll=lambda prediction: print(prediction["status"]))
        client.predictions.wait(prediction_id, options)
        ```
    """


@dataclass(frozen=True)
class AsyncWaitOptions(_BaseWaitOptions):
    """How to wait for a prediction in a coroutine. The blocking methods take these options, too.

    Args:
        poll_interval: Seconds between two polls of one prediction, at least; polls are slower if the account's rate
            limit requires it. 1 by default. Only after a create are the first polls sooner: the first after 0.05
            seconds, and each of the next after twice as long.
        on_poll: Awaited with the latest prediction after each poll; a plain function is called on the event loop. The
            callback gets its own copy of the prediction, which it may change.
        timeout: Seconds for the whole wait, including the create; `None`, the default, for no limit.
        cancel_on_exit: Whether leaving the wait early, by timeout, cancel scope, asyncio's `task.cancel()` or an error,
            also cancels the prediction on the server. This takes at most five seconds; predictions that may run on
            after that are named in the log.
        duration: For `async_create(wait=True)`: seconds for which the server may hold the connection; `None`, the
            default, for as long as the server likes.
        poll: For `async_create(wait=True)`: whether to poll if the server answers before the prediction has ended.

    Raises:
        ValueError: If a value cannot be used: a number that is negative, not finite or not a number, or an `on_poll`
            that cannot be called with a prediction.

    Example:
        ```python
        await client.predictions.async_wait(prediction_id, AsyncWaitOptions(timeout=600, cancel_on_exit=True))
        ```
    """


def for_coroutine(options: WaitOptions | AsyncWaitOptions, caller: Caller | None = None) -> AsyncWaitOptions:
    """Returns the options as the coroutine takes them.

    Args:
        options: Those of either spelling.
        caller: The thread that a blocking caller waits in, where a plain `on_poll` is called.

    Raises:
        ValueError: If they are not options.
    """
    if not isinstance(options, _BaseWaitOptions):
        raise ValueError(f"The wait options must be WaitOptions or AsyncWaitOptions, not {shown(options)}.")  # noqa: TRY004
    if isinstance(options, AsyncWaitOptions) and (caller is None or options.on_poll is None):
        return options
    on_poll = options.on_poll
    return AsyncWaitOptions(
        options.poll_interval,
        in_thread_of(caller, on_poll) if caller is not None and on_poll is not None else on_poll,
        timeout=options.timeout,
        cancel_on_exit=options.cancel_on_exit,
        duration=options.duration,
        poll=options.poll,
    )


DEFAULT_WAIT_OPTIONS: Final = WaitOptions()
"""The options that a blocking wait has by default."""

DEFAULT_ASYNC_WAIT_OPTIONS: Final = AsyncWaitOptions()
"""The options that a wait in a coroutine has by default."""
