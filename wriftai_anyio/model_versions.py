"""Model versions: the runnable versions of models."""

from ._parsing.shapes import nothing, record
from ._resources.base import Resource, fields_of
from ._resources.lists import Listing
from ._resources.paths import model_path, version_path
from ._types.extras import ExtraBody
from ._types.typing_backports import TypedDict
from .common_types import ModelVersion, ModelVersionWithDetails, Schemas
from .pagination import AsyncItems, Items, PaginatedResponse, PaginationOptions

__all__ = [
    "CreateCompatibilities",
    "CreateModelVersionParams",
    "ModelVersionConfiguration",
    "ModelVersionWithDetailsAndConfiguration",
    "ModelVersions",
    "UpdateModelVersionConfigurationParams",
]


class CreateCompatibilities(TypedDict, total=False):
    """The other APIs through which a new model version can be called."""

    openai_chat_completions: bool
    """Whether through OpenAI's chat completions."""
    openai_embeddings: bool
    """Whether through OpenAI's embeddings."""
    openai_images_generations: bool
    """Whether through OpenAI's image generations."""
    openai_responses: bool
    """Whether through OpenAI's responses."""
    anthropic_messages: bool
    """Whether through Anthropic's messages."""


class ModelVersionConfiguration(TypedDict):
    """What a model version runs on and with."""

    hardware_identifier: str
    """The identifier of the hardware that the model version runs on."""
    variable_names: list[str]
    """The names of the variables that are set in its environment."""


class UpdateModelVersionConfigurationParams(ExtraBody, total=False):
    """The parts of a model version's configuration to update."""

    hardware_identifier: str
    """The identifier of the hardware that the model version runs on."""
    variable_names: list[str]
    """The names of all variables that are set in its environment from now on."""


class _CreateOptions(ExtraBody, total=False):
    compatibilities: CreateCompatibilities
    """The other APIs through which the model version can be called."""
    configuration: ModelVersionConfiguration
    """The configuration; by default that of the previous version."""


class CreateModelVersionParams(_CreateOptions):
    """The fields of a new model version."""

    release_notes: str
    """What is new in the model version."""
    schemas: Schemas
    """The schemas of the model version."""
    container_image_digest: str
    """SHA-256 digest of the container image."""


class ModelVersionWithDetailsAndConfiguration(ModelVersionWithDetails):
    """A model version with its details and its configuration."""

    configuration: ModelVersionConfiguration
    """The configuration of the model version."""


class ModelVersions(Resource):
    """Model versions: find, create, configure and delete them.

    Args:
        api: What sends the requests.
    """

    async def async_list(
        self, identifier: str, pagination_options: PaginationOptions | None = None
    ) -> PaginatedResponse[ModelVersion]:
        """List the versions of a model, one page at a time.

        Args:
            identifier: The model as owner/name (for example: deepseek-ai/deepseek-r1).
            pagination_options: Which page to get, and how many items it should have; by default the first page.

        Returns:
            One page of model versions, with the cursors of the pages before and after it.

        Raises:
            ValueError: If the identifier or an option is not valid; nothing was sent.
            NotFoundError: If there is no such model, or this access token may not see it.
            UnprocessableEntityError: If the API refuses the options, such as a `page_size` outside 5 to 50.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        return await self._listing(identifier).page(pagination_options)

    def list(
        self, identifier: str, pagination_options: PaginationOptions | None = None
    ) -> PaginatedResponse[ModelVersion]:
        """List the versions of a model, one page at a time.

        Args:
            identifier: The model as owner/name (for example: deepseek-ai/deepseek-r1).
            pagination_options: Which page to get, and how many items it should have; by default the first page.

        Returns:
            One page of model versions, with the cursors of the pages before and after it.

        Raises:
            ValueError: If the identifier or an option is not valid; nothing was sent.
            NotFoundError: If there is no such model, or this access token may not see it.
            UnprocessableEntityError: If the API refuses the options, such as a `page_size` outside 5 to 50.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        return self._api.blocking.call(self.async_list, identifier, pagination_options)

    def async_iterate(
        self, identifier: str, pagination_options: PaginationOptions | None = None
    ) -> AsyncItems[ModelVersion]:
        """Iterate over all versions of a model; pages are fetched when they are needed.

        Args:
            identifier: The model as owner/name (for example: deepseek-ai/deepseek-r1).
            pagination_options: Where to begin. If the API refuses the `page_size`, its default is used.

        Returns:
            An iterator over the model versions.

        Raises:
            ValueError: If the identifier or an option is not valid.
            WriftAIError: While iterating, if a page leads back to an earlier one.
            APIStatusError: While iterating, if the API refuses a request.
            APIConnectionError: While iterating, if there was no answer.
        """
        return self._listing(identifier).items(pagination_options)

    def iterate(self, identifier: str, pagination_options: PaginationOptions | None = None) -> Items[ModelVersion]:
        """Iterate over all versions of a model; pages are fetched when they are needed.

        Args:
            identifier: The model as owner/name (for example: deepseek-ai/deepseek-r1).
            pagination_options: Where to begin. If the API refuses the `page_size`, its default is used.

        Returns:
            An iterator over the model versions.

        Raises:
            ValueError: If the identifier or an option is not valid.
            WriftAIError: While iterating, if a page leads back to an earlier one.
            APIStatusError: While iterating, if the API refuses a request.
            APIConnectionError: While iterating, if there was no answer.
        """
        return self._listing(identifier).blocking_items("async_iterate", pagination_options)

    async def async_get(self, identifier: str) -> ModelVersionWithDetails:
        """Get a model version, with the schemas of its input and output.

        Args:
            identifier: The version as owner/name:number (for example: deepseek-ai/deepseek-r1:1).

        Returns:
            The model version.

        Raises:
            ValueError: If the identifier is not valid; nothing was sent.
            NotFoundError: If there is no such model version.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.

        Example:
            ```python
            version = await client.model_versions.async_get("sandbox/word-count:1")
            print(version["schemas"]["prediction"]["input"])
            ```
        """
        return await self._api.pipeline.ask("GET", version_path(identifier), _version_with_details)

    def get(self, identifier: str) -> ModelVersionWithDetails:
        """Get a model version, with the schemas of its input and output.

        Args:
            identifier: The version as owner/name:number (for example: deepseek-ai/deepseek-r1:1).

        Returns:
            The model version.

        Raises:
            ValueError: If the identifier is not valid; nothing was sent.
            NotFoundError: If there is no such model version.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.

        Example:
            ```python
            version = client.model_versions.get("sandbox/word-count:1")
            print(version["schemas"]["prediction"]["input"])
            ```
        """
        return self._api.blocking.call(self.async_get, identifier)

    async def async_create(
        self, identifier: str, options: CreateModelVersionParams
    ) -> ModelVersionWithDetailsAndConfiguration:
        """Create a version of a model.

        Args:
            identifier: The model identifier in owner/name format (for example: deepseek-ai/deepseek-r1).
            options: The fields of the new version.

        Returns:
            The new model version, with its configuration.

        Raises:
            ValueError: If the identifier is not valid, or `options` is not a mapping; nothing was sent.
            NotFoundError: If there is no such model.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer; it may exist if the error's `request_sent` is true.
        """
        path = f"{model_path(identifier)}/versions"
        return await self._api.pipeline.ask(
            "POST", path, _created_version, json=fields_of(options, CreateModelVersionParams, "options")
        )

    def create(self, identifier: str, options: CreateModelVersionParams) -> ModelVersionWithDetailsAndConfiguration:
        """Create a version of a model.

        Args:
            identifier: The model identifier in owner/name format (for example: deepseek-ai/deepseek-r1).
            options: The fields of the new version.

        Returns:
            The new model version, with its configuration.

        Raises:
            ValueError: If the identifier is not valid, or `options` is not a mapping; nothing was sent.
            NotFoundError: If there is no such model.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer; it may exist if the error's `request_sent` is true.
        """
        return self._api.blocking.call(self.async_create, identifier, options)

    async def async_delete(self, identifier: str) -> None:
        """Delete a model version.

        Args:
            identifier: The identifier in owner/name:version-number format (for example: deepseek-ai/deepseek-r1:1).

        Raises:
            ValueError: If the identifier is not valid; nothing was sent.
            NotFoundError: If there is no such model version.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        await self._api.pipeline.ask("DELETE", version_path(identifier), nothing)

    def delete(self, identifier: str) -> None:
        """Delete a model version.

        Args:
            identifier: The identifier in owner/name:version-number format (for example: deepseek-ai/deepseek-r1:1).

        Raises:
            ValueError: If the identifier is not valid; nothing was sent.
            NotFoundError: If there is no such model version.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        self._api.blocking.call(self.async_delete, identifier)

    async def async_get_configuration(self, identifier: str) -> ModelVersionConfiguration:
        """Get the configuration of a model version.

        Args:
            identifier: The identifier in owner/name:version-number format (for example: deepseek-ai/deepseek-r1:1).

        Returns:
            The configuration.

        Raises:
            ValueError: If the identifier is not valid; nothing was sent.
            NotFoundError: If there is no such model version.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        return await self._api.pipeline.ask("GET", f"{version_path(identifier)}/configuration", _configuration)

    def get_configuration(self, identifier: str) -> ModelVersionConfiguration:
        """Get the configuration of a model version.

        Args:
            identifier: The identifier in owner/name:version-number format (for example: deepseek-ai/deepseek-r1:1).

        Returns:
            The configuration.

        Raises:
            ValueError: If the identifier is not valid; nothing was sent.
            NotFoundError: If there is no such model version.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        return self._api.blocking.call(self.async_get_configuration, identifier)

    async def async_update_configuration(
        self, identifier: str, params: UpdateModelVersionConfigurationParams
    ) -> ModelVersionConfiguration:
        """Update the configuration of a model version.

        Args:
            identifier: The identifier in owner/name:version-number format (for example: deepseek-ai/deepseek-r1:1).
            params: The fields to update.

        Returns:
            The updated configuration.

        Raises:
            ValueError: If the identifier is not valid, or `params` is not a mapping; nothing was sent.
            NotFoundError: If there is no such model version.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer; it may be updated if the error's `request_sent` is true.
        """
        path = f"{version_path(identifier)}/configuration"
        return await self._send("PATCH", path, _configuration, params, UpdateModelVersionConfigurationParams)

    def update_configuration(
        self, identifier: str, params: UpdateModelVersionConfigurationParams
    ) -> ModelVersionConfiguration:
        """Update the configuration of a model version.

        Args:
            identifier: The identifier in owner/name:version-number format (for example: deepseek-ai/deepseek-r1:1).
            params: The fields to update.

        Returns:
            The updated configuration.

        Raises:
            ValueError: If the identifier is not valid, or `params` is not a mapping; nothing was sent.
            NotFoundError: If there is no such model version.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer; it may be updated if the error's `request_sent` is true.
        """
        return self._api.blocking.call(self.async_update_configuration, identifier, params)

    def _listing(self, identifier: str) -> Listing[ModelVersion]:
        return Listing(self._api, f"{model_path(identifier)}/versions", _version)


_version = record(ModelVersion, "number")
_version_with_details = record(ModelVersionWithDetails, "number")
_created_version = record(ModelVersionWithDetailsAndConfiguration, "number")
_configuration = record(ModelVersionConfiguration, "hardware_identifier")
