"""A value or an error, passed between tasks or threads."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")


class Outcome(Generic[T]):
    """What a function returned or raised, kept for another task or thread, which takes it once.

    Taking it removes it: an error kept here would keep alive everything that its traceback refers to.

    Args:
        kinds: The errors to keep; others are raised where they happen. So is a cancellation, always: it belongs to the
            task that is cancelled.
    """

    __slots__ = ("_error", "_kinds", "_values")

    def __init__(self, kinds: type[BaseException] = Exception) -> None:
        self._kinds = kinds
        self._values: list[T] = []  # a list, since a value may be `None`
        self._error: BaseException | None = None

    @property
    def is_known(self) -> bool:
        """Whether there is something to take."""
        return bool(self._values) or self._error is not None

    @property
    def failed(self) -> bool:
        """Whether it is an error."""
        return self._error is not None

    async def run(self, function: Callable[[], Awaitable[T]]) -> None:
        """Awaits a coroutine function and keeps its outcome."""
        try:
            self._values.append(await function())
        except anyio.get_cancelled_exc_class():
            raise
        except self._kinds as error:
            self._error = error

    def run_sync(self, function: Callable[[], T]) -> None:
        """Calls a function and keeps its outcome."""
        try:
            self._values.append(function())
        except self._kinds as error:
            self._error = error

    def take(self) -> T:
        """Returns or raises what was kept; once."""
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback refers to this frame: a reference cycle
        return self._values.pop()
