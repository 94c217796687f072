"""What one call costs, against the published client and plain httpx."""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import httpx
import wriftai
from anyio.from_thread import BlockingPortal, start_blocking_portal

from wriftai_anyio import Client

from ._drawings import draw_calls
from ._measure import Figure, async_cost_of, cost_of, print_table, ratio
from ._server import BODY, prediction_server

CALLS = 10
ROUNDS = 200
START_UPS = 15


def main() -> None:
    numbers = itertools.count()
    with prediction_server() as base_url:
        figures = [
            _asyncio_get(base_url),
            _trio_get(base_url),
            _blocking_get(base_url),
            _processor_time("own processor time, of the published client", lambda: "pred1"),
            _processor_time("the same, another prediction each time", lambda: f"pred{next(numbers)}"),
            _start_up(),
        ]
    print_table("One call, as a ratio of medians", figures)
    draw_calls(figures)


def _asyncio_get(base_url: str) -> Figure:
    ours, published = Client("t", base_url), wriftai.Client("t", base_url)
    transport, request = httpx.AsyncHTTPTransport(), httpx.Request("GET", f"{base_url}/predictions/pred1")

    async def bare_transport() -> object:
        response = await transport.handle_async_request(request)
        return json.loads(await response.aread())

    with start_blocking_portal("asyncio") as portal:
        return _awaited(
            "async_get on asyncio, of the published client",
            portal,
            lambda: ours.predictions.async_get("pred1"),
            lambda: published.predictions.async_get("pred1"),
            target=0.84,
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


def _blocking_get(base_url: str) -> Figure:
    published = wriftai.Client("t", base_url)
    with Client("t", base_url) as ours:
        return ratio(
            "blocking get, of the published client",
            cost_of(lambda: ours.predictions.get("pred1"), CALLS),
            cost_of(lambda: published.predictions.get("pred1"), CALLS),
            target=1.75,
            rounds=ROUNDS,
            calls=CALLS,
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


def _start_up() -> Figure:
    return ratio(
        "import and Client('t') in a fresh process, of the published client",
        cost_of(lambda: _run("from wriftai_anyio import Client; Client('t')"), 1),
        cost_of(lambda: _run("from wriftai import Client; Client('t')"), 1),
        target=0.58,
        rounds=START_UPS,
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


def _run(program: str) -> None:
    # An installed package has its bytecode; that of this checkout is written in the round that does not count.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
