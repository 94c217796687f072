"""All that a sandbox holds."""

from collections.abc import Mapping

from ._built_in_models import built_in_models
from ._faults import FaultPlan
from ._files import FileStore
from ._limits import Limiter, RateLimits
from ._models import Model, ModelFunction, Models
from ._predictions import PredictionStore
from ._requests import RequestLog
from ._settings import Settings
from ._uploads import Upload


class State:
    """What the routes work on, and what a reset empties.

    Args:
        access_token: The token that the API wants.
        settings: How long things take, and the like.
        models: The models beside those that are built in.
        rate_limits: The rate limits, where there are any.
    """

    def __init__(
        self,
        access_token: str,
        settings: Settings,
        models: Mapping[str, ModelFunction | Model],
        rate_limits: RateLimits | None,
    ) -> None:
        self.access_token = access_token
        self.settings = settings
        self.models = Models(built_in_models(settings.scaled), models)
        self.limiter = None if rate_limits is None else Limiter(rate_limits)
        self.predictions = PredictionStore()
        self.files = FileStore()
        self.uploads: dict[str, Upload] = {}
        self.requests = RequestLog()
        self.faults = FaultPlan()
        self._first_models = self.models.copy()
        self._first_streaming = settings.streaming

    def clear(self) -> None:
        """Make it what it was at first; on the event loop, where predictions are under way."""
        for emptied in (self.predictions, self.files, self.uploads, self.requests, self.faults, self.models):
            emptied.clear()
        self.models.update(self._first_models)
        self.settings.streaming = self._first_streaming
        if self.limiter is not None:
            self.limiter.clear()
