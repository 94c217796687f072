"""What ten thousand waits cost, how soon ends are seen, and what it costs when those who lead leave."""

import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import httpx
import wriftai
from anyio import CancelScope, create_task_group, current_time

from wriftai_anyio import Client

from ._drawings import draw_waits
from ._measure import Figure, peak_memory, print_table
from ._running_api import RunningApi

WAITS = 10_000
SHORTEST, LONGEST = 5.0, 12.0
"""Seconds that the predictions run, spread evenly."""
BACKENDS = ("asyncio", "trio")

INTERVAL = 1.0
ROUND_TRIP = 0.05
"""Seconds."""

LEFT, STAYING = 100, 200
"""Waits that are left while they lead the rounds, and others."""


def main() -> None:
    _print_costs()
    for backend in BACKENDS:
        for waits in (50, 500):
            anyio.run(_detection, waits, backend, backend=backend)
    for backend in BACKENDS:
        anyio.run(_hand_over, backend, backend=backend)


def _print_costs() -> None:
    published = _measured("published", "asyncio")
    costs = {"published client": published}
    for backend in BACKENDS:
        ours = costs[f"on {backend}"] = _measured("ours", backend)
        figures = [
            Figure(name, ours[name], target, unit, peer=published[name])
            for name, target, unit in (
                ("memory of each", 9, " KiB"),
                ("processor time of each", 0.6, " ms"),
                ("requests of each", 1.3, ""),
            )
        ]
        print_table(f"{WAITS:,} waits on {backend}, their ends spread from {SHORTEST:g} to {LONGEST:g} s", figures)
    draw_waits(WAITS, costs)


def _measured(client: str, backend: str) -> dict[str, float]:
    """Measures in a process of its own, whose memory shows nothing else."""
    command = [sys.executable, "-m", "tests.benchmarks.waits", client, backend]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(result.stdout)
    return figures


async def _cost(client: str) -> dict[str, float]:
    await _waits(client, 100, 0.01, 0.02)
    memory, processor_time = peak_memory(), time.process_time()
    requests = await _waits(client, WAITS, SHORTEST, LONGEST)
    return {
        "memory of each": (peak_memory() - memory) / WAITS,
        "processor time of each": 1e3 * (time.process_time() - processor_time) / WAITS,
        "requests of each": requests / WAITS,
    }


async def _waits(client: str, count: int, shortest: float, longest: float) -> int:
    api = RunningApi({f"p{number}": shortest + (longest - shortest) * number / count for number in range(count)})
    wait = _wait_of(client, api)
    async with create_task_group() as tasks:
        for prediction_id in api.ends:
            tasks.start_soon(wait, prediction_id)
    return api.lists + api.fetches


def _wait_of(client: str, api: RunningApi) -> Callable[[str], Coroutine[Any, Any, object]]:
    if client == "published":
        return wriftai.Client("t", async_http_client=httpx.AsyncClient(transport=api)).predictions.async_wait
    return Client("t", transport=api).predictions.async_wait


async def _detection(waits: int, backend: str) -> None:
    ends = [1 + 10 * number / waits for number in range(waits)]
    random.shuffle(ends)
    api = RunningApi({f"p{number}": seconds for number, seconds in enumerate(ends)}, ROUND_TRIP)
    client = Client("t", transport=api)
    delays: list[float] = []

    async def wait(prediction_id: str) -> None:
        await client.predictions.async_wait(prediction_id)
        delays.append(current_time() - api.ends[prediction_id])

    async with create_task_group() as tasks:
        for prediction_id in api.ends:
            tasks.start_soon(wait, prediction_id)
    figures = [
        Figure(
            "median from an end to the wait's return",
            statistics.median(delays),
            INTERVAL / 2 + 2 * ROUND_TRIP,
            " s",
            f"at most {max(delays):.2f} s",
        )
    ]
    print_table(f"{waits} waits on {backend}, ends spread over ten seconds, {ROUND_TRIP:g} s a round trip", figures)


class _Waits:
    """Waits that can be left one by one, of which one leads the rounds of all."""

    def __init__(self) -> None:
        self.api = RunningApi({f"p{number}": 5 + number / 100 for number in range(LEFT + STAYING)}, ROUND_TRIP)
        self.scopes = {prediction_id: CancelScope() for prediction_id in self.api.ends}
        self.ended: set[str] = set()
        self.left: set[str] = set()
        self.left_in_mid_request = 0
        self._predictions = Client("t", transport=self.api).predictions

    async def _wait(self, prediction_id: str) -> None:
        with self.scopes[prediction_id]:
            await self._predictions.async_wait(prediction_id)
            self.ended.add(prediction_id)

    async def run(self, *, leave: bool) -> None:
        async with create_task_group() as tasks:
            for prediction_id in self.scopes:
                tasks.start_soon(self._wait, prediction_id)
            if leave:
                tasks.start_soon(self._leave)

    async def _leave(self) -> None:
        while len(self.left) < LEFT:
            await anyio.sleep(random.uniform(0, 0.08))
            (rounds,) = self._predictions._poller._loops.get().values()
            leader = rounds._leader
            if leader is not None and leader.prediction_id not in self.left | self.ended:
                self.left_in_mid_request += self.api.under_way > 0
                self.left.add(leader.prediction_id)
                self.scopes[leader.prediction_id].cancel()


async def _hand_over(backend: str) -> None:
    undisturbed = _Waits()
    await undisturbed.run(leave=False)
    waits = _Waits()
    await waits.run(leave=True)
    figures = [
        Figure("waits that did not end", STAYING - len(waits.ended), 0),
        Figure("fetches of each, at most", waits.api.fetches / STAYING, 1),
        Figure("lists", waits.api.lists, undisturbed.api.lists, detail="the target is what they are without"),
    ]
    title = (
        f"{LEFT} of {LEFT + STAYING} waits on {backend} left while they led, {waits.left_in_mid_request} in mid-request"
    )
    print_table(title, figures)


if __name__ == "__main__":
    print(json.dumps(anyio.run(_cost, sys.argv[1], backend=sys.argv[2])))
