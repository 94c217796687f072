"""The shared poller: waits for predictions to end."""

from collections.abc import Awaitable, Callable

from anyio import current_time, sleep_until

from ._prediction import PredictionShape, PredictionWithIO, is_terminal
from ._resource import segment
from ._retry import RETRIED_STATUSES
from .api import API
from .errors import APIConnectionError, APIResponseError, APIStatusError

FAULT_PATIENCE = 60.0
"""Seconds of nothing but failures that a wait outlives."""


class Poller:
    """Waits for predictions to end.

    Args:
        api: What sends the requests.
        shape: Checks predictions.
    """

    def __init__(self, api: API, shape: PredictionShape) -> None:
        self._api = api
        self._shape = shape

    async def fetch(self, prediction_id: str) -> PredictionWithIO:
        """Gets a prediction with its details."""
        path = f"/predictions/{segment(prediction_id, 'prediction_id')}"
        return await self._api.ask("GET", path, self._shape.detailed)

    async def wait(
        self,
        prediction_id: str,
        poll_interval: float,
        on_poll: Callable[[PredictionWithIO], Awaitable[None]] | None,
        note: Callable[[PredictionWithIO], None],
    ) -> PredictionWithIO:
        """Polls until the prediction has ended.

        Args:
            prediction_id: The prediction's id.
            poll_interval: Seconds between the beginnings of two polls, at least.
            on_poll: Awaited with each poll's prediction.
            note: Called with each poll's prediction, to remember it.

        Raises:
            APIStatusError: If the API refuses, or fails for a minute on end.
            APIConnectionError: If nothing comes back for a minute on end.
        """
        failing_since: float | None = None
        while True:
            began = current_time()
            try:
                prediction = await self.fetch(prediction_id)
            except (APIConnectionError, APIResponseError, APIStatusError) as error:
                failing_since = began if failing_since is None else failing_since
                if not is_passing(error) or current_time() - failing_since > FAULT_PATIENCE:
                    raise
            else:
                failing_since = None
                note(prediction)
                if on_poll is not None:
                    await on_poll(prediction)
                if is_terminal(prediction):
                    return prediction
            await sleep_until(began + poll_interval)


def is_passing(error: APIConnectionError | APIResponseError | APIStatusError) -> bool:
    """Whether a fault may pass, so that a wait goes on: all but an API that refuses (4xx)."""
    return not isinstance(error, APIStatusError) or error.status_code in RETRIED_STATUSES
