"""State that belongs to one event loop and lives as long as it does; and the loop's clock."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import anyio

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Holds one value for each event loop, made when first asked for.

    `anyio.lowlevel.RunVar` keeps its values in a dictionary keyed weakly by event loop. A value that refers to its
    event loop, such as one with connections, would keep the loop alive, and so itself. asyncio's loops may be closed
    without any notice to us (`loop.close()` alone), so there the value is an attribute of the loop: both are collected
    together. trio always closes what is open first, and its tokens have no attributes: there a weak dictionary does, as
    in `RunVar`, which would look up the event loop once more.

    Args:
        name: The name of the attribute.
        make: Makes a value.
    """

    def __init__(self, name: str, make: Callable[[], T]) -> None:
        self._name = name
        self._make = make
        self._of_trio: WeakKeyDictionary[object, T] = WeakKeyDictionary()

    def get(self) -> T:
        """Returns the value of the event loop that runs here."""
        loop = anyio.lowlevel.current_token().native_token
        attributes: dict[str, Any] | None = getattr(loop, "__dict__", None)
        if attributes is None:
            return self._of_token(loop)
        value: T | None = attributes.get(self._name)
        if value is None:
            value = attributes[self._name] = self._make()
        return value

    def _of_token(self, token: object) -> T:
        value = self._of_trio.get(token)
        if value is None:
            value = self._of_trio[token] = self._make()
        return value


def loop_clock() -> Callable[[], float]:
    """Returns the clock, in seconds, of the event loop that runs here; call it only on that loop.

    `anyio.current_time` finds out at each call which event loop runs, which takes longer than reading its clock.
    """
    loop = anyio.lowlevel.current_token().native_token
    clock: Callable[[], float] = getattr(loop, "time", anyio.current_time)  # trio's tokens have no clock
    return clock
