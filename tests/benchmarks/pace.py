"""When creates go out that all start at once, by this client and by the published one: figures, and a drawing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from typing import Final

import wriftai

from wriftai_anyio import Client
from wriftai_anyio.sandbox import RateLimits, Sandbox

from ._drawings import Creates, draw_creates
from ._measure import Figure, print_table

CALLS: Final = 150
LIMIT: Final = 15
"""Creates a second."""


def main() -> None:
    """Measures both, prints figures, and draws them."""
    measured = [
        _measured("wriftai_anyio", _ours),
        _measured(f"wriftai {version('wriftai')}", _published),
    ]
    ours, published = measured
    floor = (CALLS - LIMIT) / LIMIT
    print_table(
        f"{CALLS} creates started at once, at {LIMIT} a second; the peer is the published client",
        [
            Figure("calls failed", ours.failed_calls, 0, peer=published.failed_calls),
            Figure("answers 429", len(ours.refused), 0, peer=len(published.refused)),
            Figure("the last was let through after", ours.let_through[-1], 1.2 * floor, " s", floor=floor),
        ],
    )
    draw_creates(measured, CALLS, LIMIT)


def _measured(name: str, create_all: Callable[[Sandbox], Awaitable[int]]) -> Creates:
    async def run() -> int:
        return await create_all(sandbox)

    with Sandbox(rate_limits=RateLimits(LIMIT, LIMIT)) as sandbox:
        failed = asyncio.run(run())
        requests = [request for request in sandbox.requests if request.method == "POST"]
    began = requests[0].arrived_at
    let_through = [request.arrived_at - began for request in requests if request.status != 429]
    refused = [request.arrived_at - began for request in requests if request.status == 429]
    return Creates(name, let_through, refused, failed)


async def _ours(sandbox: Sandbox) -> int:
    async with Client(sandbox.access_token, sandbox.base_url) as client:
        calls = [
            client.predictions.async_create({"input": {"number": number}}, "sandbox/echo") for number in range(CALLS)
        ]
        return _failures(await asyncio.gather(*calls, return_exceptions=True))


async def _published(sandbox: Sandbox) -> int:
    client = wriftai.Client(sandbox.access_token, sandbox.base_url)
    calls = [client.predictions.async_create(model="sandbox/echo", input={"number": number}) for number in range(CALLS)]
    return _failures(await asyncio.gather(*calls, return_exceptions=True))


def _failures(results: Sequence[object]) -> int:
    return sum(isinstance(result, BaseException) for result in results)


if __name__ == "__main__":
    main()
