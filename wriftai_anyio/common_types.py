"""Types that several resources share, and `seconds`, which reads the durations in them."""

import re
from collections.abc import Mapping
from typing import Any, Final, overload

from ._types.file import JsonValueWithFile
from ._types.json import JsonValue
from ._types.str_enum import OpenStrEnum, StrEnum
from ._types.typing_backports import TypedDict

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
    "seconds",
]

# A string, since to compile it with the import would take time of each start; see `plain_text`.
_DURATION: Final = (
    r"(?a)(?P<sign>[+-]?)P(?:(?P<w>\d+(?:[.,]\d+)?)W)?(?:(?P<d>\d+(?:[.,]\d+)?)D)?"
    r"(?:T(?:(?P<h>\d+(?:[.,]\d+)?)H)?(?:(?P<m>\d+(?:[.,]\d+)?)M)?(?:(?P<s>\d+(?:[.,]\d+)?)S)?)?"
)
_SECONDS: Final = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}


@overload
def seconds(duration: str) -> float: ...
@overload
def seconds(duration: str | None) -> float | None: ...
def seconds(duration: str | None) -> float | None:
    """Turn an ISO 8601 duration into seconds, such as a prediction's `execution_time`.

    Args:
        duration: The duration, such as `PT1.5S` or `P1DT2H`; `None` if there is none yet.

    Returns:
        The seconds; `None` for `None`.

    Raises:
        ValueError: If it is not a duration, or has years or months, whose length differs.

    Example:
        ```python
        print(seconds(prediction["execution_time"]))
        ```
    """
    if duration is None:
        return None
    match = re.fullmatch(_DURATION, duration) if isinstance(duration, str) else None
    parts = {unit: match[unit] for unit in _SECONDS if match[unit]} if match else {}
    if match is None or not parts or duration.endswith("T"):
        shown = repr(duration[:80]) if isinstance(duration, str) else f"A {type(duration).__name__}"
        raise ValueError(f"{shown} is not a duration in weeks, days, hours, minutes and seconds.")
    total = sum(float(number.replace(",", ".")) * _SECONDS[unit] for unit, number in parts.items())
    return -total if match["sign"] == "-" else total


class UploadCompletionResult(TypedDict):
    """What a completed upload leads to."""

    download_url: str
    """A signed URL from which the file can be downloaded for a limited time, without further authentication."""


class SortDirection(StrEnum):
    """The directions in which a list can be sorted."""

    ASC = "asc"
    DESC = "desc"


class ModelVisibility(OpenStrEnum):
    """Who may see a model. A value that is newer than this package stays a plain string."""

    private = "private"
    public = "public"
    restricted = "restricted"


class BaseUser(TypedDict):
    """A user as the owner of something."""

    account_id: str
    """Unique identifier of the user's account."""
    name: str
    """The unique name of the user."""
    avatar_url: str
    """URL of the user's avatar."""


class User(BaseUser):
    """A user as lists contain it."""

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
    """A user with all details."""

    urls: list[str] | None
    """The user's web pages."""


class ModelCategory(TypedDict):
    """A category of models."""

    name: str
    """Name of the model category."""
    slug: str
    """Slug of the model category, by which models are filtered."""


class Model(TypedDict):
    """A model as lists contain it."""

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
    """The schemas of a model version's input and output."""

    input: Mapping[str, Any]
    """JSON Schema (2020-12) of the input."""
    output: Mapping[str, Any]
    """JSON Schema (2020-12) of the output."""


class Schemas(TypedDict):
    """The schemas of a model version."""

    prediction: SchemaIO
    """The schemas of its predictions."""


class Compatibilities(TypedDict):
    """The other APIs through which a model version can be called."""

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


class ModelVersion(TypedDict):
    """A model version as lists contain it."""

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
    """A model version with its schemas and details."""

    schemas: Schemas
    """The schemas of the model version."""
    compatibilities: Compatibilities
    """The other APIs through which the model version can be called."""
