"""What a create is given: the params, and the types that an input may be made of."""

from collections.abc import Mapping, Sequence
from dataclasses import Field
from datetime import date, time
from enum import Enum
from os import PathLike
from typing import IO, Annotated, Any, ClassVar, Protocol, TypeAlias, Union
from uuid import UUID

from .extras import ExtraBody
from .file import File
from .typing_backports import TypedDict


class DataclassInstance(Protocol):
    """An instance of any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


class PydanticModel(Protocol):
    """An instance of any model of pydantic."""

    def model_dump(self) -> Any:  # noqa: ANN401 -- a root model gives anything
        """Returns the model's fields, as pydantic does.

        Returns:
            The fields.
        """
        ...


InputValue: TypeAlias = Union[  # noqa: UP007 -- one form for all of them
    Mapping[str, object],
    Sequence[object],
    str,
    bool,
    int,
    float,
    File,
    PathLike[str],
    IO[bytes],
    date,
    time,
    UUID,
    Enum,
    DataclassInstance,
    PydanticModel,
    None,
]
"""What an input may be: JSON, with files (`File`, a path, an open binary file), pydantic models, dataclasses,
enumerations, dates, times, UUIDs and scalars of numpy anywhere in it. They become their JSON; all else is refused."""


class _CheckedLater:
    """Lets models of pydantic take any input: what is in it is checked before it is sent."""

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> Mapping[str, object]:
        return {"type": "any"}


class _WebhookSecret(TypedDict, total=False):
    secret: str | None
    """Secret to generate the signature for the webhook."""


class Webhook(_WebhookSecret):
    """Represents webhook details."""

    url: str
    """HTTP URL to POST updates to."""


class _CreateOptions(ExtraBody, total=False):
    webhook: Webhook | None
    """Details about the webhook to post prediction updates to."""
    validate_input: bool
    """Enable input validation against the schema before processing."""


class CreatePredictionParams(_CreateOptions):
    """Prediction creation params."""

    input: Annotated[InputValue, _CheckedLater()]
    """Input data provided for the prediction, with a `File` anywhere in it."""
