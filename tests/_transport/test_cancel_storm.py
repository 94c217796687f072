"""Thousands of cancels at every moment of a request lose nothing: no place, no socket, no task."""

import os
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from anyio.abc import SocketStream

from tests.support.clients import ID, TOKEN, prediction
from tests.support.patience import PATIENCE
from tests.support.raw_server import http, raw_server
from wriftai_anyio import Client
from wriftai_anyio._transport.connections import loop_ends

pytestmark = pytest.mark.anyio

CANCELS = int(os.environ.get("WRIFTAI_TEST_CANCELS", "1000"))
"""How many on each event loop, in each of two ways; 20,000 take minutes."""
AT_ONCE = 150
BODY = http(httpx.Response(200, json=prediction()).content, "Content-Type: application/json")

CHANCE = random.Random()

Cancel = Callable[[anyio.CancelScope], Coroutine[Any, Any, None]]


async def respond(connection: SocketStream, _: bytes) -> None:
    """Answers now and then late, and in two parts, so that a cancel can come at each moment."""
    if CHANCE.random() < 0.2:
        await anyio.sleep(CHANCE.uniform(0, 0.003))
    half = len(BODY) // 2 if CHANCE.random() < 0.3 else len(BODY)
    await connection.send(BODY[:half])
    if BODY[half:]:
        await anyio.lowlevel.checkpoint()
        await connection.send(BODY[half:])


async def after_some_checkpoints(scope: anyio.CancelScope) -> None:
    for _ in range(CHANCE.randrange(40)):
        await anyio.lowlevel.checkpoint()
    scope.cancel()


async def after_some_time(scope: anyio.CancelScope) -> None:
    await anyio.sleep(CHANCE.uniform(0, 0.05))
    scope.cancel()


async def cancelled_call(client: Client, cancel: Cancel) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cancel, tasks.cancel_scope)
        await client.predictions.async_get(ID)
        tasks.cancel_scope.cancel()


async def storm(client: Client, cancel: Cancel) -> None:
    left = iter(range(CANCELS))

    async def work() -> None:
        for _ in left:
            await cancelled_call(client, cancel)

    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(work)


def open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


async def until_closed(descriptors: int) -> None:
    while open_descriptors() > descriptors:
        await anyio.sleep(0.005)


@pytest.mark.parametrize("cancel", [after_some_checkpoints, after_some_time], ids=lambda cancel: cancel.__name__)
async def test_calls_all_succeed_after_a_storm_of_cancels(cancel: Cancel) -> None:
    CHANCE.seed(20260501)
    async with raw_server(respond) as url:
        before = open_descriptors()
        async with Client(TOKEN, url) as client:
            await client.predictions.async_get(ID)
            connections = loop_ends.get().connections(client._api.http)
            assert connections is not None
            places = connections._limiter.value
            with anyio.fail_after(PATIENCE + CANCELS / 50):
                await storm(client, cancel)
            assert connections._limiter.value == places
            assert not any(pool.active for pool in connections._pools)
            with anyio.fail_after(PATIENCE):
                for _ in range(100):
                    assert (await client.predictions.async_get(ID))["id"] == ID
        with anyio.fail_after(PATIENCE):
            await until_closed(before)
