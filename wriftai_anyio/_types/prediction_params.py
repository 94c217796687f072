"""The params of a create, and the types that an input may contain."""

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

    def model_dump(self) -> Any:  # noqa: ANN401 -- a root model returns anything
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
"""What an input may contain: JSON, with files (`File`, a path, an open binary file), pydantic models, dataclasses,
enumerations, dates, times, UUIDs and numpy scalars anywhere in it. They are sent as JSON; everything else is
refused."""


class _CheckedLater:
    """Lets pydantic models accept any input: it is checked before it is sent."""

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> Mapping[str, object]:
        return {"type": "any"}


class _WebhookSecret(TypedDict, total=False):
    secret: str | None
    """The secret with which the server signs the webhooks; see `verify_webhook`."""


class Webhook(_WebhookSecret):
    """Where the server reports each state of a prediction."""

    url: str
    """The HTTP URL to which the server posts each state."""


class _CreateOptions(ExtraBody, total=False):
    webhook: Webhook | None
    """Where the server reports each state of the prediction; `None` for nowhere."""
    validate_input: bool
    """Whether the server checks the input against the model's schema before it runs the model."""


class CreatePredictionParams(_CreateOptions):
    """The params of a new prediction."""

    input: Annotated[InputValue, _CheckedLater()]
    """The input of the model; files may be anywhere in it."""
