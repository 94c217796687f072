"""The life of a prediction, from pending to its end."""

import copy
import json
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from ._built_in_models import ModelError
from ._execution import execute
from ._models import Model, ModelFunction
from ._predictions import Prediction, PredictionStore
from ._settings import Settings

MAX_THREADS: Final = 100


class Runner:
    """Runs predictions as tasks.

    Args:
        tasks: The task group that they run in.
        store: The store to tell when one has ended.
        settings: How long things take.
    """

    def __init__(self, tasks: TaskGroup, store: PredictionStore, settings: Settings) -> None:
        self._tasks = tasks
        self._store = store
        self._settings = settings
        self._threads = anyio.CapacityLimiter(MAX_THREADS)

    def start(self, prediction: Prediction, model: Model) -> None:
        """Begin with a pending prediction."""
        self._tasks.start_soon(self._run, prediction, model)

    async def _run(self, prediction: Prediction, model: Model) -> None:
        with prediction.scope:
            await anyio.sleep(self._settings.scaled(self._settings.setup_time / 2))
            prediction.move("starting")
            await anyio.sleep(self._settings.scaled(self._settings.setup_time / 2))
            prediction.move("started")
            await self._execute(prediction, model.function)
        if prediction.scope.cancelled_caught:
            prediction.move("cancelled")
        self._store.retire(prediction)

    async def _execute(self, prediction: Prediction, function: ModelFunction) -> None:
        async def emit(part: object) -> None:
            prediction.emit(part)
            if self._settings.streaming.pace:
                await anyio.sleep(self._settings.scaled(self._settings.streaming.pace))

        try:
            output = await execute(function, copy.deepcopy(prediction.input), emit, self._threads)
            json.dumps(output, allow_nan=False)
        except Exception as error:  # noqa: BLE001 - whatever a model raises is its prediction's error
            prediction.error = _describe(error)
            prediction.move("failed")
        else:
            prediction.output = output
            prediction.move("succeeded")


def _describe(error: Exception) -> dict[str, Any]:
    detail = error.detail if isinstance(error, ModelError) else {"type": type(error).__name__}
    return {"source": "external", "message": str(error) or type(error).__name__, "detail": detail}
