"""Leaving early: at once, with nothing left behind, and the prediction cancelled where that was asked for."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio

from tests.support.clients import TOKEN
from tests.support.patience import AT_ONCE, PATIENCE, until_async
from wriftai_anyio import Client, WaitTimeoutError
from wriftai_anyio._concurrency.forks import PerProcess
from wriftai_anyio._rate_limits import accounts
from wriftai_anyio._transport.connections import loop_ends
from wriftai_anyio.predictions import AsyncWaitOptions, CreatePredictionParams, Predictions
from wriftai_anyio.sandbox import Sandbox

pytestmark = pytest.mark.anyio

SLEEP: CreatePredictionParams = {"input": {"seconds": 60}}

Call = Callable[[Predictions], Coroutine[Any, Any, object]]
Leave = Callable[[Callable[[], Coroutine[Any, Any, object]], Callable[[], Awaitable[None]]], Awaitable[None]]
"""Begins a call, and leaves it early once the other function has returned."""


@pytest.fixture(autouse=True)
def new_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives each test rate limits of its own, though all use one account."""
    monkeypatch.setattr(accounts, "_registry", PerProcess(accounts._Registry))


async def first_item(predictions: Predictions) -> object:
    return await anext(predictions.async_iterate())


async def ignore(_: object) -> None:
    """Does nothing with a poll."""


CALLS: dict[str, Call] = {
    "get": lambda predictions: predictions.async_get("x"),
    "list": lambda predictions: predictions.async_list(),
    "iterate": first_item,
    "cancel": lambda predictions: predictions.async_cancel("x"),
    "create": lambda predictions: predictions.async_create(SLEEP, "sandbox/sleep"),
    "create and wait": lambda predictions: predictions.async_create(SLEEP, "sandbox/sleep", wait=True),
    "wait": lambda predictions: predictions.async_wait("x"),
    "wait with a callback": lambda predictions: predictions.async_wait("x", AsyncWaitOptions(0.01, ignore)),
}


def tasks_alive() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return trio.lowlevel.current_statistics().tasks_living


def open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def requests_under_way(client: Client) -> int:
    connections = loop_ends.get().connections(client._api.http)
    return sum(pool.active for pool in connections._pools) if connections else 0


async def leave_by_scope(call: Callable[[], Coroutine[Any, Any, object]], when: Callable[[], Awaitable[None]]) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await when()
        tasks.cancel_scope.cancel()


async def leave_by_task_cancel(
    call: Callable[[], Coroutine[Any, Any, object]], when: Callable[[], Awaitable[None]]
) -> None:
    task = asyncio.ensure_future(call())
    await when()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def leave_by_wait_for(
    call: Callable[[], Coroutine[Any, Any, object]], when: Callable[[], Awaitable[None]]
) -> None:
    watch = asyncio.ensure_future(when())
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(call(), 0.2)
    await watch


async def leave_by_failing_sibling(
    call: Callable[[], Coroutine[Any, Any, object]], when: Callable[[], Awaitable[None]]
) -> None:
    async def fail() -> None:
        await when()
        raise LookupError

    async def both() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            tasks.start_soon(fail)

    with pytest.raises(Exception, match=r"TaskGroup|nursery") as caught:  # a group, which Python 3.10 does not know
        await both()
    assert [type(error) for error in getattr(caught.value, "exceptions", ())] == [LookupError]


EVERYWHERE = [leave_by_scope, leave_by_failing_sibling]
every_way = pytest.mark.parametrize(
    ("anyio_backend", "leave"),
    [
        pytest.param(backend, leave, id=f"{backend}-{leave.__name__}")
        for backend, ways in (
            ("asyncio", [*EVERYWHERE, leave_by_task_cancel, leave_by_wait_for]),
            ("trio", EVERYWHERE),
        )
        for leave in ways
    ],
)


@every_way
@pytest.mark.parametrize("name", CALLS)
async def test_a_cancelled_call_returns_at_once_and_leaves_nothing(sandbox: Sandbox, name: str, leave: Leave) -> None:
    async with Client(TOKEN, sandbox.base_url) as client:
        for _ in range(2):
            await client.predictions.async_list()
            descriptors, tasks, before = open_descriptors(), tasks_alive(), len(sandbox.requests)
            await leave_a_stalled_call(sandbox, client, name, leave, before)
            assert tasks_alive() <= tasks
            await until_async(partial(few_descriptors, descriptors))
            with anyio.fail_after(PATIENCE):
                await client.predictions.async_list()


def few_descriptors(most: int) -> bool:
    return open_descriptors() <= most


async def leave_a_stalled_call(sandbox: Sandbox, client: Client, name: str, leave: Leave, before: int) -> None:
    sandbox.fail_next("stall")
    left_at: list[float] = []

    async def when() -> None:
        await until_async(lambda: len(sandbox.requests) > before)
        left_at.append(anyio.current_time())

    await leave(lambda: CALLS[name](client.predictions), when)
    assert anyio.current_time() - left_at[0] < AT_ONCE
    assert requests_under_way(client) == 0


@pytest.mark.parametrize("moment", ["backing off", "between polls", "queueing for the rate limit"])
async def test_a_call_that_only_waits_is_left_at_once(sandbox: Sandbox, moment: str) -> None:
    async with Client(TOKEN, sandbox.base_url) as client:
        if moment == "backing off":
            sandbox.fail_next(503, headers={"Retry-After": "30"})
        if moment == "queueing for the rate limit":
            sandbox.fail_next(429, headers={"Retry-After": "30"})
        prediction_id = "x"
        if moment == "between polls":
            prediction_id = (await client.predictions.async_create(SLEEP, "sandbox/sleep"))["id"]
        tasks, before = tasks_alive(), len(sandbox.requests)
        async with anyio.create_task_group() as group:
            group.start_soon(client.predictions.async_wait, prediction_id, AsyncWaitOptions(30, ignore))
            await until_async(lambda: len(sandbox.requests) > before and not requests_under_way(client))
            await anyio.sleep(0.02)
            left_at = anyio.current_time()
            group.cancel_scope.cancel()
        assert anyio.current_time() - left_at < AT_ONCE
        assert tasks_alive() <= tasks


class TestCancelOnExit:
    OPTIONS = AsyncWaitOptions(0.01, cancel_on_exit=True)

    async def cancelled(self, sandbox: Sandbox) -> None:
        await until_async(lambda: [each["status"] for each in sandbox.predictions] == ["cancelled"])

    @every_way
    async def test_leaving_a_wait_cancels_on_the_server(self, sandbox: Sandbox, leave: Leave) -> None:
        async with Client(TOKEN, sandbox.base_url) as client:
            created = await client.predictions.async_create(SLEEP, "sandbox/sleep")
            await leave(
                lambda: client.predictions.async_wait(created["id"], self.OPTIONS),
                lambda: until_async(lambda: len(sandbox.requests) > 1),
            )
            await self.cancelled(sandbox)

    @every_way
    async def test_leaving_while_it_runs_cancels_on_the_server(self, sandbox: Sandbox, leave: Leave) -> None:
        async with Client(TOKEN, sandbox.base_url) as client:
            await leave(
                lambda: client.predictions.async_create(SLEEP, "sandbox/sleep", wait=True, wait_options=self.OPTIONS),
                lambda: until_async(lambda: len(sandbox.requests) > 1),
            )
            await self.cancelled(sandbox)

    @every_way
    async def test_leaving_while_the_create_is_under_way_cancels_on_the_server(
        self, sandbox: Sandbox, leave: Leave
    ) -> None:
        sandbox.fail_next("delay", delay=0.3, method="POST")
        async with Client(TOKEN, sandbox.base_url) as client:
            await leave(
                lambda: client.predictions.async_create(SLEEP, "sandbox/sleep", wait=True, wait_options=self.OPTIONS),
                lambda: until_async(lambda: len(sandbox.requests) == 1),
            )
            await self.cancelled(sandbox)
            assert [each.method for each in sandbox.requests] == ["POST", "POST"]

    async def test_its_own_timeout_cancels_on_the_server(self, sandbox: Sandbox) -> None:
        options = AsyncWaitOptions(0.01, timeout=0.1, cancel_on_exit=True)
        async with Client(TOKEN, sandbox.base_url) as client:
            with pytest.raises(WaitTimeoutError):
                await client.predictions.async_create(SLEEP, "sandbox/sleep", wait=True, wait_options=options)
            await self.cancelled(sandbox)

    async def test_an_error_in_the_callback_cancels_on_the_server(self, sandbox: Sandbox) -> None:
        async def fail(_: object) -> None:
            raise LookupError

        options = AsyncWaitOptions(0.01, fail, cancel_on_exit=True)
        async with Client(TOKEN, sandbox.base_url) as client:
            with pytest.raises(LookupError):
                await client.predictions.async_create(SLEEP, "sandbox/sleep", wait=True, wait_options=options)
            await self.cancelled(sandbox)

    async def test_a_server_that_does_not_answer_the_cancel_is_not_waited_for_long(
        self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr("wriftai_anyio._concurrency.cancellation.LONGEST_FINISH", 0.1)
        async with Client(TOKEN, sandbox.base_url) as client:
            created = await client.predictions.async_create(SLEEP, "sandbox/sleep")
            sandbox.fail_next("stall", path="/predictions/*/cancel")
            await leave_by_scope(
                lambda: client.predictions.async_wait(created["id"], self.OPTIONS),
                lambda: until_async(lambda: len(sandbox.requests) > 1),
            )
            assert f"could not cancel prediction {created['id']}, which may still be running" in caplog.text
            assert requests_under_way(client) == 0

    async def test_without_it_the_prediction_runs_on(self, sandbox: Sandbox) -> None:
        async with Client(TOKEN, sandbox.base_url) as client:
            created = await client.predictions.async_create(SLEEP, "sandbox/sleep")
            with anyio.move_on_after(0.1):
                await client.predictions.async_wait(created["id"], AsyncWaitOptions(0.01))
            assert (await client.predictions.async_get(created["id"]))["status"] == "started"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout came with Python 3.11")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_asyncio_timeout_is_a_deadline_as_any(sandbox: Sandbox) -> None:
    async with Client(TOKEN, sandbox.base_url) as client:
        await client.predictions.async_list()
        sandbox.fail_next("stall")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.predictions.async_list()
        assert requests_under_way(client) == 0
        await client.predictions.async_list()
