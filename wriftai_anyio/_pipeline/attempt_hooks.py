"""Callbacks around each attempt to send a request, such as one that notes in a journal that it is about to be sent."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from anyio.lowlevel import checkpoint


class AttemptHooks(NamedTuple):
    """Called around each attempt to send a request.

    Attributes:
        before: Awaited right before each attempt, after all waiting in queues.
        after_failure: Awaited after an attempt that certainly did nothing on the server and will be repeated.
    """

    before: Callable[[], Awaitable[None]] = checkpoint
    after_failure: Callable[[], Awaitable[None]] = checkpoint
