"""The page that shows what an application is doing, and lets a person interfere."""

import hmac
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from wriftai_anyio.json_codec import encode_json

from ._answers import ApiError, JsonAnswer, answer_api_error, not_found, refusal
from ._faults import KINDS, Fault
from ._predictions import TERMINAL, Prediction
from ._requests import RecordedRequest
from ._schemas import object_schema, read_body
from ._state import State

SHOWN_PREDICTIONS: Final = 50
SHOWN_REQUESTS: Final = 100
COUNTED_REQUESTS: Final = 1000
"""How many requests are searched for earlier attempts."""
LONGEST_VALUE: Final = 300
"""The most characters of an input or output that the page shows."""
STATUSES: Final = (429, 500, 502, 503, 504)
"""The statuses that the page offers, besides the other kinds of faults."""

_FOLDER: Final = Path(__file__).with_name("page")
_FILES: Final = {
    "/": ("page.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
}
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
_END: Final = object_schema({"status": {"enum": ["succeeded", "failed", "cancelled"]}}, required=["status"])
_FAULT: Final = object_schema(
    {
        "kind": {"type": "string"},
        "times": {"type": "string", "pattern": "^[0-9]{1,4}$"},
        "method": {"type": "string"},
        "path": {"type": "string"},
    },
    required=["kind", "times"],
)


def is_of_page(path: str) -> bool:
    """Returns whether a request comes from the page itself; such requests are not recorded and get no faults."""
    return path in _FILES or path.startswith("/inspect/")


def build_page(state: State) -> ASGIApp:
    """Returns the application that serves the page and its requests.

    Args:
        state: The state that it shows.
    """
    page = _Page(state)
    return Starlette(
        routes=[
            *(Route(path, _file) for path in _FILES),
            Route("/inspect/state", page.show),
            Route("/inspect/predictions/{prediction_id}", page.end, methods=["POST"]),
            Route("/inspect/faults", page.plan, methods=["POST"]),
        ],
        exception_handlers={ApiError: answer_api_error},
    )


async def _file(request: Request) -> Response:
    name, media_type = _FILES[request.url.path]
    return FileResponse(_FOLDER / name, headers=_HEADERS, media_type=media_type)


class _Page:
    def __init__(self, state: State) -> None:
        self._state = state

    def _check(self, request: Request) -> None:
        given = request.headers.get("authorization", "").encode("latin-1")
        if not hmac.compare_digest(given, f"Bearer {self._state.access_token}".encode()):
            raise refusal(401, "unauthorized", "That is not the token of this sandbox.")

    async def show(self, request: Request) -> Response:
        """Answer with everything that the page shows."""
        self._check(request)
        predictions = self._state.predictions.newest_first(())[:SHOWN_PREDICTIONS]
        shown = {
            "limits": "no rate limits" if self._state.limiter is None else self._state.limiter.describe(),
            "planned": ", ".join(self._state.faults.describe()),
            "kinds": [*map(str, STATUSES), *sorted(KINDS)],
            "predictions": [_prediction(prediction) for prediction in predictions],
            "requests": _requests(self._state.requests.snapshot()[-COUNTED_REQUESTS:]),
        }
        return JsonAnswer(shown, headers=_HEADERS)

    async def end(self, request: Request) -> Response:
        """End a prediction with the status chosen on the page."""
        self._check(request)
        status = (await read_body(request, _END))["status"]
        prediction = self._state.predictions.get(request.path_params["prediction_id"])
        if prediction is None:
            raise not_found("prediction")
        prediction.end(status)
        return JsonAnswer(None)

    async def plan(self, request: Request) -> Response:
        """Make the next requests go wrong."""
        self._check(request)
        body = await read_body(request, _FAULT)
        kind = int(body["kind"]) if body["kind"].isdecimal() else body["kind"]
        try:
            fault = Fault(kind, body.get("method") or None, body.get("path") or None)
            self._state.faults.add(fault, int(body["times"]))
        except ValueError as error:
            raise refusal(400, "wrong_fault", str(error)) from None
        return JsonAnswer(None)


def _prediction(prediction: Prediction) -> dict[str, Any]:
    result = prediction.output if prediction.error is None else prediction.error["message"]
    return {
        "id": prediction.id,
        "created": prediction.created_at[11:19],
        "status": prediction.status,
        "ended": prediction.status in TERMINAL,
        "model": f"{prediction.model_name}:{prediction.version_number}",
        "input": _cut(prediction.input),
        "result": "" if result is None else _cut(result),
        "seconds": prediction.execution_seconds,
    }


def _cut(value: object) -> str:
    text = value[: LONGEST_VALUE + 1] if isinstance(value, str) else encode_json(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _requests(recorded: Iterable[RecordedRequest]) -> list[dict[str, Any]]:
    attempts: dict[tuple[str, str, str, bytes], int] = {}
    shown: list[dict[str, Any]] = []
    offset = time.time() - time.monotonic()
    for request in recorded:
        key = (request.method, request.path, str(request.query), request.body)
        attempt = attempts.get(key, 0) + 1
        # After a failure, or without an answer, the same request is the next attempt; after a success it is the first.
        attempts[key] = attempt if request.status is None or request.status >= 400 else 0
        query = f"?{request.query}" if request.query and "signature" not in request.query else ""
        shown.append(
            {
                "time": time.strftime("%H:%M:%S", time.localtime(request.arrived_at + offset)),
                "method": request.method,
                "target": _cut(request.path + query),
                "status": request.status,
                "seconds": None if request.answered_at is None else request.answered_at - request.arrived_at,
                "attempt": attempt,
            }
        )
    return shown[: -SHOWN_REQUESTS - 1 : -1]
