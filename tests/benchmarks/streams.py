"""What it costs to read 4,000 events, against the published client."""

from collections.abc import AsyncIterable
from functools import partial

import wriftai
from anyio.from_thread import BlockingPortal, start_blocking_portal

from wriftai_anyio import Client

from ._measure import Figure, cost_of, print_table, ratio
from ._stream_server import EVENTS, stream_server

ROUNDS = 25
IN_BURSTS = 50
"""Events in a chunk where a server sends all that there are, as the sandbox does."""
ASYNC_TARGET = 0.9
BLOCKING_TARGET = 1.3


def main() -> None:
    with stream_server() as url, start_blocking_portal("asyncio") as portal:
        bursts, one_by_one = f"{url}/{IN_BURSTS}", f"{url}/1"
        figures = [
            _asyncio(f"async_stream on asyncio, {IN_BURSTS} events a chunk", portal, bursts, ASYNC_TARGET),
            _blocking(f"blocking stream, {IN_BURSTS} events a chunk", bursts, BLOCKING_TARGET),
            _asyncio("async_stream on asyncio, one event a chunk", portal, one_by_one, ASYNC_TARGET),
            _blocking("blocking stream, one event a chunk", one_by_one, BLOCKING_TARGET),
        ]
    print_table(f"{EVENTS:,} events, of the published client, as a ratio of medians", figures)


def _asyncio(name: str, portal: BlockingPortal, base_url: str, target: float) -> Figure:
    ours, published = Client("t", base_url), wriftai.Client("t", base_url)
    read_ours = partial(portal.call, lambda: _read(ours.predictions.async_stream("pred1")))
    read_published = partial(portal.call, lambda: _read(published.predictions.async_stream("pred1")))
    return ratio(name, cost_of(read_ours, 1), cost_of(read_published, 1), target=target, rounds=ROUNDS)


def _blocking(name: str, base_url: str, target: float) -> Figure:
    published = wriftai.Client("t", base_url)
    with Client("t", base_url) as ours:
        return ratio(
            name,
            cost_of(lambda: _check(sum(1 for _ in ours.predictions.stream("pred1"))), 1),
            cost_of(lambda: _check(sum(1 for _ in published.predictions.stream("pred1"))), 1),
            target=target,
            rounds=ROUNDS,
        )


async def _read(stream: AsyncIterable[object]) -> None:
    count = 0
    async for _ in stream:
        count += 1
    _check(count)


def _check(count: int) -> None:
    if count != EVENTS:
        raise AssertionError(f"{count} events came, not {EVENTS}")
