"""Pages of lists."""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypedDict, TypeVar

from .errors import WriftAIError

T = TypeVar("T")

__all__ = ["PaginatedResponse", "PaginationOptions"]


class PaginationOptions(TypedDict, total=False):
    """Options for the pages of a list."""

    cursor: str
    """Where the page begins: the `next_cursor` or `previous_cursor` of another page."""
    page_size: int
    """How many items a page should have, from 5 to 50. The API's default is 25; it may give fewer."""


@dataclass
class PaginatedResponse(Generic[T]):
    """One page of a list."""

    items: list[T]
    """The items of this page."""
    next_cursor: str | None
    """Cursor of the next page; `None` on the last."""
    previous_cursor: str | None
    """Cursor of the page before; `None` on the first."""
    next_url: str | None = None
    """Address of the next page, where the server states it."""
    previous_url: str | None = None
    """Address of the page before, where the server states it."""


class _Pages(Generic[T]):
    """Where an iteration over pages stands."""

    def __init__(self, options: PaginationOptions | None) -> None:
        self._options: PaginationOptions = {**options} if options else {}
        self._seen: set[str] = set()
        self.items: deque[T] = deque()
        self.more = True

    @property
    def options(self) -> PaginationOptions:
        return self._options

    def take(self, page: PaginatedResponse[T]) -> None:
        self.items.extend(page.items)
        cursor = page.next_cursor
        self.more = cursor is not None
        if cursor is not None:
            if cursor in self._seen:
                raise WriftAIError(f"The server's pages go in a circle: the cursor {cursor[:80]!r} came twice.")
            self._seen.add(cursor)
            self._options = {**self._options, "cursor": cursor}


class Items(Generic[T]):
    """Iterates over the items of all pages of a list, page by page as they are needed.

    Args:
        list_page: Gets one page.
        options: Where to begin, and how large the pages are.
    """

    def __init__(
        self,
        list_page: Callable[[PaginationOptions | None], PaginatedResponse[T]],
        options: PaginationOptions | None,
    ) -> None:
        self._list_page = list_page
        self._pages: _Pages[T] = _Pages(options)

    def __iter__(self) -> "Items[T]":
        return self

    def __next__(self) -> T:
        pages = self._pages
        while not pages.items:
            if not pages.more:
                raise StopIteration
            pages.take(self._list_page(pages.options))
        return pages.items.popleft()


class AsyncItems(Generic[T]):
    """Iterates over the items of all pages of a list, page by page as they are needed.

    Args:
        list_page: Gets one page.
        options: Where to begin, and how large the pages are.
    """

    def __init__(
        self,
        list_page: Callable[[PaginationOptions | None], Awaitable[PaginatedResponse[T]]],
        options: PaginationOptions | None,
    ) -> None:
        self._list_page = list_page
        self._pages: _Pages[T] = _Pages(options)

    def __aiter__(self) -> "AsyncItems[T]":
        return self

    async def __anext__(self) -> T:
        pages = self._pages
        while not pages.items:
            if not pages.more:
                raise StopAsyncIteration
            pages.take(await self._list_page(pages.options))
        return pages.items.popleft()
