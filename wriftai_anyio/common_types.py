"""Types shared by the resources."""

from collections.abc import Mapping
from typing import Any

from ._types.file import File
from ._types.json import JsonValue
from ._types.str_enum import OpenStrEnum, StrEnum
from ._types.typing_backports import TypeAliasType, TypedDict

__all__ = [
    "BaseUser",
    "Compatibilities",
    "JsonValue",
    "JsonValueWithFile",
    "Model",
    "ModelCategory",
    "ModelVersion",
    "ModelVersionWithDetails",
    "ModelVisibility",
    "SchemaIO",
    "Schemas",
    "SortDirection",
    "StrEnum",
    "UploadCompletionResult",
    "User",
    "UserWithDetails",
]

JsonValueWithFile = TypeAliasType(
    "JsonValueWithFile",
    "list[JsonValueWithFile] | Mapping[str, JsonValueWithFile] | str | bool | int | float | File | None",
)
"""A value that JSON can express, with files anywhere in it."""


class UploadCompletionResult(TypedDict):
    """Represents the result of a completed upload."""

    download_url: str
    """A time-limited signed URL for downloading the file. No additional authentication is required."""


class SortDirection(StrEnum):
    """The possible sorting directions."""

    ASC = "asc"
    DESC = "desc"


class ModelVisibility(OpenStrEnum):
    """Who may see a model. A value that is newer than this package stays a plain string."""

    private = "private"
    public = "public"
    restricted = "restricted"


class BaseUser(TypedDict):
    """Represents a user with basic details."""

    account_id: str
    """Unique identifier of the user's account."""
    name: str
    """The unique name of the user."""
    avatar_url: str
    """URL of the user's avatar."""


class User(BaseUser):
    """Represents a user."""

    display_name: str | None
    """The name that the user is shown with."""
    bio: str | None
    """The biography of the user."""
    location: str | None
    """Location of the user."""
    company: str | None
    """Company the user is associated with."""
    created_at: str
    """Timestamp when the user joined."""
    updated_at: str | None
    """Timestamp of the last update to the user."""


class UserWithDetails(User):
    """Represents a user with details."""

    urls: list[str] | None
    """The user's web pages."""


class ModelCategory(TypedDict):
    """Represents a model category."""

    name: str
    """Name of the model category."""
    slug: str
    """Slug of the model category, by which models are filtered."""


class Model(TypedDict):
    """Represents a model."""

    id: str
    """Unique identifier of the model."""
    name: str
    """Name of the model."""
    created_at: str
    """Timestamp when the model was created."""
    visibility: ModelVisibility
    """Who may see the model."""
    description: str | None
    """Description of the model."""
    updated_at: str | None
    """Timestamp of the last update to the model."""
    owner: BaseUser
    """The model's owner."""
    predictions_count: int
    """The number of predictions created with all versions of the model."""
    categories: list[ModelCategory]
    """The categories that the model belongs to."""
    cover_image_url: str | None
    """URL of the model's cover image."""


class _StreamSchema(TypedDict, total=False):
    stream_output: Mapping[str, Any]
    """JSON Schema (2020-12) of a streamed output."""


class SchemaIO(_StreamSchema):
    """Represents the schemas of a prediction."""

    input: Mapping[str, Any]
    """JSON Schema (2020-12) of the input."""
    output: Mapping[str, Any]
    """JSON Schema (2020-12) of the output."""


class Schemas(TypedDict):
    """Represents the schemas of a model version."""

    prediction: SchemaIO
    """The schemas of a prediction."""


class Compatibilities(TypedDict):
    """Represents the other APIs by which a model version can be called."""

    openai_chat_completions: bool
    """Whether OpenAI's chat completions."""
    openai_embeddings: bool
    """Whether OpenAI's embeddings."""
    openai_images_generations: bool
    """Whether OpenAI's image generations."""
    openai_responses: bool
    """Whether OpenAI's responses."""
    anthropic_messages: bool
    """Whether Anthropic's messages."""


class ModelVersion(TypedDict):
    """Represents a model version."""

    number: int
    """Number of the model version."""
    release_notes: str
    """What is new in the model version."""
    created_at: str
    """Timestamp when the model version was created."""


class _ImageDetails(TypedDict, total=False):
    size: int
    """Compressed size of the container image in bytes."""
    container_image_digest: str
    """SHA-256 digest of the container image."""


class ModelVersionWithDetails(ModelVersion, _ImageDetails):
    """Represents a model version with details."""

    schemas: Schemas
    """The schemas of the model version."""
    compatibilities: Compatibilities
    """With which other APIs the model version can be called."""
