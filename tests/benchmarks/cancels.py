"""Requests cancelled at every point of their way, and then plain ones, which must all succeed."""

import random
import time
from pathlib import Path

import anyio
from anyio.lowlevel import checkpoint

from wriftai_anyio import Client

from ._measure import Figure, print_table
from ._server import prediction_server

CANCELS = 20_000
AT_ONCE = 150
MOST_STEPS = 30
"""Steps of the event loop after which a request is cancelled, at most: a few are answered before."""
PLAIN_CALLS = 100
LONGEST_PLAIN_CALLS = 30.0


def main() -> None:
    with prediction_server() as base_url:
        for backend in ("asyncio", "trio"):
            figures = anyio.run(_cancel_and_call, base_url, backend=backend)
            print_table(f"{CANCELS:,} cancels on {backend}, {AT_ONCE} requests at a time", figures)


async def _cancel_and_call(base_url: str) -> list[Figure]:
    descriptors = _open_descriptors()
    async with Client("t", base_url, max_retries=0) as client:
        await client.predictions.async_get("pred1")
        delays: list[float] = []
        async with anyio.create_task_group() as tasks:
            for number in range(AT_ONCE):
                tasks.start_soon(_cancel_one_after_another, client, random.Random(number), delays)
        failed = await _failed_calls(client)
    return [
        Figure(f"of {PLAIN_CALLS} plain calls afterwards, failed", failed, 0),
        Figure("slowest return of a cancelled call", max(delays), 0.3, " s"),
        Figure("descriptors left open after the client", _open_descriptors() - descriptors, 0),
    ]


async def _cancel_one_after_another(client: Client, chance: random.Random, delays: list[float]) -> None:
    while len(delays) < CANCELS:
        delay = await _cancelled_call(client, chance.randrange(MOST_STEPS))
        if delay is not None:
            delays.append(delay)


async def _cancelled_call(client: Client, steps: int) -> float | None:
    """Returns how many seconds a call took to return when cancelled; `None` if it was answered before."""
    cancelled_at = 0.0

    async def cancel() -> None:
        nonlocal cancelled_at
        for _ in range(steps):
            await checkpoint()
        cancelled_at = time.perf_counter()
        tasks.cancel_scope.cancel()

    answered = False
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cancel)
        await client.predictions.async_get("pred1")
        answered = True
        tasks.cancel_scope.cancel()
    return None if answered else time.perf_counter() - cancelled_at


async def _failed_calls(client: Client) -> int:
    succeeded = 0
    with anyio.move_on_after(LONGEST_PLAIN_CALLS):
        for _ in range(PLAIN_CALLS):
            await client.predictions.async_get("pred1")
            succeeded += 1
    return PLAIN_CALLS - succeeded


def _open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))
