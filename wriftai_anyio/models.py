"""Models: what predictions are made with."""

from collections.abc import Callable

from ._parsing.arguments import checked_string
from ._parsing.ids import segment
from ._parsing.shapes import nothing, record
from ._resources.lists import Listing, SearchedResource
from ._resources.paths import model_path
from ._types.extras import ExtraBody
from ._types.json import JsonValue
from ._types.str_enum import StrEnum
from .common_types import Model, ModelVersionWithDetails, ModelVisibility, SortDirection
from .pagination import AsyncItems, Items, PaginatedResponse, PaginationOptions

__all__ = [
    "CreateModelParams",
    "ModelPaginationOptions",
    "ModelWithDetails",
    "ModelsResource",
    "ModelsSortBy",
    "UpdateModelParams",
]


class ModelWithDetails(Model):
    """A model with all its details."""

    overview: str | None
    """A longer description of the model."""
    latest_version: ModelVersionWithDetails | None
    """The latest version; `None` if there is none yet."""
    source_url: str | None
    """URL of the model's source code."""
    license_url: str | None
    """URL of the model's license."""
    paper_url: str | None
    """URL of the model's paper."""


class ModelsSortBy(StrEnum):
    """What models can be sorted by."""

    CREATED_AT = "created_at"
    PREDICTIONS_COUNT = "predictions_count"


class ModelPaginationOptions(PaginationOptions, total=False):
    """Which page of models to get, and how to sort and filter them."""

    sort_by: ModelsSortBy
    """What to sort by."""
    sort_direction: SortDirection
    """In which direction to sort."""
    category_slugs: list[str]
    """Only models of these categories."""


class _ModelParams(ExtraBody, total=False):
    visibility: ModelVisibility
    """Who may see the model."""
    description: str | None
    """Description of the model."""
    source_url: str | None
    """URL of the model's source code."""
    license_url: str | None
    """URL of the model's license."""
    paper_url: str | None
    """URL of the model's paper."""
    overview: str | None
    """Overview of the model."""
    category_slugs: list[str]
    """The slugs of the model's categories."""


class CreateModelParams(_ModelParams):
    """The fields of a new model."""

    name: str
    """Name of the model."""


class UpdateModelParams(_ModelParams, total=False):
    """The fields of a model to update; `None` clears a field."""

    name: str
    """The new name, which is part of the model's reference."""


class ModelsResource(SearchedResource[Model]):
    """Models: find, create, update and delete them.

    Args:
        api: What sends the requests.
    """

    async def async_list(
        self, pagination_options: ModelPaginationOptions | None = None, owner: str | None = None
    ) -> PaginatedResponse[Model]:
        """List models, one page at a time.

        Args:
            pagination_options: Which page to get, how many items it should have, and how to sort; by default the first
                page.
            owner: The name of the owner whose models are listed; by default the models of all owners.

        Returns:
            One page of models, with the cursors of the pages before and after it.

        Raises:
            ValueError: If the owner's name or an option is not valid; nothing was sent.
            UnprocessableEntityError: If the API refuses the options, such as a `page_size` outside 5 to 50.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.

        Example:
            ```python
            page = await client.models.async_list({"sort_by": ModelsSortBy.PREDICTIONS_COUNT}, owner="sandbox")
            print([model["name"] for model in page.items])
            ```
        """
        return await self._listing(owner).page(pagination_options)

    def list(
        self, pagination_options: ModelPaginationOptions | None = None, owner: str | None = None
    ) -> PaginatedResponse[Model]:
        """List models, one page at a time.

        Args:
            pagination_options: Which page to get, how many items it should have, and how to sort; by default the first
                page.
            owner: The name of the owner whose models are listed; by default the models of all owners.

        Returns:
            One page of models, with the cursors of the pages before and after it.

        Raises:
            ValueError: If the owner's name or an option is not valid; nothing was sent.
            UnprocessableEntityError: If the API refuses the options, such as a `page_size` outside 5 to 50.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.

        Example:
            ```python
            page = client.models.list({"sort_by": ModelsSortBy.PREDICTIONS_COUNT}, owner="sandbox")
            print([model["name"] for model in page.items])
            ```
        """
        return self._api.blocking.call(self.async_list, pagination_options, owner)

    def async_iterate(
        self, pagination_options: ModelPaginationOptions | None = None, owner: str | None = None
    ) -> AsyncItems[Model]:
        """Iterate over all models; pages are fetched when they are needed.

        Args:
            pagination_options: Where to begin and how to sort. If the API refuses the `page_size`, its default is used.
            owner: The name of the owner whose models are listed; by default the models of all owners.

        Returns:
            An iterator over the models.

        Raises:
            ValueError: If the owner's name or an option is not valid.
            WriftAIError: While iterating, if a page leads back to an earlier one.
            APIStatusError: While iterating, if the API refuses a request.
            APIConnectionError: While iterating, if there was no answer.
        """
        return self._listing(owner).items(pagination_options)

    def iterate(
        self, pagination_options: ModelPaginationOptions | None = None, owner: str | None = None
    ) -> Items[Model]:
        """Iterate over all models; pages are fetched when they are needed.

        Args:
            pagination_options: Where to begin and how to sort. If the API refuses the `page_size`, its default is used.
            owner: The name of the owner whose models are listed; by default the models of all owners.

        Returns:
            An iterator over the models.

        Raises:
            ValueError: If the owner's name or an option is not valid.
            WriftAIError: While iterating, if a page leads back to an earlier one.
            APIStatusError: While iterating, if the API refuses a request.
            APIConnectionError: While iterating, if there was no answer.
        """
        return self._listing(owner).blocking_items("async_iterate", pagination_options)

    async def async_get(self, identifier: str) -> ModelWithDetails:
        """Get a model, with its latest version.

        Args:
            identifier: The model as owner/name (for example: deepseek-ai/deepseek-r1).

        Returns:
            The model.

        Raises:
            ValueError: If the identifier is not valid; nothing was sent.
            NotFoundError: If there is no such model, or this access token may not see it.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.

        Example:
            ```python
            model = await client.models.async_get("sandbox/word-count")
            print(model["description"], model["latest_version"])
            ```
        """
        return await self._api.pipeline.ask("GET", model_path(identifier), _model_with_details)

    def get(self, identifier: str) -> ModelWithDetails:
        """Get a model, with its latest version.

        Args:
            identifier: The model as owner/name (for example: deepseek-ai/deepseek-r1).

        Returns:
            The model.

        Raises:
            ValueError: If the identifier is not valid; nothing was sent.
            NotFoundError: If there is no such model, or this access token may not see it.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.

        Example:
            ```python
            model = client.models.get("sandbox/word-count")
            print(model["description"], model["latest_version"])
            ```
        """
        return self._api.blocking.call(self.async_get, identifier)

    async def async_create(self, params: CreateModelParams) -> ModelWithDetails:
        """Create a model.

        Args:
            params: The fields of the new model.

        Returns:
            The new model.

        Raises:
            ValueError: If `params` is not a mapping; nothing was sent.
            APIStatusError: If the API refuses the request.
            APIConnectionError: If there was no answer; it may exist if the error's `request_sent` is true.
        """
        return await self._send("POST", "/models", _model_with_details, params, CreateModelParams)

    def create(self, params: CreateModelParams) -> ModelWithDetails:
        """Create a model.

        Args:
            params: The fields of the new model.

        Returns:
            The new model.

        Raises:
            ValueError: If `params` is not a mapping; nothing was sent.
            APIStatusError: If the API refuses the request.
            APIConnectionError: If there was no answer; it may exist if the error's `request_sent` is true.
        """
        return self._api.blocking.call(self.async_create, params)

    async def async_update(self, identifier: str, params: UpdateModelParams) -> ModelWithDetails:
        """Update a model.

        Args:
            identifier: The model identifier in owner/name format (for example: deepseek-ai/deepseek-r1).
            params: The fields to update.

        Returns:
            The updated model.

        Raises:
            ValueError: If the identifier is not valid, or `params` is not a mapping; nothing was sent.
            NotFoundError: If there is no such model, or it is not visible with this access token.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer; it may be updated if the error's `request_sent` is true.
        """
        return await self._send("PATCH", model_path(identifier), _model_with_details, params, UpdateModelParams)

    def update(self, identifier: str, params: UpdateModelParams) -> ModelWithDetails:
        """Update a model.

        Args:
            identifier: The model identifier in owner/name format (for example: deepseek-ai/deepseek-r1).
            params: The fields to update.

        Returns:
            The updated model.

        Raises:
            ValueError: If the identifier is not valid, or `params` is not a mapping; nothing was sent.
            NotFoundError: If there is no such model, or it is not visible with this access token.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer; it may be updated if the error's `request_sent` is true.
        """
        return self._api.blocking.call(self.async_update, identifier, params)

    async def async_delete(self, identifier: str) -> None:
        """Delete a model.

        Args:
            identifier: The model identifier in owner/name format (for example: deepseek-ai/deepseek-r1).

        Raises:
            ValueError: If the identifier is not valid; nothing was sent.
            NotFoundError: If there is no such model, or it is not visible with this access token.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        await self._api.pipeline.ask("DELETE", model_path(identifier), nothing)

    def delete(self, identifier: str) -> None:
        """Delete a model.

        Args:
            identifier: The model identifier in owner/name format (for example: deepseek-ai/deepseek-r1).

        Raises:
            ValueError: If the identifier is not valid; nothing was sent.
            NotFoundError: If there is no such model, or it is not visible with this access token.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        self._api.blocking.call(self.async_delete, identifier)

    def _listing(self, owner: str | None) -> Listing[Model]:
        path = "/models" if owner is None else f"/models/{segment(owner, 'owner')}"
        return Listing(self._api, path, model, options=ModelPaginationOptions)

    def _found(self, q: str) -> Listing[Model]:
        return Listing(self._api, "/search/models", model, query={"q": checked_string(q, "q")})


model: Callable[[JsonValue], Model] = record(Model, "id", visibility=ModelVisibility)
"""The shape of a model."""
_model_with_details = record(ModelWithDetails, "id", visibility=ModelVisibility)
