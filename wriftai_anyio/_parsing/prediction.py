"""Checks that an answer is a prediction, and fills in what today's servers leave out."""

from collections.abc import Callable, Mapping
from typing import Final, cast

from wriftai_anyio._types.json import JsonValue
from wriftai_anyio._types.prediction import Prediction, PredictionWithIO, Status

from .shapes import ShapeError, mapping


class PredictionShape:
    """Checks the shape of predictions, fills in what today's servers leave out, and tells who looks on.

    Args:
        base_url: The API's base URL.
        seen: Called with each prediction.
    """

    _STATUSES: Final[Mapping[str, Status]] = {status.value: status for status in Status}

    def __init__(self, base_url: str, seen: Callable[[Mapping[str, object]], None] | None = None) -> None:
        self._prefix = f"{base_url}/predictions/"
        self._seen = seen

    def listed(self, value: JsonValue) -> Prediction:
        """Takes a prediction out of a list.

        Raises:
            ShapeError: If it is none.
        """
        return cast("Prediction", self._checked(value))

    def detailed(self, value: JsonValue) -> PredictionWithIO:
        """Takes a prediction with its details.

        Raises:
            ShapeError: If it is none.
        """
        return cast("PredictionWithIO", self._checked(value))

    def _checked(self, value: JsonValue) -> dict[str, JsonValue]:
        fields = dict(mapping(value))
        prediction_id, status = fields.get("id"), fields.get("status")
        if not isinstance(prediction_id, str) or not prediction_id:
            raise ShapeError("it is no prediction: it has no `id`")
        if not isinstance(status, str):
            raise ShapeError("it is no prediction: it has no `status`")
        fields["status"] = self._STATUSES.get(status, status)
        if not fields.get("url"):
            fields["url"] = self._prefix + prediction_id
        if self._seen is not None:
            self._seen(fields)
        return fields
