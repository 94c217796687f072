"""Checks that an answer is a prediction, and fills in fields that today's servers leave out."""

from collections.abc import Mapping
from typing import Final, cast

from wriftai_anyio._types.json import JsonValue
from wriftai_anyio._types.prediction import Prediction, PredictionWithIO, Status

from .ids import is_id
from .shapes import ShapeError, mapping


class PredictionParser:
    """Turns decoded answers into predictions. It has no side effects: the caller notifies the observer.

    Args:
        base_url: The API's base URL.
    """

    _STATUSES: Final[Mapping[str, Status]] = {status.value: status for status in Status}

    def __init__(self, base_url: str) -> None:
        self._prefix = f"{base_url}/predictions/"

    def listed(self, value: JsonValue) -> Prediction:
        """Returns an entry of a list, which has no input or output.

        Raises:
            ShapeError: If it is not a prediction.
        """
        return cast("Prediction", self._checked(value))

    def detailed(self, value: JsonValue) -> PredictionWithIO:
        """Returns a prediction with its input and output.

        Raises:
            ShapeError: If it is not a prediction.
        """
        return cast("PredictionWithIO", self._checked(value))

    def _checked(self, value: JsonValue) -> dict[str, JsonValue]:
        fields = dict(mapping(value))
        prediction_id, status = fields.get("id"), fields.get("status")
        if not isinstance(prediction_id, str) or not prediction_id:
            raise ShapeError("it is not a prediction: it has no `id`")
        if not is_id(prediction_id):
            raise ShapeError(f"its `id` cannot be one: {prediction_id[:80]!r}")
        if not isinstance(status, str):
            raise ShapeError("it is not a prediction: it has no `status`")
        fields["status"] = self._STATUSES.get(status, status)
        if not fields.get("url"):
            fields["url"] = self._prefix + prediction_id
        return fields
