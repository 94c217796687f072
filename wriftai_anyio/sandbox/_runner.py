"""The life of a prediction, from pending to its end."""

import copy
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from wriftai_anyio.json_codec import encode_json

from ._execution import execute
from ._models import Model, ModelError, ModelFunction
from ._predictions import Prediction, PredictionStore
from ._settings import Settings
from ._webhooks import Webhook, WebhookSender

MAX_THREADS: Final = 100


class Runner:
    """Runs predictions as tasks.

    Args:
        tasks: The task group in which they run.
        store: The store, which notes when a prediction has ended.
        settings: How long things take.
        sender: Sends webhooks.
    """

    def __init__(self, tasks: TaskGroup, store: PredictionStore, settings: Settings, sender: WebhookSender) -> None:
        self._tasks = tasks
        self._store = store
        self._settings = settings
        self._sender = sender
        self._threads = anyio.CapacityLimiter(MAX_THREADS)

    def start(self, prediction: Prediction, model: Model | None) -> None:
        """Start a pending prediction; it fails if there is no model to run it."""
        function = _no_function if model is None else model.function
        prediction.scope = anyio.CancelScope()
        if prediction.webhook is not None:
            prediction.delivery = anyio.CancelScope()
            self._tasks.start_soon(self._deliver, prediction, prediction.webhook, prediction.delivery)
        self._tasks.start_soon(self._run, prediction, prediction.scope, function)

    async def _run(self, prediction: Prediction, scope: anyio.CancelScope, function: ModelFunction) -> None:
        with scope:
            await anyio.sleep(self._settings.scaled(self._settings.setup_time / 2))
            prediction.move("starting")
            await anyio.sleep(self._settings.scaled(self._settings.setup_time / 2))
            prediction.move("started")
            await self._execute(prediction, function)
        if scope.cancelled_caught:
            prediction.move(prediction.verdict)
        self._store.retire(prediction)

    async def _deliver(self, prediction: Prediction, webhook: Webhook, scope: anyio.CancelScope) -> None:
        with scope:
            await self._sender.deliver(webhook, prediction.changes)

    async def _execute(self, prediction: Prediction, function: ModelFunction) -> None:
        async def emit(part: object) -> None:
            prediction.emit(part)
            if self._settings.streaming.pace:
                await anyio.sleep(self._settings.scaled(self._settings.streaming.pace))

        try:
            output = await execute(function, copy.deepcopy(prediction.input), emit, self._threads)
            encode_json(output, allow_nan=False)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a model raises is its prediction's error
            prediction.error = _describe(error)
            prediction.move("failed")
        else:
            prediction.output = output
            prediction.move("succeeded")


async def _no_function(_given: object) -> None:
    raise ModelError("no function is registered for this model", source="internal")


def _describe(error: BaseException) -> dict[str, Any]:
    name = type(error).__name__
    # The message of a KeyError is only the key.
    message = f"{name}: {error}" if isinstance(error, KeyError) else str(error) or name
    failure = error if isinstance(error, ModelError) else ModelError(message, {"type": name})
    return {"source": failure.source, "message": str(failure), "detail": failure.detail}
