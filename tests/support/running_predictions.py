"""An API whose predictions run for set times, on the event loop's own clock; it notes what is asked of it."""

import functools
import itertools
import json
import threading
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import anyio
import httpx
from anyio import current_time

from tests.support.clients import prediction
from wriftai_anyio.sandbox import RateLimits
from wriftai_anyio.sandbox._limits import Limiter

JSON: Final = {"content-type": "application/json"}
Fault: TypeAlias = Callable[[httpx.Request], httpx.Response | None]
"""Answers a request in the API's place, or leaves it to the API; may raise."""


class RunningPredictions(httpx.AsyncBaseTransport):
    """Serves predictions by id: gets one, and lists those that run, newest first.

    Args:
        seconds: How long each prediction runs from now on, by id, oldest first.
        latency: Seconds until an answer.
        largest_page: What `page_size` may be at most; 25 is the default.
        lag: Seconds by which lists are late, in both directions.
        limit: Requests a second, counted in a bucket.
        fault: What goes wrong.
        filters: Whether lists hold those alone that run; else all that there ever were.
    """

    def __init__(
        self,
        seconds: dict[str, float],
        *,
        latency: float = 0.01,
        largest_page: int = 50,
        lag: float = 0.0,
        limit: int | None = None,
        fault: Fault | None = None,
        filters: bool = True,
    ) -> None:
        self.began = current_time()
        self.ends = {prediction_id: self.began + lasts for prediction_id, lasts in seconds.items()}
        self.latency = latency
        self.largest_page = largest_page
        self.lag = lag
        self._limiter = Limiter(RateLimits(others=limit), current_time) if limit else None
        self.refused = 0
        self.fault = fault
        self.filters = filters
        self.lists: list[float] = []
        self.refused_lists = 0
        self.fetches: dict[str, list[float]] = {prediction_id: [] for prediction_id in seconds}
        self.under_way = 0
        self._lock = threading.Lock()

    @property
    def fetched(self) -> int:
        """How many times a prediction was fetched."""
        return sum(map(len, self.fetches.values()))

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return current_time() - self.began

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.under_way += 1
        try:
            return await self._answer(request)
        finally:
            self.under_way -= 1

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v1/predictions").lstrip("/")
        with self._lock:
            if path:
                self.fetches.setdefault(path, []).append(self.now)
            else:
                self.lists.append(self.now)
        if self.latency:
            await anyio.sleep(self.latency)
        limits, granted = self._count()
        if not granted:
            self.refused += 1
            return httpx.Response(429, headers=limits)
        answer = self.fault(request) if self.fault else None
        if answer is None:
            answer = self._get(path) if path else self._list(request.url.params)
        answer.headers.update(limits)
        return answer

    def _count(self) -> tuple[dict[str, str], bool]:
        if self._limiter is None:
            return {}, True
        allowance = self._limiter.take(create=False)
        return {
            "x-ratelimit-limit": str(allowance.limit),
            "x-ratelimit-remaining": str(allowance.remaining),
        }, allowance.granted

    def _get(self, prediction_id: str) -> httpx.Response:
        end = self.ends.get(prediction_id)
        if end is None:
            return httpx.Response(404, json={"detail": "there is no such prediction"})
        status = "started" if current_time() < end else "succeeded"
        return httpx.Response(200, headers=JSON, content=_state_of(prediction_id, status))

    def _list(self, query: httpx.QueryParams) -> httpx.Response:
        size = int(query.get("page_size", 25))
        if size > self.largest_page:
            self.refused_lists += 1
            return httpx.Response(422, json={"detail": "page_size is too large"})
        assert query.get_list("statuses") == ["pending", "starting", "started"]
        seen_at = current_time() - self.lag
        newest_first = list(reversed(self.ends))
        rest = newest_first[newest_first.index(query["cursor"]) + 1 :] if "cursor" in query else newest_first
        runs = {each: self.began <= seen_at < self.ends[each] for each in rest}
        found = [each for each in rest if runs[each] or not self.filters]
        items = ",".join(_listed(each, "started" if runs[each] else "succeeded") for each in found[:size])
        following = json.dumps(found[size - 1] if len(found) > size else None)
        content = f'{{"items": [{items}], "next_cursor": {following}, "previous_cursor": null}}'
        return httpx.Response(200, headers=JSON, content=content)


@functools.lru_cache(10_000)
def _state_of(prediction_id: str, status: str) -> bytes:
    return json.dumps(prediction(status, id=prediction_id)).encode()


@functools.lru_cache(10_000)
def _listed(prediction_id: str, status: str) -> str:
    details = ("input", "output", "error")
    listed = {name: value for name, value in prediction(status, id=prediction_id).items() if name not in details}
    return json.dumps(listed)


def named(count: int, seconds: Callable[[int], float] | float) -> dict[str, float]:
    """Makes so many ids, and how long each prediction runs."""
    return {f"p{number}": seconds(number) if callable(seconds) else seconds for number in range(count)}


def gaps(times: Iterable[float]) -> list[float]:
    """Returns the seconds between one and the next."""
    return [later - earlier for earlier, later in itertools.pairwise(times)]
