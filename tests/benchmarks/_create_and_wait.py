"""Creates predictions that sleep, all at once, and waits for each; as a process it begins when told to."""

import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

import anyio

from wriftai_anyio import Client, WriftAIError


@dataclass
class Outcome:
    """What came of so many create-and-waits."""

    succeeded: int = 0
    errors: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0


async def create_and_wait(base_url: str, access_token: str, count: int, seconds: float) -> Outcome:
    """Runs so many predictions of so many seconds."""
    outcome = Outcome()
    async with Client(access_token, base_url) as client:

        async def one() -> None:
            try:
                await client.predictions.async_create({"input": {"seconds": seconds}}, "sandbox/sleep", wait=True)
                outcome.succeeded += 1
            except WriftAIError as error:
                outcome.errors[str(error)] += 1

        began = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(one)
        outcome.seconds = time.perf_counter() - began
    return outcome


async def _make_a_call(base_url: str, access_token: str) -> None:
    async with Client(access_token, base_url) as client:
        await client.authenticated_user.async_get()


async def _begin_when_told(base_url: str, access_token: str, count: int, seconds: float, *elsewhere: str) -> Outcome:
    if elsewhere:
        await _make_a_call(*elsewhere)
        _wait_until_told()
    return await create_and_wait(base_url, access_token, count, seconds)


def _wait_until_told() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def _run(base_url: str, access_token: str, count: str, seconds: str, backend: str, *elsewhere: str) -> None:
    if not elsewhere:
        _wait_until_told()
    begin = partial(_begin_when_told, base_url, access_token, int(count), float(seconds), *elsewhere)
    print(anyio.run(begin, backend=backend).succeeded, flush=True)


if __name__ == "__main__":
    _run(*sys.argv[1:])
