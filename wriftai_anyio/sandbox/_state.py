"""The state of a sandbox."""

from collections.abc import Mapping

from ._built_in_models import built_in_models
from ._catalog import Catalog
from ._faults import FaultPlan
from ._files import FileStore
from ._limits import Limiter, RateLimits
from ._models import Model, ModelFunction, Models
from ._predictions import PredictionStore
from ._records import Records
from ._requests import RequestLog
from ._sample_data import fill
from ._settings import Settings
from ._uploads import Upload
from ._users import Users


class State:
    """The data of the routes, which a reset clears.

    Args:
        access_token: The token that the API requires.
        settings: How long things take, and the like.
        models: The models in addition to the built-in ones.
        rate_limits: The rate limits, if there are any.
        sample_data: Whether it is filled with sample data, at the start and after each reset.
    """

    def __init__(
        self,
        access_token: str,
        settings: Settings,
        models: Mapping[str, ModelFunction | Model],
        rate_limits: RateLimits | None,
        *,
        sample_data: bool,
    ) -> None:
        self.access_token = access_token
        self.settings = settings
        self.models = Models(built_in_models(settings.scaled), models)
        self.limiter = None if rate_limits is None else Limiter(rate_limits)
        self.users = Users()
        self.catalog = Catalog(self.models, self.users)
        self.variables = Records("variable")
        self.predictions = PredictionStore()
        self.files = FileStore()
        self.uploads: dict[str, Upload] = {}
        self.requests = RequestLog()
        self.faults = FaultPlan()
        self._first_models = self.models.copy()
        self._first_streaming = settings.streaming
        self._first_delivery = settings.delivery
        self._sample_data = sample_data
        if sample_data:
            self.fill()

    def fill(self) -> None:
        """Add sample data."""
        fill(self.users, self.catalog, self.models, self.variables, self.predictions)

    def clear(self) -> None:
        """Reset it to its initial state. Call this on the event loop if predictions are under way."""
        for clear in (
            self.predictions.clear,
            self.files.clear,
            self.uploads.clear,
            self.requests.clear,
            self.faults.clear,
            self.models.clear,
            self.catalog.clear,
            self.users.clear,
            self.variables.clear,
        ):
            clear()
        self.models.update(self._first_models)
        self.settings.streaming = self._first_streaming
        self.settings.delivery = self._first_delivery
        if self.limiter is not None:
            self.limiter.clear()
        if self._sample_data:
            self.fill()
