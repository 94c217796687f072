"""Users: the owners of models."""

from collections.abc import Callable

from ._parsing.arguments import checked_string
from ._parsing.ids import segment
from ._parsing.shapes import record
from ._resources.lists import ListedResource, Listing, SearchedResource
from ._types.json import JsonValue
from ._types.str_enum import StrEnum
from .common_types import SortDirection, User, UserWithDetails
from .pagination import PaginationOptions

__all__ = ["UserPaginationOptions", "UsersResource", "UsersSortBy"]


class UsersSortBy(StrEnum):
    """What users can be sorted by."""

    CREATED_AT = "created_at"


class UserPaginationOptions(PaginationOptions, total=False):
    """Which page of users to get, and how to sort them."""

    sort_by: UsersSortBy
    """What to sort by."""
    sort_direction: SortDirection
    """In which direction to sort."""


class UsersResource(ListedResource[User, UserPaginationOptions], SearchedResource[User]):
    """Users: the owners of models.

    Args:
        api: What sends the requests.
    """

    async def async_get(self, name: str) -> UserWithDetails:
        """Get a user by name.

        Args:
            name: The name of the user.

        Returns:
            The user, with details.

        Raises:
            ValueError: If the name is not valid; nothing was sent.
            NotFoundError: If there is no such user.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        return await self._api.pipeline.ask("GET", f"/users/{segment(name, 'name')}", user_with_details)

    def get(self, name: str) -> UserWithDetails:
        """Get a user by name.

        Args:
            name: The name of the user.

        Returns:
            The user, with details.

        Raises:
            ValueError: If the name is not valid; nothing was sent.
            NotFoundError: If there is no such user.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        return self._api.blocking.call(self.async_get, name)

    def _listing(self) -> Listing[User]:
        return Listing(self._api, "/users", _user, options=UserPaginationOptions)

    def _found(self, q: str) -> Listing[User]:
        return Listing(self._api, "/search/users", _user, query={"q": checked_string(q, "q")})


_user = record(User, "name")
user_with_details: Callable[[JsonValue], UserWithDetails] = record(UserWithDetails, "name")
"""The shape of a user with details."""
