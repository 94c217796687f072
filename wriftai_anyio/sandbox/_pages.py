"""Pages of a list, with cursors that stay valid while the list changes."""

import base64
import binascii
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from starlette.datastructures import QueryParams

from ._answers import invalid

DEFAULT_PAGE_SIZE: Final = 25
MIN_PAGE_SIZE: Final = 5
MAX_PAGE_SIZE: Final = 50

Position = tuple[int, ...]
"""The position of an item in its list, which is sorted by it, ascending."""

T = TypeVar("T")


@dataclass(frozen=True)
class _Cursor:
    position: Position
    forwards: bool

    def encode(self) -> str:
        text = json.dumps([self.forwards, *self.position], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode()

    @classmethod
    def decode(cls, text: str) -> "_Cursor":
        try:
            forwards, *position = json.loads(base64.urlsafe_b64decode(text.encode()))
            return cls(tuple(int(number) for number in position), forwards=bool(forwards))
        except (ValueError, TypeError, binascii.Error):
            raise invalid(["query", "cursor"], "not a cursor of this API") from None


def _page_size(query: QueryParams) -> int:
    text = query.get("page_size", str(DEFAULT_PAGE_SIZE))
    try:
        size = int(text)
    except ValueError:
        raise invalid(["query", "page_size"], "must be a whole number", "int_parsing") from None
    if not MIN_PAGE_SIZE <= size <= MAX_PAGE_SIZE:
        message = f"must lie between {MIN_PAGE_SIZE} and {MAX_PAGE_SIZE}"
        raise invalid(["query", "page_size"], message, "out_of_range")
    return size


def choice(query: QueryParams, name: str, choices: Sequence[str]) -> str:
    """Return the choice in a query, by default the first one.

    Raises:
        ApiError: 422, for anything else.
    """
    chosen = query.get(name, choices[0])
    if chosen not in choices:
        raise invalid(["query", name], f"must be one of {', '.join(choices)}", "enum")
    return chosen


def page(
    items: Sequence[T],
    position: Callable[[T], Position],
    describe: Callable[[T], dict[str, Any]],
    query: QueryParams,
) -> dict[str, Any]:
    """Return the page for a query.

    Args:
        items: All items, sorted by their position.
        position: Returns the position of an item; no two have the same.
        describe: Returns an item as it is sent.
        query: The query, with `cursor` and `page_size`.

    Raises:
        ApiError: 422, for a page size out of bounds or an invalid cursor.
    """
    size = _page_size(query)
    start = 0
    if "cursor" in query:
        cursor = _Cursor.decode(query["cursor"])
        if cursor.forwards:
            start = bisect_right(items, cursor.position, key=position)
        else:
            start = max(0, bisect_left(items, cursor.position, key=position) - size)
    shown = items[start : start + size]
    more = start + size < len(items)
    return {
        "items": [describe(item) for item in shown],
        "next_cursor": _Cursor(position(shown[-1]), forwards=True).encode() if shown and more else None,
        "previous_cursor": _Cursor(position(shown[0]), forwards=False).encode() if shown and start else None,
    }
