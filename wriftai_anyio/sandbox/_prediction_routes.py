"""The calls under `/predictions`."""

import math
import re
import uuid
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ._answers import JsonAnswer, invalid, not_found, refusal
from ._catalog import Catalog
from ._clients import connection_of, while_connected
from ._pages import page
from ._predictions import ACTIVE, TERMINAL, Prediction, PredictionStore
from ._runner import Runner
from ._schemas import object_schema, read_body
from ._settings import Settings
from ._streams import send_events
from ._webhooks import Webhook

_CREATE: Final = object_schema(
    {
        "model": {"type": "string"},
        "stream": {"type": "boolean"},
        "webhook": {
            "type": ["object", "null"],
            "required": ["url"],
            "properties": {
                "url": {"type": "string", "pattern": "^https?://"},
                "secret": {"type": ["string", "null"]},
            },
        },
    },
    required=["model", "input"],
)

_PREFER_WAIT = re.compile(r"(?:^|[,;\s])wait(?:\s*=\s*(?P<seconds>[0-9]+(?:\.[0-9]+)?))?(?=$|[,;\s])")


def preferred_wait(request: Request) -> float | None:
    """Return the seconds in `Prefer: wait`; infinity if it states none; `None` without the header."""
    match = _PREFER_WAIT.search(request.headers.get("prefer", ""))
    if match is None:
        return None
    return math.inf if match["seconds"] is None else float(match["seconds"])


class PredictionRoutes:
    """The calls, and their data.

    Args:
        predictions: The store.
        catalog: The models that can be run.
        runner: Runs predictions.
        settings: How long connections are held, and the like.
    """

    def __init__(self, predictions: PredictionStore, catalog: Catalog, runner: Runner, settings: Settings) -> None:
        self._predictions = predictions
        self._catalog = catalog
        self._runner = runner
        self._settings = settings

    def routes(self) -> list[Route]:
        """Return the routes, without the prefix of the API."""
        return [
            Route("/predictions/{prediction_id}", self.get),
            Route("/predictions", self.create, methods=["POST"]),
            Route("/predictions", self.list),
            Route("/predictions/{prediction_id}/stream", self.stream),
            Route("/predictions/{prediction_id}/cancel", self.cancel, methods=["POST"]),
        ]

    async def create(self, request: Request) -> Response:
        """Create a prediction, and hold the answer if the client prefers that."""
        body = await read_body(request, _CREATE)
        record, version = self._catalog.resolve(body["model"])
        if request.headers.get("validate-input", "").lower() == "true":
            version.input_schema.check(body["input"], "body", "input")
        prediction = self._predictions.create(
            record.reference,
            version.number,
            body["input"],
            streams=body.get("stream", False),
            webhook=Webhook.of(body),
        )
        record.predictions_count += 1
        self._runner.start(prediction, record.function)
        headers = {"location": f"{request.url.path}/{prediction.id}"}
        preferred = preferred_wait(request) if self._settings.hold else None
        if preferred is not None and prediction.streams:
            return self._event_stream(request, prediction, 0, status_code=201, headers=headers)
        if preferred is not None:
            seconds = min(preferred, self._settings.scaled(self._settings.max_hold))
            await while_connected(connection_of(request.scope), prediction.ended.wait, seconds)
        return JsonAnswer(prediction.details(), status_code=201, headers=headers)

    async def get(self, request: Request) -> Response:
        """Answer with one prediction in full."""
        return JsonAnswer(self._find(request).details())

    async def list(self, request: Request) -> Response:
        """Answer with a page of predictions, newest first."""
        statuses = frozenset(request.query_params.getlist("statuses"))
        unknown = statuses - ACTIVE - TERMINAL
        if unknown:
            raise invalid(["query", "statuses"], f"not a status: {min(unknown)}", "enum")
        return JsonAnswer(
            page(
                self._predictions.newest_first(statuses),
                lambda prediction: (-prediction.serial,),
                Prediction.summary,
                request.query_params,
            )
        )

    async def cancel(self, request: Request) -> Response:
        """Cancel a prediction a little later."""
        prediction = self._find(request)
        if prediction.status in TERMINAL:
            raise refusal(409, "conflict", f"the prediction has already {prediction.status}")
        prediction.cancel_after(self._settings.scaled(self._settings.cancel_time))
        return JsonAnswer(None, status_code=202)

    async def stream(self, request: Request) -> Response:
        """Answer with a prediction's events, or those after one."""
        prediction = self._find(request)
        after_id = request.query_params.get("after_id", "0")
        if not after_id.isdecimal():
            raise invalid(["query", "after_id"], "not the id of an event")
        if not prediction.streams:
            raise not_found("stream")
        return self._event_stream(request, prediction, int(after_id), status_code=200)

    def _event_stream(
        self,
        request: Request,
        prediction: Prediction,
        last_seen: int,
        *,
        status_code: int,
        headers: dict[str, str] | None = None,
    ) -> Response:
        streaming = self._settings.streaming.faster(self._settings.time_scale)
        preferred = preferred_wait(request)
        idle = streaming.idle if preferred is None else min(preferred, streaming.idle)
        events = send_events(prediction.events, last_seen, streaming, idle, connection_of(request.scope))
        return StreamingResponse(events, status_code, headers, media_type="text/event-stream")

    def _find(self, request: Request) -> Prediction:
        try:
            prediction_id = str(uuid.UUID(request.path_params["prediction_id"]))
        except ValueError:
            raise invalid(["path", "prediction_id"], "must be a UUID", "uuid_parsing") from None
        prediction = self._predictions.get(prediction_id)
        if prediction is None:
            raise not_found("prediction")
        return prediction
