"""Predictions, and the store of all of them."""

import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import anyio

from ._answers import encode
from ._log import Log
from ._records import timestamp
from ._streams import encode_event
from ._webhooks import Webhook

Status = Literal["pending", "starting", "started", "succeeded", "failed", "cancelled", "abandoned"]

ACTIVE: Final = frozenset({"pending", "starting", "started"})
_FAILED_BY_HAND: Final = {"source": "internal", "message": "Failed by hand, on the sandbox's page.", "detail": None}
TERMINAL: Final = frozenset({"succeeded", "failed", "cancelled", "abandoned"})


def _iso_duration(seconds: float | None) -> str | None:
    return None if seconds is None else f"PT{seconds:.6f}S"


@dataclass
class Prediction:
    """One prediction and its progress.

    Attributes:
        events: The events that it streams, if it streams any.
        changes: Its state at each change of its status, if it has a webhook.
        ended: Set once its status is terminal.
        scope: The cancel scope in which it runs, once it runs.
        verdict: Its status if its scope is cancelled.
        delivery: The cancel scope in which its changes are delivered, if it has a webhook.
    """

    serial: int
    model_name: str
    version_number: int
    input: object
    streams: bool = False
    webhook: Webhook | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: str = field(default_factory=timestamp)
    updated_at: str = field(default_factory=timestamp)
    status: Status = "pending"
    output: object = None
    error: dict[str, Any] | None = None
    setup_seconds: float | None = None
    execution_seconds: float | None = None
    ended: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope | None = None
    verdict: Status = "cancelled"
    delivery: anyio.CancelScope | None = None
    events: Log = field(default_factory=Log)
    changes: Log = field(default_factory=Log)
    _phase_began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        if self.streams:
            self._add_event("init", self.details())

    def emit(self, part: object) -> None:
        """Stream a part of the output, if it is streamed."""
        if self.streams:
            self._add_event("output", part)

    def move(self, status: Status) -> None:
        """Change to another status."""
        elapsed = time.monotonic() - self._phase_began
        if status == "started":
            self.setup_seconds = elapsed
            self._phase_began = time.monotonic()
        elif self.status == "started":
            self.execution_seconds = elapsed
        self.status = status
        self.updated_at = timestamp()
        has_ended = status in TERMINAL
        if has_ended:
            self.ended.set()
        if has_ended and self.streams:
            kind, data = ("error", self.error) if status == "failed" else ("done", self.details())
            self._add_event(kind, data, last=True)
        if self.webhook is not None:
            self.changes.append(encode(self.details()), last=has_ended)

    def _add_event(self, kind: str, data: object, *, last: bool = False) -> None:
        self.events.append(encode_event(len(self.events) + 1, kind, data), last=last)

    def cancel_after(self, seconds: float) -> None:
        """Cancel it a little later; only the first call counts."""
        if self.scope is not None:
            self.scope.deadline = min(self.scope.deadline, anyio.current_time() + seconds)

    def end(self, status: Status) -> None:
        """End it now, with a status that a person chose; if it has already ended, it stays unchanged."""
        if self.scope is not None and self.status not in TERMINAL:
            self.verdict = status
            self.error = dict(_FAILED_BY_HAND) if status == "failed" else None
            self.scope.cancel()

    def summary(self) -> dict[str, Any]:
        """Return the fields that a page shows."""
        owner, _, name = self.model_name.partition("/")
        return {
            "id": self.id,
            "created_at": self.created_at,
            "status": self.status,
            "updated_at": self.updated_at,
            "setup_time": _iso_duration(self.setup_seconds),
            "execution_time": _iso_duration(self.execution_seconds),
            "model": {"owner": owner, "name": name, "version_number": self.version_number},
        }

    def details(self) -> dict[str, Any]:
        """Return all fields."""
        return {
            **self.summary(),
            "input": self.input,
            "output": self.output,
            "error": self.error,
            "metrics": None,
            "stream": self.streams,
        }


class PredictionStore:
    """All predictions; those under way are also stored separately, since they are listed most often."""

    def __init__(self) -> None:
        self._all: dict[str, Prediction] = {}
        self._active: dict[str, Prediction] = {}

    def create(
        self,
        model_name: str,
        version_number: int,
        given: object,
        *,
        streams: bool = False,
        webhook: Webhook | None = None,
    ) -> Prediction:
        """Add a pending prediction."""
        prediction = Prediction(len(self._all), model_name, version_number, given, streams=streams, webhook=webhook)
        self._all[prediction.id] = self._active[prediction.id] = prediction
        return prediction

    def get(self, prediction_id: str) -> Prediction | None:
        """Return a prediction by its id."""
        return self._all.get(prediction_id)

    def retire(self, prediction: Prediction) -> None:
        """Note that a prediction has ended."""
        self._active.pop(prediction.id, None)

    def newest_first(self, statuses: Collection[str]) -> list[Prediction]:
        """Return the predictions with one of the statuses, or all if there are no statuses."""
        kept = self._active if statuses and ACTIVE.issuperset(statuses) else self._all
        return [prediction for prediction in reversed(kept.values()) if not statuses or prediction.status in statuses]

    def snapshot(self) -> list[dict[str, Any]]:
        """Return all predictions with all fields, oldest first."""
        return [prediction.details() for prediction in self._all.copy().values()]

    def clear(self) -> None:
        """Stop all predictions under way, deliver no more changes, and forget all predictions."""
        for prediction in self._active.values():
            prediction.cancel_after(0)
        for prediction in self._all.values():
            if prediction.delivery is not None:
                prediction.delivery.cancel()
        self._all.clear()
        self._active.clear()
