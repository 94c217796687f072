"""The guard of the pools: how requests are spread, when pools retire, what closes them, and too few descriptors."""

import gc
import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from tests.support.clients import ID, TOKEN, Script, answer, client_of, in_virtual_time
from tests.support.patience import PATIENCE
from tests.support.subprocesses import run_python, settings_for
from wriftai_anyio import APIConnectionError, Client
from wriftai_anyio._transport.network import Network
from wriftai_anyio._transport.pools import CANCELS_PER_POOL, REQUESTS_PER_POOL, Connections
from wriftai_anyio.sandbox import Sandbox

pytestmark = pytest.mark.anyio


class FakeBody(httpx.AsyncByteStream):
    closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"{}"

    async def aclose(self) -> None:
        self.closed = True


class FakeTransport(httpx.AsyncBaseTransport):
    """Answers when it is told to, and notes how much is under way."""

    def __init__(self) -> None:
        self.go = anyio.Event()
        self.under_way = self.most = 0
        self.closed = False
        self.body = FakeBody()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.go.wait()
        finally:
            self.under_way -= 1
        return httpx.Response(200, stream=self.body)

    async def aclose(self) -> None:
        self.closed = True


class Pools:
    """Connections over fake transports."""

    def __init__(self, limit: int = 10_000, *, answering: bool = False) -> None:
        self.transports: list[FakeTransport] = []
        self._answering = answering
        self.connections = Connections(self._make, limit, shared=False)

    def _make(self) -> FakeTransport:
        transport = FakeTransport()
        if self._answering:
            transport.go.set()
        self.transports.append(transport)
        return transport

    async def open(self) -> httpx.Response:
        pool = await self.connections.enter()
        return await self.connections.send(pool, httpx.Request("GET", "http://localhost"))

    async def fetch(self) -> None:
        response = await self.open()
        await response.aread()

    async def cancel(self, times: int) -> None:
        for _ in range(times):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.fetch)
                await anyio.lowlevel.checkpoint()
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()


async def test_many_requests_are_spread_over_pools_of_a_few_each() -> None:
    pools = Pools()
    async with anyio.create_task_group() as tasks:
        for _ in range(3 * REQUESTS_PER_POOL - 1):
            tasks.start_soon(pools.fetch)
        await anyio.wait_all_tasks_blocked()
        assert [each.under_way for each in pools.transports] == [
            REQUESTS_PER_POOL,
            REQUESTS_PER_POOL,
            REQUESTS_PER_POOL - 1,
        ]
        for transport in pools.transports:
            transport.go.set()
    assert sum(not each.closed for each in pools.transports) == 1


async def test_one_request_after_the_other_uses_one_pool() -> None:
    pools = Pools(answering=True)
    for _ in range(2 * REQUESTS_PER_POOL):
        await pools.fetch()
    assert [each.closed for each in pools.transports] == [False]


async def test_a_place_is_held_until_the_answer_is_closed() -> None:
    pools = Pools(limit=1, answering=True)
    response = await pools.open()
    with anyio.move_on_after(0.01) as scope:
        await pools.open()
    assert scope.cancelled_caught
    await response.aclose()
    await response.aclose()
    with anyio.fail_after(PATIENCE):
        await pools.fetch()
        await pools.fetch()


async def test_beyond_the_limit_requests_wait_for_their_turn_in_order() -> None:
    pools = Pools(limit=1)
    done: list[int] = []

    async def fetch(number: int) -> None:
        await pools.fetch()
        done.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(fetch, number)
            await anyio.wait_all_tasks_blocked()
        assert [each.under_way for each in pools.transports] == [1]
        pools.transports[0].go.set()
    assert pools.transports[0].most == 1
    assert done == list(range(6))


async def test_a_pool_retires_after_some_cancels() -> None:
    pools = Pools()
    await pools.cancel(CANCELS_PER_POOL - 1)
    assert [each.closed for each in pools.transports] == [False]
    await pools.cancel(1)
    assert [each.closed for each in pools.transports] == [True]
    await pools.cancel(1)
    assert [each.closed for each in pools.transports] == [True, False]


async def test_a_retired_pool_is_closed_when_its_last_answer_has_been_read() -> None:
    pools = Pools()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pools.fetch)
        await anyio.wait_all_tasks_blocked()
        await pools.cancel(CANCELS_PER_POOL)
        assert [each.closed for each in pools.transports] == [False]
        pools.transports[0].go.set()
    assert [each.closed for each in pools.transports] == [True]


async def test_a_cancel_after_the_head_of_the_answer_does_not_count() -> None:
    pools = Pools(answering=True)
    for _ in range(2 * CANCELS_PER_POOL):
        with anyio.CancelScope() as scope:
            response = await pools.open()
            scope.cancel()
            try:
                await anyio.lowlevel.checkpoint()
            finally:
                with anyio.CancelScope(shield=True):
                    await response.aclose()
    assert [each.closed for each in pools.transports] == [False]


async def test_a_transport_that_cannot_be_made_takes_no_place() -> None:
    def fail() -> httpx.AsyncBaseTransport:
        raise OSError("no certificates")

    connections = Connections(fail, 1, shared=False)
    for _ in range(3):
        with anyio.fail_after(PATIENCE), pytest.raises(OSError, match="no certificates"):
            await connections.enter()


async def test_who_queues_while_the_connections_are_closed_opens_none() -> None:
    pools = Pools(limit=1, answering=True)
    response = await pools.open()
    errors: list[RuntimeError] = []

    async def fetch() -> None:
        try:
            await pools.fetch()
        except RuntimeError as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fetch)
        await anyio.wait_all_tasks_blocked()
        await pools.connections.aclose()
        await response.aclose()
    assert "closed" in str(errors[0])
    assert [each.closed for each in pools.transports] == [True]


async def test_a_connection_that_was_being_opened_while_all_were_closed_is_closed_too() -> None:
    pools = Pools()

    async def fetch() -> None:
        with pytest.raises(httpx.ReadError, match="closed"):
            await pools.fetch()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fetch)
        await anyio.wait_all_tasks_blocked()
        await pools.connections.aclose()
        pools.transports[0].go.set()
    assert pools.transports[0].body.closed


async def test_a_transport_of_the_users_own_serves_everything() -> None:
    async def respond(_: httpx.Request) -> httpx.Response:
        await anyio.sleep(0.001)
        return answer()

    script = Script(forever=respond)
    async with client_of(script) as client, anyio.create_task_group() as tasks:
        for _ in range(2 * REQUESTS_PER_POOL):
            tasks.start_soon(client.predictions.async_get, ID)
    assert len(script.requests) == 2 * REQUESTS_PER_POOL


class Crowded(Script):
    """A transport with a pool of its own, of which a request gets a place or a timeout.

    Args:
        places: How many requests there may be at a time.
    """

    def __init__(self, places: int, **options: Any) -> None:
        super().__init__(**options)
        self.places = anyio.Semaphore(places)
        self.timeouts = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with anyio.move_on_after(request.extensions["timeout"]["pool"]) as scope:
            await self.places.acquire()
        if scope.cancelled_caught:
            self.timeouts += 1
            raise httpx.PoolTimeout("")
        try:
            return await super().handle_async_request(request)
        finally:
            self.places.release()


@pytest.mark.parametrize("anyio_backend", [*map(in_virtual_time, ["asyncio", "trio"])], ids=["asyncio", "trio"])
async def test_who_gets_no_place_in_the_pool_of_a_users_transport_waits_for_one(anyio_backend: Any) -> None:
    async def held(_: httpx.Request) -> httpx.Response:
        await anyio.sleep(1700)
        return answer()

    async def create(client: Client) -> None:
        await client.predictions.async_create({"input": 1}, "o/n")

    transport = Crowded(10, forever=held)
    async with client_of(transport, timeout=httpx.Timeout(2000, pool=1)) as client, anyio.create_task_group() as tasks:
        for _ in range(13):
            tasks.start_soon(create, client)
    assert len(transport.requests) == 13
    assert transport.timeouts > 3


@pytest.mark.parametrize("anyio_backend", [*map(in_virtual_time, ["asyncio", "trio"])], ids=["asyncio", "trio"])
async def test_a_pool_that_others_hold_is_an_error_in_time_and_not_called_the_server(anyio_backend: Any) -> None:
    transport = Crowded(0)
    began = anyio.current_time()
    async with client_of(transport, max_retries=0) as client:
        with pytest.raises(APIConnectionError, match="pool") as caught:
            await client.predictions.async_create({"input": 1}, "o/n")
    assert not caught.value.request_sent
    assert 60 < anyio.current_time() - began < 120


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> list[FakeTransport]:
    """Has clients use fake transports for connections of their own."""
    made: list[FakeTransport] = []

    class Answering(FakeTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return answer()

    def transport(_: Network) -> FakeTransport:
        made.append(Answering())
        return made[-1]

    monkeypatch.setattr(Network, "transport", transport)
    return made


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


def test_connections_end_with_their_event_loop(fakes: list[FakeTransport], backend: str) -> None:
    client = Client(TOKEN, "http://localhost:1/v1")
    for number in (1, 2):
        anyio.run(client.predictions.async_get, ID, backend=backend)
        assert [each.closed for each in fakes] == [True] * number


async def test_connections_of_a_dropped_client_are_closed_when_the_next_comes(fakes: list[FakeTransport]) -> None:
    for _ in range(3):
        await Client(TOKEN, "http://localhost:1/v1").predictions.async_get(ID)
        gc.collect()
    assert [each.closed for each in fakes] == [True, True, False]


async def test_aclose_closes_at_once_and_may_be_called_twice(fakes: list[FakeTransport]) -> None:
    client = Client(TOKEN, "http://localhost:1/v1")
    await client.predictions.async_get(ID)
    await client.aclose()
    assert [each.closed for each in fakes] == [True]
    await client.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await client.predictions.async_get(ID)


async def test_a_first_call_that_has_just_begun_when_the_client_is_closed_opens_nothing(
    fakes: list[FakeTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = threading.Event()
    monkeypatch.setattr(Network, "prepare", lambda _, scheme: closed.wait(PATIENCE))
    client = Client(TOKEN, "http://localhost:1/v1")

    async def get() -> None:
        with pytest.raises(RuntimeError, match="closed"):
            await client.predictions.async_get(ID)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(get)
        await anyio.wait_all_tasks_blocked()
        await client.aclose()
        closed.set()
    assert fakes == []


SCARCE = """
import os, resource, sys
import anyio
from wriftai_anyio import APIConnectionError, Client

PARAMS = {"input": {"seconds": 0.2}}
client = Client(timeout=20)

async def create():
    created = await client.predictions.async_create(PARAMS, "sandbox/sleep", wait=True)
    assert created["status"] == "succeeded"
"""


def test_with_few_descriptors_requests_queue_and_none_fails(sandbox: Sandbox, backend: str) -> None:
    program = """
async def main():
    await client.predictions.async_list()
    async with anyio.create_task_group() as tasks:
        for _ in range(150):
            tasks.start_soon(create)
    print(len(os.listdir("/dev/fd")) < 80)

resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))
anyio.run(main, backend=sys.argv[1])
"""
    assert run_python(["-c", SCARCE + program, backend], settings_for(sandbox)) == "True\n"
    assert len(sandbox.predictions) == 150


def test_a_request_that_finds_no_descriptor_waits_for_one(sandbox: Sandbox, backend: str) -> None:
    program = """
async def main():
    await client.predictions.async_list()
    taken = []
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(create)
        await anyio.sleep(0.3)
        for descriptor in taken:
            os.close(descriptor)
    print("done")

resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))
anyio.run(main, backend=sys.argv[1])
"""
    assert run_python(["-c", SCARCE + program, backend], settings_for(sandbox)) == "done\n"
    assert len(sandbox.predictions) == 3


async def test_two_new_clients_at_once_close_the_connections_of_dropped_ones() -> None:
    class Slow(Script):
        closed = False

        async def aclose(self) -> None:
            await anyio.lowlevel.checkpoint()
            self.closed = True

    transports = [Slow(forever=answer()) for _ in range(3)]
    for transport in transports:
        await client_of(transport).predictions.async_get(ID)
    gc.collect()
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(client_of(Script(answer())).predictions.async_get, ID)
    assert all(transport.closed for transport in transports)
