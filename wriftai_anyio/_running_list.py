"""The list of the account's running predictions, read to its end."""

from typing import Final

from ._prediction import RUNNING_STATUSES, Prediction, PredictionShape
from ._resource import page_of
from .api import API
from .errors import UnprocessableEntityError
from .pagination import PaginatedResponse

LARGEST_PAGE: Final = 50
"""The API's largest page, as its documentation says."""
DEFAULT_PAGE: Final = 25
"""The API's page where none is asked for."""


class RunningList:
    """Lists which predictions of the account run.

    Args:
        api: What sends the requests.
        shape: Checks predictions.
    """

    def __init__(self, api: API, shape: PredictionShape) -> None:
        self._api = api
        self._shape = page_of(shape.listed)
        self._largest_is_refused = False

    @property
    def page_size(self) -> int:
        """How many predictions one request tells of."""
        return DEFAULT_PAGE if self._largest_is_refused else LARGEST_PAGE

    async def ids(self) -> set[str]:
        """Lists the ids, newest first, page by page.

        Raises:
            APIStatusError: If the API refuses.
            APIConnectionError: If nothing came back.
        """
        running: set[str] = set()
        cursors: set[str] = set()
        cursor: str | None = None
        while True:
            page = await self._page(cursor)
            running.update(prediction["id"] for prediction in page.items)
            cursor = page.next_cursor
            if cursor is None or cursor in cursors:
                return running
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
        return await self._api.ask("GET", "/predictions", self._shape, params=query)
