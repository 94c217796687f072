"""Copies decoded JSON that several tasks would otherwise share, and estimates its size."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

T = TypeVar("T")

_BYTES_OF_A_VALUE: Final = 64
"""Memory that a JSON value takes, with its place in a container, but without the characters of a string."""


def copy_json(value: T) -> T:
    """Returns a copy of decoded JSON that shares no object or list with it.

    Unlike `copy.deepcopy` it does not recurse, since JSON may be nested more deeply than Python's stack allows.

    Args:
        value: The decoded JSON.
    """
    root: list[T] = [value]
    pending: list[Any] = [root]
    while pending:
        container = pending.pop()
        for place, entry in _entries(container):
            if isinstance(entry, (dict, list)):
                container[place] = entry.copy()
                pending.append(container[place])
    return root[0]


def size_of_json(value: object) -> int:
    """Returns roughly how many bytes decoded JSON takes in memory."""
    size = 0
    pending = [value]
    while pending:
        entry = pending.pop()
        size += _BYTES_OF_A_VALUE
        if isinstance(entry, str):
            size += len(entry)
        elif isinstance(entry, (dict, list)):
            pending.extend(each for _, each in _entries(cast("list[object]", entry)))
    return size


def _entries(container: Mapping[Any, object] | Sequence[object]) -> Iterable[tuple[Any, object]]:
    return container.items() if isinstance(container, Mapping) else enumerate(container)
