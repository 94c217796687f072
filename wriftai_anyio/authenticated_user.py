"""The authenticated user: the owner of the access token."""

from ._resources.base import Resource
from ._resources.lists import Listing
from ._types.extras import ExtraBody
from .common_types import Model, UserWithDetails
from .models import model
from .pagination import AsyncItems, Items, PaginatedResponse, PaginationOptions
from .users import user_with_details

__all__ = ["AuthenticatedUser", "UpdateUserParams"]


class UpdateUserParams(ExtraBody, total=False):
    """The fields of the user to update; `None` clears a field."""

    name: str
    """The new name, which is part of the references of the user's models."""
    display_name: str | None
    """The new display name."""
    bio: str | None
    """The new biography."""
    urls: list[str] | None
    """The new web pages."""
    company: str | None
    """The new company."""
    location: str | None
    """The new location."""


class AuthenticatedUser(Resource):
    """The authenticated user: the owner of the access token.

    Args:
        api: What sends the requests.
    """

    async def async_get(self) -> UserWithDetails:
        """Get the authenticated user.

        Returns:
            The user, with details.

        Raises:
            AuthenticationError: If there is no access token, or it is wrong.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        return await self._api.pipeline.ask("GET", "/user", user_with_details)

    def get(self) -> UserWithDetails:
        """Get the authenticated user.

        Returns:
            The user, with details.

        Raises:
            AuthenticationError: If there is no access token, or it is wrong.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        return self._api.blocking.call(self.async_get)

    async def async_update(self, params: UpdateUserParams) -> UserWithDetails:
        """Update the authenticated user.

        Args:
            params: The fields to update.

        Returns:
            The updated user.

        Raises:
            ValueError: If `params` is not a mapping; nothing was sent.
            APIStatusError: If the API refuses the request.
            APIConnectionError: If there was no answer; it may be updated if the error's `request_sent` is true.
        """
        return await self._send("PATCH", "/user", user_with_details, params, UpdateUserParams)

    def update(self, params: UpdateUserParams) -> UserWithDetails:
        """Update the authenticated user.

        Args:
            params: The fields to update.

        Returns:
            The updated user.

        Raises:
            ValueError: If `params` is not a mapping; nothing was sent.
            APIStatusError: If the API refuses the request.
            APIConnectionError: If there was no answer; it may be updated if the error's `request_sent` is true.
        """
        return self._api.blocking.call(self.async_update, params)

    async def async_models(self, pagination_options: PaginationOptions | None = None) -> PaginatedResponse[Model]:
        """List the authenticated user's models, including private ones, one page at a time.

        Args:
            pagination_options: Which page to get, and how many items it should have; by default the first page.

        Returns:
            One page of models, with the cursors of the pages before and after it.

        Raises:
            ValueError: If an option is not known; nothing was sent.
            UnprocessableEntityError: If the API refuses the options, such as a `page_size` outside 5 to 50.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        return await self._models().page(pagination_options)

    def models(self, pagination_options: PaginationOptions | None = None) -> PaginatedResponse[Model]:
        """List the authenticated user's models, including private ones, one page at a time.

        Args:
            pagination_options: Which page to get, and how many items it should have; by default the first page.

        Returns:
            One page of models, with the cursors of the pages before and after it.

        Raises:
            ValueError: If an option is not known; nothing was sent.
            UnprocessableEntityError: If the API refuses the options, such as a `page_size` outside 5 to 50.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        return self._api.blocking.call(self.async_models, pagination_options)

    def async_iterate_models(self, pagination_options: PaginationOptions | None = None) -> AsyncItems[Model]:
        """Iterate over all of the authenticated user's models; pages are fetched when they are needed.

        Args:
            pagination_options: Where to begin. If the API refuses the `page_size`, its default is used.

        Returns:
            An iterator over the models.

        Raises:
            ValueError: If an option is not known.
            WriftAIError: While iterating, if a page leads back to an earlier one.
            APIStatusError: While iterating, if the API refuses a request.
            APIConnectionError: While iterating, if there was no answer.
        """
        return self._models().items(pagination_options)

    def iterate_models(self, pagination_options: PaginationOptions | None = None) -> Items[Model]:
        """Iterate over all of the authenticated user's models; pages are fetched when they are needed.

        Args:
            pagination_options: Where to begin. If the API refuses the `page_size`, its default is used.

        Returns:
            An iterator over the models.

        Raises:
            ValueError: If an option is not known.
            WriftAIError: While iterating, if a page leads back to an earlier one.
            APIStatusError: While iterating, if the API refuses a request.
            APIConnectionError: While iterating, if there was no answer.
        """
        return self._models().blocking_items("async_iterate_models", pagination_options)

    def _models(self) -> Listing[Model]:
        return Listing(self._api, "/user/models", model)
