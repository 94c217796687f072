"""What one call costs, against the published client and plain httpx."""

import itertools
import json
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import httpx
import wriftai
from anyio.from_thread import BlockingPortal, start_blocking_portal

from wriftai_anyio import Client

from ._drawings import draw_calls
from ._measure import Figure, async_cost_of, cost_in_threads, print_table, ratio
from ._server import BODY, prediction_server

CALLS = 10
ROUNDS = 200
THREADS = 16


def main() -> None:
    numbers = itertools.count()
    with prediction_server() as base_url, prediction_server("https") as https_url:
        figures = [
            _asyncio_get("async_get on asyncio, of the published client", base_url, target=0.84),
            _asyncio_get("the same over TLS", https_url, target=0.85),
            _trio_get(base_url),
            _blocking_get(base_url, "asyncio", target=1.75),
            _blocking_get(base_url, "trio", target=1.65),
            _blocking_get(base_url, "uvloop", target=1.50),
            _blocking_get(base_url, "asyncio", threads=THREADS, target=1.7),
            _processor_time("own processor time, of the published client", lambda: "pred1"),
            _processor_time("the same, another prediction each time", lambda: f"pred{next(numbers)}"),
        ]
    print_table("One call, as a ratio of medians", figures)
    draw_calls(figures)


def _asyncio_get(name: str, base_url: str, *, target: float) -> Figure:
    ours, published = Client("t", base_url), wriftai.Client("t", base_url)
    transport, request = httpx.AsyncHTTPTransport(), httpx.Request("GET", f"{base_url}/predictions/pred1")

    async def bare_transport() -> object:
        response = await transport.handle_async_request(request)
        return json.loads(await response.aread())

    with start_blocking_portal("asyncio") as portal:
        return _awaited(
            name,
            portal,
            lambda: ours.predictions.async_get("pred1"),
            lambda: published.predictions.async_get("pred1"),
            target=target,
            floor=bare_transport,
        )


def _trio_get(base_url: str) -> Figure:
    ours, plain = Client("t", base_url), httpx.AsyncClient(headers={"authorization": "Bearer t"})

    async def plain_get() -> object:
        response = await plain.get(f"{base_url}/predictions/pred1")
        return response.json()

    with start_blocking_portal("trio") as portal:
        return _awaited(
            "async_get on trio, of plain httpx.AsyncClient",
            portal,
            lambda: ours.predictions.async_get("pred1"),
            plain_get,
            target=0.84,
        )


def _blocking_get(
    base_url: str, backend: Literal["asyncio", "trio", "uvloop"], *, threads: int = 1, target: float
) -> Figure:
    many = f" in {threads} threads" if threads > 1 else ""
    published = wriftai.Client("t", base_url)
    with Client("t", base_url, backend=backend) as ours, ThreadPoolExecutor(threads) as pool:
        return ratio(
            f"blocking get on {backend}{many}, of the published client",
            cost_in_threads(pool, threads, lambda: ours.predictions.get("pred1"), CALLS),
            cost_in_threads(pool, threads, lambda: published.predictions.get("pred1"), CALLS),
            target=target,
            rounds=ROUNDS // threads,
            calls=CALLS * threads,
        )


def _processor_time(name: str, ids: Callable[[], str]) -> Figure:
    headers = httpx.Headers({"content-type": "application/json"})

    def answer(request: httpx.Request) -> httpx.Response:
        prediction_id = request.url.path.rpartition("/")[2].encode()
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(BODY.replace(b"pred1", prediction_id)))

    transport = httpx.MockTransport(answer)
    ours = Client("t", transport=transport)
    published = wriftai.Client("t", async_http_client=httpx.AsyncClient(transport=transport))
    with start_blocking_portal("asyncio") as portal:
        return _awaited(
            name,
            portal,
            lambda: ours.predictions.async_get(ids()),
            lambda: published.predictions.async_get(ids()),
            target=0.60,
            clock=time.process_time,
        )


def _awaited(
    name: str,
    portal: BlockingPortal,
    ours: Callable[[], Awaitable[object]],
    theirs: Callable[[], Awaitable[object]],
    *,
    target: float,
    clock: Callable[[], float] = time.perf_counter,
    floor: Callable[[], Awaitable[object]] | None = None,
) -> Figure:
    return ratio(
        name,
        lambda: portal.call(async_cost_of, ours, CALLS, clock),
        lambda: portal.call(async_cost_of, theirs, CALLS, clock),
        floor=None if floor is None else lambda: portal.call(async_cost_of, floor, CALLS, clock),
        target=target,
        rounds=ROUNDS,
        calls=CALLS,
    )
