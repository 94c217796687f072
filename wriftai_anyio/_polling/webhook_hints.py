"""What webhooks have told a client, and for which predictions they may be expected."""

import threading
from typing import Final

from wriftai_anyio._concurrency import system
from wriftai_anyio._concurrency.bounded_dict import BoundedDict
from wriftai_anyio._parsing.json_copy import size_of_json
from wriftai_anyio._types.prediction import PredictionWithIO, is_terminal

FIRST_PATIENCE: Final = 10.0
"""Seconds for which a prediction's webhook is awaited before a poll, while no webhook has come yet at all."""
PATIENCE: Final = 30.0
"""The same, once one has come: seconds between two polls, at least."""
REMEMBERED: Final = 1000
"""Ended predictions that are kept for waits which begin later."""
LARGEST_REMEMBERED: Final = 1024 * 1024
"""Bytes that one of them may take: a later wait for a larger one asks the server."""
REMEMBERED_BYTES: Final = 16 * 1024 * 1024
"""Bytes that they may take in total: a wait for one that was forgotten asks the server."""
LARGEST_EXPECTATION: Final = 100_000
"""Predictions whose webhook is expected, at most; those that were expected for longest are forgotten."""


class WebhookHints:
    """Remembers what webhooks told, so that waits need no poll; any thread may use it.

    Attributes:
        count: How many have come.
    """

    def __init__(self) -> None:
        self.count: int = 0
        self._patience = 0.0
        self._expected: BoundedDict[str, float] = BoundedDict(LARGEST_EXPECTATION)
        self._told: dict[str, tuple[PredictionWithIO, int]] = {}
        self._told_bytes = 0
        self._lock = threading.Lock()

    def announce(self) -> None:
        """Notes that there is a receiver in this process, before it has received anything."""
        self._patience = self._patience or FIRST_PATIENCE

    def expect(self, prediction_id: str) -> None:
        """Notes that a prediction has a webhook, and that its state has just been seen."""
        self._expected[prediction_id] = system.monotonic()

    def note_told(self, prediction: PredictionWithIO) -> None:
        """Takes in the state that a webhook told."""
        self.count += 1
        self._patience = PATIENCE
        prediction_id = prediction["id"]
        if is_terminal(prediction):
            self._expected.pop(prediction_id, None)
            self._keep(prediction)
        elif prediction_id not in self._told:
            self.expect(prediction_id)

    def ended(self, prediction_id: str) -> PredictionWithIO | None:
        """Returns the prediction if its webhook told that it has ended."""
        told = self._told.get(prediction_id)
        return None if told is None else told[0]

    def _keep(self, prediction: PredictionWithIO) -> None:
        size = size_of_json(prediction)
        with self._lock:
            self._forget(prediction["id"])
            if size > LARGEST_REMEMBERED:
                return
            self._told[prediction["id"]] = prediction, size
            self._told_bytes += size
            while self._told_bytes > REMEMBERED_BYTES or len(self._told) > REMEMBERED:
                self._forget(next(iter(self._told)))

    def _forget(self, prediction_id: str) -> None:
        _, size = self._told.pop(prediction_id, (None, 0))
        self._told_bytes -= size

    def patience(self, prediction_id: str) -> float:
        """Returns for how many seconds a prediction need not be polled, since its webhook is expected."""
        return self._patience if prediction_id in self._expected or prediction_id in self._told else 0.0

    def silence(self, prediction_id: str) -> float | None:
        """Returns how many seconds ago the state of a prediction with an expected webhook was last seen."""
        seen_at = self._expected.get(prediction_id) if self._patience else None
        return None if seen_at is None else system.monotonic() - seen_at

    def note_ended(self, prediction_id: str, count: int) -> None:
        """Notes that a prediction is known to have ended.

        Args:
            prediction_id: The prediction's id.
            count: How many webhooks had come when it was known to run. If its own has not come, nor any other since
                then, none is expected any more, until the next comes.
        """
        if self._expected.pop(prediction_id, None) is not None and count == self.count:
            self._patience = 0.0
