"""Pages of lists."""

import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar, cast

import anyio

from ._blocking.calls import Started
from ._concurrency.cancellation import ungrouped
from ._concurrency.outcome import Outcome
from ._types.typing_backports import TypedDict
from .errors import UnprocessableEntityError, WriftAIError
from .plain_text import html_table, one_line

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

T = TypeVar("T")

__all__ = ["AsyncItems", "Items", "PaginatedResponse", "PaginationOptions"]


MOST_ROWS: Final = 10
"""Rows that a notebook shows of a page."""
_COLUMNS: Final = (
    "id", "owner", "name", "number", "status", "model", "created_at", "visibility", "description", "release_notes",
)  # fmt: skip
"""The fields that a notebook shows, if the listed items have them."""


class PaginationOptions(TypedDict, total=False):
    """Which page of a list to get."""

    cursor: str
    """Where the page begins: the `next_cursor` or `previous_cursor` of another page."""
    page_size: int
    """How many items a page should have, from 5 to 50. The API's default is 25; it may return fewer."""
    extra_query: Mapping[str, object]
    """Further query parameters, which this version does not know."""


@dataclass
class PaginatedResponse(Generic[T]):
    """One page of a list."""

    items: list[T]
    """The items of this page."""
    next_cursor: str | None
    """Cursor of the next page; `None` on the last page."""
    previous_cursor: str | None
    """Cursor of the previous page; `None` on the first page."""
    next_url: str | None = None
    """URL of the next page, if the server states it."""
    previous_url: str | None = None
    """URL of the previous page, if the server states it."""

    def _repr_html_(self) -> str:
        rows = [cast("Mapping[str, object]", item) for item in self.items if isinstance(item, Mapping)][:MOST_ROWS]
        columns = [name for name in _COLUMNS if any(name in row for row in rows)]
        left = len(self.items) - len(rows)
        more = f", {left} of them not shown" if left else ""
        pages = "; more pages follow" if self.next_cursor else ""
        return html_table(
            f"{len(self.items)} items{more}{pages}",
            columns,
            ([_cell(row.get(name)) for name in columns] for row in rows),
        )


def _cell(value: object) -> object:
    """Returns what a notebook shows for a field; for an owner or a model, its name."""
    if not isinstance(value, Mapping):
        return value
    fields = cast("Mapping[str, object]", value)
    return "/".join(one_line(fields[name]) for name in ("owner", "name") if name in fields)


MOST_EMPTY_PAGES: Final = 100
"""Pages in a row that may be empty though more are said to follow: a filter may leave some empty."""

QueryValue: TypeAlias = str | Sequence[str]
Query: TypeAlias = Mapping[str, QueryValue]
"""Query parameters; a sequence is sent as one parameter for each of its values."""
FetchPage: TypeAlias = Callable[[Mapping[str, QueryValue]], Awaitable[PaginatedResponse[T]]]


class Pages(Generic[T]):
    """Reads the pages of a list one after another.

    Args:
        fetch: Gets the page that query parameters ask for.
        query: The parameters of the first page. If the server refuses its `page_size`, the server's default is used.
    """

    def __init__(self, fetch: FetchPage[T], query: Mapping[str, QueryValue]) -> None:
        self._fetch = fetch
        self._query = dict(query)
        self._cursors_taken: set[QueryValue] = set()
        self._empty = 0
        self.more: bool = True

    async def read(self) -> PaginatedResponse[T]:
        """Reads the next page, which stays the next one until it is taken.

        Raises:
            WriftAIError: If a page with this cursor was taken before.
        """
        cursor = self._query.get("cursor")
        if cursor in self._cursors_taken:
            raise WriftAIError(f"The server's pages go in a circle: the cursor {cursor[:80]!r} came twice.")
        try:
            return await self._fetch(self._query)
        except UnprocessableEntityError:
            if self._query.pop("page_size", None) is None:
                raise
        return await self._fetch(self._query)

    def take(self, page: PaginatedResponse[T]) -> list[T]:
        """Takes the items of the page that was read, and moves on to the next."""
        cursor = self._query.get("cursor")
        if cursor is not None:
            self._cursors_taken.add(cursor)
        self._empty = 0 if page.items else self._empty + 1
        if self._empty > MOST_EMPTY_PAGES and page.next_cursor:
            raise WriftAIError(f"The server sent {self._empty} pages in a row without an item, and says more follow.")
        if page.next_cursor:
            self._query["cursor"] = page.next_cursor
        self.more = bool(page.next_cursor)
        return page.items


class Items(Iterator[T], Generic[T]):
    """Iterates over the items of all pages of a list.

    Nothing is fetched before you ask for the first item. While you work on a page, the next one is fetched. Threads may
    share an iterator. Close it, or use it in `with`, to cancel the fetch of the next page; if you only drop it, that
    one request is finished.

    Args:
        pages: Reads the pages.
        start: Starts a coroutine function on the event loop of the blocking calls.
    """

    def __init__(
        self,
        pages: Pages[T],
        start: Callable[[Callable[[], Awaitable[PaginatedResponse[T]]]], Started[PaginatedResponse[T]]],
    ) -> None:
        self._pages = pages
        self._start = start
        self._items: deque[T] = deque()
        self._ahead: Started[PaginatedResponse[T]] | None = None
        self._turn = threading.Lock()

    def __next__(self) -> T:
        with self._turn:
            while not self._items:
                if not self._pages.more:
                    raise StopIteration
                self._items.extend(self._next_page())
            return self._items.popleft()

    def _next_page(self) -> list[T]:
        ahead, self._ahead = self._ahead, None
        if ahead is None or not ahead.is_of_this_process:
            ahead = self._start(self._pages.read)
        items = self._pages.take(ahead.result())
        if self._pages.more:
            self._ahead = self._start(self._pages.read)
        return items

    def close(self) -> None:
        """Cancel the fetch of the next page."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.cancel()

    def __enter__(self) -> "Items[T]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Ahead(Generic[T]):
    """A page that its own task fetches, and the outcome, kept for all callers that ask for the page."""

    def __init__(self, read: Callable[[], Awaitable[PaginatedResponse[T]]]) -> None:
        self._read = read
        self._outcome: Outcome[PaginatedResponse[T]] = Outcome()
        self.ended: anyio.Event = anyio.Event()

    async def run(self) -> None:
        try:
            await self._outcome.run(self._read)
        finally:
            self.ended.set()

    def page(self) -> PaginatedResponse[T]:
        if not self._outcome.is_known:
            raise RuntimeError("The block of this iterator was left.")
        return self._outcome.take()


class AsyncItems(AsyncIterator[T], Generic[T]):
    """Iterates over the items of all pages of a list.

    A plain `async for` fetches each page when you ask for it, because no task may run behind your back. Inside `async
    with` the next page is fetched while you work on this one. Nothing is fetched before you ask for the first item.
    Tasks may share an iterator.

    The block of `async with` holds a task group. Do not leave it open across a `yield` in your own async generator:
    trio and anyio then cannot tell which tasks belong to whom, and a cancellation may reach the wrong one. In such a
    generator use the plain `async for`, which holds nothing open.

    Args:
        pages: Reads the pages.

    Example:
        ```python
        async with client.models.async_iterate() as models:
            async for model in models:
                print(model["name"])
        ```
    """

    def __init__(self, pages: Pages[T]) -> None:
        self._pages = pages
        self._items: deque[T] = deque()
        self._tasks: TaskGroup | None = None
        self._ahead: _Ahead[T] | None = None
        self._turn = anyio.Lock()

    async def __anext__(self) -> T:
        if self._items:
            return self._items.popleft()
        async with self._turn:
            while not self._items:
                if not self._pages.more:
                    raise StopAsyncIteration
                self._items.extend(await self._next_page())
            return self._items.popleft()

    async def _next_page(self) -> list[T]:
        ahead = self._ahead
        if ahead is None:
            page = await self._pages.read()
        else:
            await ahead.ended.wait()
            self._ahead = None
            page = ahead.page()
        items = self._pages.take(page)
        if self._tasks is not None and self._pages.more:
            self._ahead = _Ahead(self._pages.read)
            self._tasks.start_soon(self._ahead.run)
        return items

    async def __aenter__(self) -> "AsyncItems[T]":
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks, self._tasks, self._ahead = self._tasks, None, None
        if tasks is not None:
            tasks.cancel_scope.shield = True
            tasks.cancel_scope.cancel()
            with ungrouped():
                # The group does not see the caller's error, and so does not wrap it.
                await tasks.__aexit__(None, None, None)
