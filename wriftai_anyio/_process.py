"""State that belongs to one process: after a fork, the child starts afresh."""

import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_inherited: list[object] = []
"""What children of a fork must never close, nor collect: their parent still uses it."""


class PerProcess(Generic[T]):
    """Holds one value for each process, made when first asked for.

    A forked child has none of its parent's threads, and a lock may have been held at the moment of the fork.
    So the child gets a value of its own, with new locks.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: dict[int, T] = {}

    def get(self) -> T:
        """Returns this process's value; safe from any thread."""
        pid = os.getpid()
        value = self._values.get(pid)
        if value is None:
            _inherited.extend(self._values.values())
            value = self._values.setdefault(pid, self._make())
        return value

    def peek(self) -> T | None:
        """Returns this process's value if there is one already."""
        return self._values.get(os.getpid())
