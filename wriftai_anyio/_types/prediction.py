"""Predictions as the API describes them: their statuses, their fields, and when they have ended."""

from collections.abc import Mapping
from typing import Any, Final

from .json import JsonValue
from .str_enum import OpenStrEnum
from .typing_backports import TypedDict


class ErrorSource(OpenStrEnum):
    """The possible sources of a prediction's error."""

    internal = "internal"
    external = "external"


class Status(OpenStrEnum):
    """The possible statuses of a prediction.

    The API adds statuses over time: one that this version does not know stays the plain string that the server sent,
    and counts as not ended.
    """

    pending = "pending"
    starting = "starting"
    started = "started"
    failed = "failed"
    succeeded = "succeeded"
    cancelled = "cancelled"
    abandoned = "abandoned"


UNSUCCESSFUL_STATUSES: Final = frozenset({Status.failed, Status.cancelled, Status.abandoned})
TERMINAL_STATUSES: Final = UNSUCCESSFUL_STATUSES | {Status.succeeded}
RUNNING_STATUSES: Final = tuple(status for status in Status if status not in TERMINAL_STATUSES)


class TaskError(TypedDict):
    """The error of a prediction that failed."""

    source: ErrorSource
    """Where the error came from."""
    message: str
    """What went wrong, as a message."""
    detail: JsonValue
    """More details, if there are any."""


class PredictionModel(TypedDict):
    """The model of a prediction."""

    owner: str
    """Name of the model's owner."""
    name: str
    """Name of the model."""
    version_number: int
    """Number of the model version."""


class Prediction(TypedDict):
    """A prediction as it appears in lists."""

    url: str
    """URL of the prediction; filled in if the server leaves it out."""
    id: str
    """Unique identifier of the prediction."""
    created_at: str
    """Timestamp when the prediction was created."""
    status: Status
    """Current status of the prediction."""
    updated_at: str
    """Timestamp of the last change of the prediction."""
    setup_time: str | None
    """Time taken to set the model up, an ISO 8601 duration."""
    execution_time: str | None
    """Time taken to run the model, an ISO 8601 duration."""
    model: PredictionModel
    """The model of the prediction."""


class PredictionWithIO(Prediction):
    """A prediction with its input and, once it has ended, its output or error."""

    input: JsonValue
    """The input it was created with."""
    output: JsonValue
    """The output of the model; `None` before the end, and if there is none."""
    error: TaskError | None
    """What went wrong, if it failed."""
    metrics: Mapping[str, JsonValue] | None
    """Usage metrics that the model returned."""
    stream: bool
    """Whether its events can be streamed; false again once its stream has expired."""


def is_terminal(prediction: Prediction) -> bool:
    """Returns whether a prediction has ended, successfully or not."""
    return prediction["status"] in TERMINAL_STATUSES


def told_error(prediction: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the error of a prediction; empty unless it is an object, and a string becomes the error's message.

    Its values may have other types than `TaskError` says: nothing that the server sends must break a caller.
    """
    error: Mapping[str, Any] | str | float | list[object] | None = prediction.get("error")
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, Mapping) else {}
