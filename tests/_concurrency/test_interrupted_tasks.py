"""Ctrl-C in a program of trio, which raises it inside the task that waits: it comes out by itself, and soon."""

import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeAlias

import httpx
import pytest
import trio
from trio.testing import MockClock

from tests.support.clients import ID, Script, answer, client_of, never, prediction
from tests.support.patience import PATIENCE
from wriftai_anyio import Client
from wriftai_anyio._concurrency.cancellation import LONGEST_FINISH
from wriftai_anyio._concurrency.gather import side_by_side
from wriftai_anyio.predictions import AsyncWaitOptions, CreatePredictionParams

Call: TypeAlias = Callable[[Client], Awaitable[object]]

HELLO: CreatePredictionParams = {"input": "hello"}
CANCELLED = AsyncWaitOptions(cancel_on_exit=True)
SECONDS_BEFORE = 10.0


@pytest.fixture(autouse=True)
def pythons_own_handler() -> Iterator[None]:
    """Has Ctrl-C raise `KeyboardInterrupt`, however the tests were started: trio looks for that handler."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run_interrupted(call: Call, script: Script) -> float:
    """Sends Ctrl-C ten seconds after a call has begun; returns the seconds from then to its end."""

    async def interrupt() -> None:
        await trio.sleep(SECONDS_BEFORE)
        signal.raise_signal(signal.SIGINT)

    async def main() -> None:
        trio.lowlevel.spawn_system_task(interrupt)
        async with client_of(script, backend="trio") as client:
            await call(client)

    clock = MockClock(autojump_threshold=0)
    with pytest.raises(KeyboardInterrupt):
        trio.run(main, clock=clock)
    return clock.current_time() - SECONDS_BEFORE


async def wait(client: Client) -> None:
    await client.predictions.async_wait(ID, AsyncWaitOptions(60))


async def several(client: Client) -> None:
    await side_by_side(client.predictions.async_get, [ID, ID], 2)


async def get(client: Client) -> None:
    await client.predictions.async_get(ID)


async def in_a_nursery(_: httpx.Request) -> httpx.Response:
    """Stalls while it connects."""
    async with trio.open_nursery():
        await trio.sleep_forever()
    raise AssertionError


@pytest.mark.parametrize(
    ("call", "script"),
    [
        pytest.param(wait, Script(answer("started"), forever=never), id="wait"),
        pytest.param(several, Script(forever=never), id="several"),
        pytest.param(get, Script(in_a_nursery), id="connecting"),
    ],
)
def test_it_comes_by_itself_and_not_in_a_group(call: Call, script: Script) -> None:
    assert run_interrupted(call, script) == 0


def test_a_cancellation_while_it_connects_comes_by_itself_too() -> None:
    client, ended = client_of(script := Script(in_a_nursery), backend="trio"), threading.Event()
    errors: list[BaseException] = []

    def call() -> None:
        try:
            client.predictions.get(ID)
        except BaseException as error:
            errors.append(error)
        ended.set()

    threading.Thread(target=call, daemon=True).start()
    assert script.arrived.wait(PATIENCE)
    client.close()
    assert ended.wait(PATIENCE)
    assert [str(error) for error in errors] == ["The client was closed during this call."]


async def create(client: Client) -> None:
    await client.predictions.async_create(HELLO, "o/n", wait=True, wait_options=CANCELLED)


def test_a_create_under_way_is_let_finish_but_not_for_longer_than_if_it_were_cancelled() -> None:
    assert run_interrupted(create, Script(never)) == pytest.approx(LONGEST_FINISH)


def page_then_ctrl_c(request: httpx.Request) -> httpx.Response:
    if request.method == "GET" and "cursor" not in request.url.params:
        return httpx.Response(200, json={"items": [prediction()], "next_cursor": "2"})
    signal.raise_signal(signal.SIGINT)
    raise AssertionError


async def iterate(client: Client) -> None:
    async with client.predictions.async_iterate() as items:
        async for _ in items:
            pass


async def batch(client: Client) -> None:
    async with client.predictions.async_batch([HELLO], "o/n") as results:
        async for _ in results:
            pass


@pytest.mark.parametrize("call", [iterate, batch])
def test_it_comes_by_itself_out_of_a_task_of_the_block(call: Call) -> None:
    async def main() -> None:
        async with client_of(Script(forever=page_then_ctrl_c), backend="trio") as client:
            await call(client)

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)
