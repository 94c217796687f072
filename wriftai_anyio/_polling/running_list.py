"""The list of the account's running predictions, read until all awaited ones have been seen."""

from collections.abc import Callable, Collection
from typing import Final

from wriftai_anyio._parsing.prediction import PredictionParser
from wriftai_anyio._parsing.shapes import page_of
from wriftai_anyio._types.prediction import RUNNING_STATUSES, Prediction, is_terminal
from wriftai_anyio.api import API
from wriftai_anyio.errors import UnprocessableEntityError
from wriftai_anyio.pagination import PaginatedResponse

LARGEST_PAGE: Final = 50
"""The API's largest page, as its documentation says."""
DEFAULT_PAGE: Final = 25
"""The API's page where none is asked for."""


class RunningList:
    """Lists which predictions of the account run.

    Args:
        api: What sends the requests.
        parser: Turns answers into predictions.
    """

    def __init__(self, api: API, parser: PredictionParser) -> None:
        self._api = api
        self._page_shape = page_of(parser.listed)
        self._largest_is_refused = False

    @property
    def page_size(self) -> int:
        """How many predictions one page holds."""
        return DEFAULT_PAGE if self._largest_is_refused else LARGEST_PAGE

    async def read(self, reading: "Reading", awaited: Collection[str], on_gone: Callable[[str], None]) -> None:
        """Lists the ids, newest first, page by page, until all that are awaited were seen.

        Args:
            reading: Takes the pages in.
            awaited: Ids. At most as many pages are read: more would cost more than fetching each prediction.
            on_gone: Called with each id of the previous reading, as soon as the list has passed its place without it.

        Raises:
            APIStatusError: If the API refuses.
            APIConnectionError: If nothing came back.
        """
        unseen = set(awaited)
        cursors: set[str] = set()
        cursor: str | None = None
        while True:
            page = await self._page(cursor)
            # A server that knows no filter lists those that have ended, too.
            for prediction_id in reading.add([each["id"] for each in page.items if not is_terminal(each)]):
                on_gone(prediction_id)
            unseen.difference_update(each["id"] for each in page.items)
            cursor = page.next_cursor
            if not cursor or cursor in cursors or not unseen or reading.pages >= len(awaited):
                return
            cursors.add(cursor)

    async def _page(self, cursor: str | None) -> PaginatedResponse[Prediction]:
        try:
            return await self._ask(cursor)
        except UnprocessableEntityError:
            if self._largest_is_refused:
                raise
        self._largest_is_refused = True
        return await self._ask(cursor)

    async def _ask(self, cursor: str | None) -> PaginatedResponse[Prediction]:
        query: dict[str, str | list[str]] = {"statuses": [status.value for status in RUNNING_STATUSES]}
        if not self._largest_is_refused:
            query["page_size"] = str(LARGEST_PAGE)
        if cursor is not None:
            query["cursor"] = cursor
        page = await self._api.pipeline.ask("GET", "/predictions", self._page_shape, params=query)
        for prediction in page.items:
            self._api.observer.seen(prediction)
        return page


class Reading:
    """One reading of the list, compared with the previous one: page by page, it shows which ids are gone.

    Args:
        last: The previous reading.

    Attributes:
        ids: The ids so far, in their order.
        pages: How many pages there were.
        in_order: Whether the order has always matched the previous reading; otherwise nothing is concluded from it.
    """

    ids: dict[str, None]
    pages: int
    in_order: bool

    def __init__(self, last: "Reading | None") -> None:
        self.ids = {}
        self.pages = 0
        self.in_order = last is None or last.in_order
        self._before = list(last.ids) if last is not None and last.in_order else []
        self._places = {prediction_id: place for place, prediction_id in enumerate(self._before)}
        self._passed = 0
        self._gone: set[str] = set()

    def add(self, page: list[str]) -> list[str]:
        """Adds a page, and returns the ids of the previous reading whose places it passes without them."""
        self.pages += 1
        self.ids.update(dict.fromkeys(page))
        self.in_order = self.in_order and self._gone.isdisjoint(page)
        passed, self._passed = self._passed, max(self._passed, self._places.get(page[-1], 0) if page else 0)
        gone = [each for each in self._before[passed : self._passed] if each not in self.ids]
        self._gone.update(gone)
        return gone
