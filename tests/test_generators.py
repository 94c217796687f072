"""What the package iterates over, in async generators of its users that are left early: nothing warns."""

import gc
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import anyio
import httpx
import pytest

from tests.support.clients import ID, Script, answer, client_of, prediction
from tests.support.event_server import events, streams
from wriftai_anyio import Client
from wriftai_anyio._transport.connections import loop_ends

pytestmark = pytest.mark.anyio


async def plain_items(client: Client) -> AsyncIterator[Any]:
    async for item in client.predictions.async_iterate():
        yield item


async def events_in_a_block(client: Client) -> AsyncIterator[Any]:
    async with client.predictions.async_stream(ID) as stream:
        async for item in stream:
            yield item


def served(request: httpx.Request) -> httpx.Response:
    if request.url.path.endswith("/stream"):
        return streams(*events())(request)
    page = [prediction(id=f"p{number}") for number in range(3)]
    return httpx.Response(200, json={"items": page, "next_cursor": request.url.params.get("cursor", "") + "x"})


async def test_a_plain_loop_over_a_list_may_be_left_and_dropped() -> None:
    async with client_of(Script(forever=served)) as client:
        async for _ in client.predictions.async_iterate():
            break
        gc.collect()
        await anyio.lowlevel.checkpoint()


async def test_a_plain_loop_over_a_stream_may_be_left_and_dropped_and_is_closed_by_the_next_request() -> None:
    script = Script(forever=served)
    async with client_of(script) as client:
        for _ in range(2):
            async for _ in client.predictions.async_stream(ID):
                break
            gc.collect()
            await anyio.lowlevel.checkpoint()
        await client.predictions.async_list()
        connections = loop_ends.get().connections(client._api.http)
        assert connections is not None
        assert sum(pool.active for pool in connections._pools) == 0
        async for _ in client.predictions.async_stream(ID):
            break
    gc.collect()


@pytest.mark.parametrize("generator", [plain_items, events_in_a_block])
async def test_a_generator_may_be_closed_in_a_block_with_a_scope_around_it(generator: Any) -> None:
    async with client_of(Script(forever=served)) as client:
        with anyio.move_on_after(5) as scope:
            async with aclosing(generator(client)) as items:
                async for _ in items:
                    break
        assert not scope.cancelled_caught


async def test_a_plain_loop_over_a_stream_read_to_its_end_leaves_nothing() -> None:
    async with client_of(Script(forever=served)) as client:
        received = [item async for item in client.predictions.async_stream(ID)]
        gc.collect()
        await anyio.lowlevel.checkpoint()
    assert received[-1]["event"] == "done"


async def test_a_generator_may_iterate_over_a_batch_whose_block_is_outside() -> None:
    async def outputs(results: Any) -> AsyncIterator[Any]:
        async for result in results:
            yield result.prediction["output"]

    async with (
        client_of(Script(forever=answer(code=201))) as client,
        client.predictions.async_batch([{"input": "hello"}] * 3, "o/n") as results,
    ):
        assert [output async for output in outputs(results)] == ["hello"] * 3
        gc.collect()
