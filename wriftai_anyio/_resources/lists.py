"""Lists of the API, page by page and item by item, and the resources that can be listed or searched."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from wriftai_anyio._parsing.shapes import page_of
from wriftai_anyio._types.json import JsonValue
from wriftai_anyio.api import API
from wriftai_anyio.pagination import AsyncItems, Items, Pages, PaginatedResponse, PaginationOptions, QueryValue

from .base import Resource
from .query import page_query

T = TypeVar("T")
OptionsT = TypeVar("OptionsT", bound=PaginationOptions)


@dataclass(eq=False, repr=False)
class Listing(Generic[T]):
    """One list of the API.

    Attributes:
        api: Sends the requests.
        path: The list's path below the base URL.
        item: Checks an item, and returns it.
        options: The `TypedDict` of its pagination options.
        seen: Called with each item of an answer.
        query: Query parameters of the list itself, such as the text of a search.
    """

    api: API
    path: str
    item: Callable[[JsonValue], T]
    options: type = PaginationOptions
    seen: Callable[[T], None] | None = None
    query: Mapping[str, str] = field(default_factory=dict[str, str])

    async def page(self, options: PaginationOptions | None) -> PaginatedResponse[T]:
        """Gets one page."""
        return await self._fetch(self._parameters(options))

    def items(self, options: PaginationOptions | None) -> AsyncItems[T]:
        """Iterates over the items of all pages."""
        return AsyncItems(Pages(self._fetch, self._parameters(options)))

    def blocking_items(self, async_name: str, options: PaginationOptions | None) -> Items[T]:
        """Iterates over the items of all pages for a blocking caller.

        Args:
            async_name: The name of the method for coroutines that does the same.
            options: Where to begin, and how large the pages are.
        """
        return Items(Pages(self._fetch, self._parameters(options)), partial(self.api.blocking.start, async_name))

    async def _fetch(self, query: Mapping[str, QueryValue]) -> PaginatedResponse[T]:
        page = await self.api.pipeline.ask("GET", self.path, page_of(self.item), params=query)
        if self.seen is not None:
            for item in page.items:
                self.seen(item)
        return page

    def _parameters(self, options: PaginationOptions | None) -> Mapping[str, QueryValue]:
        return {**page_query(options, self.options), **self.query}


class ListedResource(Resource, Generic[T, OptionsT]):
    """A resource that can be listed."""

    @abstractmethod
    def _listing(self) -> Listing[T]:
        """The list."""

    async def async_list(self, pagination_options: OptionsT | None = None) -> PaginatedResponse[T]:
        """List them, one page at a time.

        Args:
            pagination_options: Which page to get, and how many items it should have; by default the first page.

        Returns:
            One page of items, with the cursors of the pages before and after it.

        Raises:
            ValueError: If an option is not known; nothing was sent.
            UnprocessableEntityError: If the API refuses the options, such as a `page_size` outside 5 to 50.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        return await self._listing().page(pagination_options)

    def list(self, pagination_options: OptionsT | None = None) -> PaginatedResponse[T]:
        """List them, one page at a time.

        Args:
            pagination_options: Which page to get, and how many items it should have; by default the first page.

        Returns:
            One page of items, with the cursors of the pages before and after it.

        Raises:
            ValueError: If an option is not known; nothing was sent.
            UnprocessableEntityError: If the API refuses the options, such as a `page_size` outside 5 to 50.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        return self._api.blocking.call(self.async_list, pagination_options)

    def async_iterate(self, pagination_options: OptionsT | None = None) -> AsyncItems[T]:
        """Iterate over all of them; pages are fetched when they are needed.

        Args:
            pagination_options: Where to begin and how to sort. If the API refuses the `page_size`, its default is used.

        Returns:
            An iterator over the items.

        Raises:
            ValueError: If an option is not known.
            WriftAIError: While iterating, if a page leads back to an earlier one.
            APIStatusError: While iterating, if the API refuses a request.
            APIConnectionError: While iterating, if there was no answer.
        """
        return self._listing().items(pagination_options)

    def iterate(self, pagination_options: OptionsT | None = None) -> Items[T]:
        """Iterate over all of them; pages are fetched when they are needed.

        Args:
            pagination_options: Where to begin and how to sort. If the API refuses the `page_size`, its default is used.

        Returns:
            An iterator over the items.

        Raises:
            ValueError: If an option is not known.
            WriftAIError: While iterating, if a page leads back to an earlier one.
            APIStatusError: While iterating, if the API refuses a request.
            APIConnectionError: While iterating, if there was no answer.
        """
        return self._listing().blocking_items("async_iterate", pagination_options)


class SearchedResource(Resource, Generic[T]):
    """A resource that can be searched."""

    @abstractmethod
    def _found(self, q: str) -> Listing[T]:
        """The list of the results of a search."""

    async def async_search(self, q: str, pagination_options: PaginationOptions | None = None) -> PaginatedResponse[T]:
        """Search them, one page at a time.

        Args:
            q: What to search for.
            pagination_options: Which page to get, and how many items it should have; by default the first page.

        Returns:
            One page of what was found, with the cursors of the pages before and after it.

        Raises:
            ValueError: If an option is not known; nothing was sent.
            UnprocessableEntityError: If the API refuses the query or the options.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        return await self._found(q).page(pagination_options)

    def search(self, q: str, pagination_options: PaginationOptions | None = None) -> PaginatedResponse[T]:
        """Search them, one page at a time.

        Args:
            q: What to search for.
            pagination_options: Which page to get, and how many items it should have; by default the first page.

        Returns:
            One page of what was found, with the cursors of the pages before and after it.

        Raises:
            ValueError: If an option is not known; nothing was sent.
            UnprocessableEntityError: If the API refuses the query or the options.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        return self._api.blocking.call(self.async_search, q, pagination_options)

    def async_iterate_search(self, q: str, pagination_options: PaginationOptions | None = None) -> AsyncItems[T]:
        """Iterate over everything that a search finds; pages are fetched when they are needed.

        Args:
            q: What to search for.
            pagination_options: Where to begin. If the API refuses the `page_size`, its default is used.

        Returns:
            An iterator over what was found.

        Raises:
            ValueError: If an option is not known.
            WriftAIError: While iterating, if a page leads back to an earlier one.
            APIStatusError: While iterating, if the API refuses a request.
            APIConnectionError: While iterating, if there was no answer.
        """
        return self._found(q).items(pagination_options)

    def iterate_search(self, q: str, pagination_options: PaginationOptions | None = None) -> Items[T]:
        """Iterate over everything that a search finds; pages are fetched when they are needed.

        Args:
            q: What to search for.
            pagination_options: Where to begin. If the API refuses the `page_size`, its default is used.

        Returns:
            An iterator over what was found.

        Raises:
            ValueError: If an option is not known.
            WriftAIError: While iterating, if a page leads back to an earlier one.
            APIStatusError: While iterating, if the API refuses a request.
            APIConnectionError: While iterating, if there was no answer.
        """
        return self._found(q).blocking_items("async_iterate_search", pagination_options)
