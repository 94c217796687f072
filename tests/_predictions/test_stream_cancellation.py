"""A stream whose reader leaves: its connection is freed, and no event is lost."""

import asyncio

import anyio
import pytest
from anyio import BusyResourceError

from tests.support.clients import ID, TOKEN, Script, client_of
from tests.support.event_server import HEAD, EventServer, Hold, chunks, events, streams, whole
from tests.support.patience import PATIENCE
from wriftai_anyio import Client
from wriftai_anyio._predictions.event_reader import READ_AHEAD

ALL = events()
EVERY_ID = [str(number) for number in range(1, len(ALL) + 1)]


def holds_first(number: int, due: list[bytes]) -> bytes | Hold:
    return whole(number, due) if number else Hold(HEAD + chunks(due[:2]))


@pytest.mark.anyio
async def test_a_read_that_is_cancelled_frees_the_connection_and_the_next_goes_on() -> None:
    with EventServer(ALL, holds_first) as server:
        async with Client(TOKEN, server.base_url) as client:
            stream = client.predictions.async_stream(ID)
            received = [(await anext(stream))["id"], (await anext(stream))["id"]]
            with anyio.move_on_after(0.05):
                received.append((await anext(stream))["id"])
            assert await anyio.to_thread.run_sync(server.left.wait, PATIENCE)
            received += [item["id"] async for item in stream]
    assert received == EVERY_ID


def test_asyncios_own_cancellation_frees_the_connection_and_ends_the_task() -> None:
    async def main(server: EventServer) -> list[str]:
        received: list[str] = []
        blocked = asyncio.Event()

        async def read() -> None:
            async with client.predictions.async_stream(ID) as stream:
                received.extend([(await anext(stream))["id"], (await anext(stream))["id"]])
                blocked.set()
                await anext(stream)

        async with Client(TOKEN, server.base_url) as client:
            task = asyncio.create_task(read())
            await blocked.wait()
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(server.left.wait, PATIENCE)
        return received

    with EventServer(ALL, holds_first) as server:
        assert asyncio.run(main(server)) == ["1", "2"]


@pytest.mark.anyio
async def test_cancelling_a_worker_thread_frees_the_connection_of_its_blocking_read() -> None:
    with EventServer(ALL, holds_first) as server, Client(TOKEN, server.base_url) as client:
        stream = client.predictions.stream(ID)
        received = [(await anyio.to_thread.run_sync(next, stream))["id"] for _ in range(2)]
        with anyio.move_on_after(0.02) as scope:
            await anyio.to_thread.run_sync(list, stream)
        assert scope.cancelled_caught
        assert await anyio.to_thread.run_sync(server.left.wait, PATIENCE)
        received += [item["id"] for item in await anyio.to_thread.run_sync(list, stream)]
    assert received == EVERY_ID


@pytest.mark.parametrize("sent", [2, READ_AHEAD + 10], ids=["while it reads", "while it pauses"])
def test_a_blocking_stream_that_is_dropped_frees_the_connection(anyio_backend: str, sent: int) -> None:
    everything = events(["x"] * (2 * READ_AHEAD))

    def plan(number: int, due: list[bytes]) -> Hold:
        return Hold(HEAD + chunks(due[:sent]))

    with EventServer(everything, plan) as server, Client(TOKEN, server.base_url, backend=anyio_backend) as client:
        stream = client.predictions.stream(ID)
        assert next(stream)["id"] == "1"
        assert not server.left.wait(0.05)
        del stream
        assert server.left.wait(PATIENCE)
    assert len(server.requests) == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio warns of what is dropped so
@pytest.mark.anyio
async def test_streams_that_are_dropped_take_no_places_from_later_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wriftai_anyio._transport.connections.request_limit", lambda: 1)
    with EventServer(ALL, holds_first) as server:
        async with Client(TOKEN, server.base_url) as client:
            assert (await anext(client.predictions.async_stream(ID)))["id"] == "1"
            with anyio.fail_after(PATIENCE):
                assert [item["id"] async for item in client.predictions.async_stream(ID)] == EVERY_ID


@pytest.mark.anyio
async def test_two_tasks_cannot_read_from_one_stream() -> None:
    stream = client_of(Script(streams(1.0))).predictions.async_stream(ID)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anext, stream)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(BusyResourceError):
            await anext(stream)
        tasks.cancel_scope.cancel()
