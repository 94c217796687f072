"""An API without a network, whose predictions run for set times on the event loop's own clock."""

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

import anyio
import httpx
from anyio import current_time
from anyio.lowlevel import checkpoint

from ._server import PREDICTION

DETAILS: Final = frozenset({"input", "output", "error"})
LISTED: Final = {name: value for name, value in PREDICTION.items() if name not in DETAILS}
PAGE: Final = 50


class RunningApi(httpx.AsyncBaseTransport):
    """Gets predictions, lists those that run, and counts both.

    Args:
        seconds: How long each prediction runs from now on, by id, oldest first.
        latency: Seconds until an answer; it shows the state in their middle.
    """

    def __init__(self, seconds: Mapping[str, float], latency: float = 0.0) -> None:
        now = current_time()
        self.ends = {prediction_id: now + lasts for prediction_id, lasts in seconds.items()}
        self.latency = latency
        self.lists = 0
        self.fetches = 0
        self.under_way = 0
        self._newest_first = list(reversed(self.ends))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        prediction_id = request.url.path.partition("/predictions")[2].lstrip("/")
        if prediction_id:
            self.fetches += 1
        else:
            self.lists += 1
        self.under_way += 1
        try:
            await self._half_a_round_trip()
            content = self._get(prediction_id) if prediction_id else self._list(request.url.params)
            await self._half_a_round_trip()
        finally:
            self.under_way -= 1
        headers = {"content-type": "application/json", "content-length": str(len(content))}
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(content.encode()))

    async def _half_a_round_trip(self) -> None:
        if self.latency:
            await anyio.sleep(self.latency / 2)
        else:
            await checkpoint()

    def _get(self, prediction_id: str) -> str:
        status = "started" if current_time() < self.ends[prediction_id] else "succeeded"
        return _json(PREDICTION, prediction_id, status)

    def _list(self, query: httpx.QueryParams) -> str:
        now = current_time()
        place = int(query.get("cursor", 0))
        running = (
            place for place in range(place, len(self._newest_first)) if self.ends[self._newest_first[place]] > now
        )
        page = list(islice(running, PAGE))
        following = next(running, None)
        items = ",".join(_json(LISTED, self._newest_first[place], "started") for place in page)
        cursor = "null" if following is None else f'"{following}"'
        return f'{{"items":[{items}],"next_cursor":{cursor},"previous_cursor":null}}'


def _json(prediction: Mapping[str, Any], prediction_id: str, status: str) -> str:
    return json.dumps({**prediction, "id": prediction_id, "status": status})
