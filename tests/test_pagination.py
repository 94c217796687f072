"""Iterating over pages: which page is asked for when, and what ends it."""

import gc
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import anyio
import httpx
import pytest

from tests.support.clients import Script, Spelling, client_of, never
from tests.support.patience import PATIENCE, leave_when, until
from wriftai_anyio import APIResponseError, Client, UnprocessableEntityError, WriftAIError
from wriftai_anyio.pagination import MOST_EMPTY_PAGES, AsyncItems
from wriftai_anyio.variables import Variable

pytestmark = pytest.mark.anyio


def page(*names: str, following: str | None = None) -> httpx.Response:
    items = [{"name": name, "key": name.upper()} for name in names]
    return httpx.Response(200, json={"items": items, "next_cursor": following, "previous_cursor": None})


REFUSED = httpx.Response(422, json={"detail": [{"loc": ["query", "page_size"], "msg": "too large", "type": "x"}]})
BROKEN = httpx.Response(400, json={"message": "broken"})
FIRST, SECOND, THIRD = page("a", "b", following="2"), page("c", following="3"), page("d")


def queries(script: Script) -> list[str]:
    return [request.url.query.decode() for request in script.requests]


class TestBothSpellings:
    def test_the_items_of_all_pages_come_in_order(self, spelling: Spelling) -> None:
        script = Script(FIRST, SECOND, THIRD)
        items = spelling.call(spelling.client(script).variables, "iterate")
        assert [item["name"] for item in items] == ["a", "b", "c", "d"]
        assert queries(script) == ["", "cursor=2", "cursor=3"]

    def test_an_empty_page_in_between_ends_nothing(self, spelling: Spelling) -> None:
        script = Script(page("a", following="2"), page(following="3"), page("b"))
        items = spelling.call(spelling.client(script).variables, "iterate")
        assert [item["name"] for item in items] == ["a", "b"]

    def test_empty_pages_without_end_are_an_error(self, spelling: Spelling) -> None:
        cursors = itertools.count()
        script = Script(forever=lambda _: page(following=str(next(cursors))))
        with pytest.raises(WriftAIError, match="pages in a row without an item"):
            spelling.call(spelling.client(script).variables, "iterate")
        assert MOST_EMPTY_PAGES <= len(script.requests) <= MOST_EMPTY_PAGES + 2

    def test_an_empty_cursor_is_the_end(self, spelling: Spelling) -> None:
        items = spelling.call(spelling.client(Script(page("a", following=""))).variables, "iterate")
        assert len(items) == 1

    def test_it_begins_where_the_options_say(self, spelling: Spelling) -> None:
        script = Script(SECOND, THIRD)
        spelling.call(spelling.client(script).variables, "iterate", {"cursor": "2", "page_size": 7})
        assert queries(script) == ["cursor=2&page_size=7", "cursor=3&page_size=7"]

    def test_a_page_size_that_is_refused_gives_way_to_the_default(self, spelling: Spelling) -> None:
        script = Script(REFUSED, FIRST, SECOND, THIRD)
        items = spelling.call(spelling.client(script).variables, "iterate", {"page_size": 500})
        assert len(items) == 4
        assert queries(script) == ["page_size=500", "", "cursor=2", "cursor=3"]

    def test_a_refusal_that_the_page_size_is_not_to_blame_for_is_raised(self, spelling: Spelling) -> None:
        script = Script(REFUSED, REFUSED)
        with pytest.raises(UnprocessableEntityError):
            spelling.call(spelling.client(script).variables, "iterate", {"page_size": 50, "cursor": "x"})
        assert len(script.requests) == 2

    def test_one_page_is_asked_for_as_it_was_wished(self, spelling: Spelling) -> None:
        script = Script(REFUSED)
        with pytest.raises(UnprocessableEntityError):
            spelling.call(spelling.client(script).variables, "list", {"page_size": 500})

    @pytest.mark.parametrize("begin", [None, "2"])
    def test_a_cursor_that_repeats_is_an_error_after_the_items_before_it(
        self, spelling: Spelling, begin: str | None
    ) -> None:
        script = Script(forever=SECOND if begin is None else page("c", following=begin))
        options = None if begin is None else {"cursor": begin}
        with pytest.raises(WriftAIError, match=r"circle.*came twice"):
            spelling.call(spelling.client(script).variables, "iterate", options)
        assert len(script.requests) == (2 if begin is None else 1)

    def test_a_cursor_that_no_address_has_room_for_is_an_error_of_the_answer(self, spelling: Spelling) -> None:
        script = Script(page("a", following="c" * 100_000))
        with pytest.raises(APIResponseError, match="`next_cursor` is longer"):
            spelling.call(spelling.client(script).variables, "iterate")


class TestBlocking:
    def test_nothing_is_asked_for_before_the_first_item(self) -> None:
        script = Script(FIRST)
        client_of(script).variables.iterate()
        assert script.requests == []

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_the_next_page_is_fetched_while_the_caller_works_on_this_one(self, backend: str) -> None:
        script = Script(FIRST, SECOND, THIRD)
        with client_of(script, backend=backend) as client:
            items = client.variables.iterate()
            next(items)
            until(lambda: len(script.requests) == 2)
            assert [item["name"] for item in items] == ["b", "c", "d"]

    def test_no_more_than_one_page_is_fetched_ahead(self) -> None:
        script = Script(FIRST, SECOND, THIRD)
        with client_of(script) as client, client.variables.iterate() as items:
            next(items)
            until(lambda: len(script.requests) == 2)
            time.sleep(0.01)
            assert len(script.requests) == 2

    def test_a_page_that_fails_is_an_error_where_it_is_needed_and_may_be_tried_again(self) -> None:
        script = Script(FIRST, BROKEN, SECOND, THIRD)
        with client_of(script) as client:
            items = client.variables.iterate()
            assert [next(items)["name"], next(items)["name"]] == ["a", "b"]
            with pytest.raises(WriftAIError, match="broken"):
                next(items)
            assert [item["name"] for item in items] == ["c", "d"]

    def test_closing_it_gives_up_the_page_that_is_being_fetched(self) -> None:
        transport = Stalling(FIRST)
        with client_of(transport) as client:
            with client.variables.iterate() as items:
                next(items)
                until(lambda: transport.stalled == 1)
            assert transport.given_up == 1

    def test_a_closed_client_ends_it(self) -> None:
        transport = Stalling(FIRST)
        client = client_of(transport)
        items = client.variables.iterate()
        next(items)
        until(lambda: transport.stalled == 1)
        client.close()
        next(items)
        with pytest.raises(RuntimeError, match="closed"):
            next(items)

    def test_an_iterator_that_was_dropped_keeps_no_thread_alive(self) -> None:
        before = set(threading.enumerate())
        items = client_of(Script(FIRST, SECOND)).variables.iterate()
        next(items)
        del items
        until(lambda: gc.collect() >= 0 and set(threading.enumerate()) <= before)

    def test_threads_may_share_it(self) -> None:
        pages = [page(str(number), f"{number}x", following=str(number + 1)) for number in range(40)]
        with client_of(Script(*pages, page("end"))) as client, ThreadPoolExecutor(8) as pool:
            items = client.variables.iterate()
            found = list(pool.map(lambda _: next(items)["name"], range(81)))
        assert len(set(found)) == 81


class TestAsync:
    async def test_a_plain_loop_asks_for_a_page_only_when_it_is_needed(self) -> None:
        script = Script(FIRST, SECOND, THIRD)
        async with client_of(script) as client:
            seen = [len(script.requests) async for _ in client.variables.async_iterate()]
        assert seen == [1, 1, 2, 3]

    async def test_inside_async_with_the_next_page_is_fetched_meanwhile(self) -> None:
        script = Script(FIRST, SECOND, THIRD)
        seen = []
        async with client_of(script) as client, client.variables.async_iterate() as items:
            async for _ in items:
                await anyio.wait_all_tasks_blocked()
                seen.append(len(script.requests))
        assert seen == [2, 2, 3, 3]

    async def test_leaving_the_block_gives_up_the_page_that_is_being_fetched(self) -> None:
        transport = Stalling(FIRST)
        async with client_of(transport) as client:
            with anyio.fail_after(PATIENCE):
                async with client.variables.async_iterate() as items:
                    await items.__anext__()
                    await anyio.wait_all_tasks_blocked()
                    assert transport.stalled == 1
            assert transport.given_up == 1

    async def test_what_the_block_raises_comes_out_as_it_is(self) -> None:
        async def fail(client: Client) -> None:
            async with client.variables.async_iterate() as items:
                async for _ in items:
                    raise KeyError("mine")

        async with client_of(Stalling(FIRST)) as client:
            with pytest.raises(KeyError, match="mine"):
                await fail(client)

    async def test_a_page_that_fails_is_an_error_where_it_is_needed_and_may_be_tried_again(self) -> None:
        client = client_of(Script(FIRST, BROKEN, SECOND, THIRD))
        async with client, client.variables.async_iterate() as items:
            names = [(await items.__anext__())["name"], (await items.__anext__())["name"]]
            with pytest.raises(WriftAIError, match="broken"):
                await items.__anext__()
            names += [item["name"] async for item in items]
        assert names == ["a", "b", "c", "d"]

    async def test_a_cancel_from_outside_ends_the_block(self) -> None:
        transport = Stalling(FIRST)
        async with client_of(transport) as client:

            async def iterate() -> None:
                async with client.variables.async_iterate() as items:
                    async for _ in items:
                        pass

            await leave_when(lambda: transport.stalled, iterate)
            assert transport.given_up == 1

    async def test_after_the_block_it_goes_on_page_by_page(self) -> None:
        script = Script(FIRST, SECOND, THIRD)
        async with client_of(script) as client:
            async with client.variables.async_iterate() as items:
                names = [(await items.__anext__())["name"]]
            names += [item["name"] async for item in items]
        assert names == ["a", "b", "c", "d"]

    async def test_tasks_may_share_it(self) -> None:
        pages = [page(str(number), f"{number}x", following=str(number + 1)) for number in range(40)]
        found: list[str] = []

        async def take(items: AsyncItems[Variable]) -> None:
            async for item in items:
                found.append(item["name"])
                await anyio.lowlevel.checkpoint()

        client = client_of(Script(*pages, page("end")))
        async with client, client.variables.async_iterate() as shared, anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(take, shared)
        assert len(found) == len(set(found)) == 81

    async def test_a_server_that_fails_is_asked_again_as_in_any_get(self) -> None:
        script = Script(httpx.Response(503), FIRST, httpx.Response(503))
        async with client_of(script, max_retries=1) as client:
            items = client.variables.async_iterate()
            assert (await items.__anext__())["name"] == "a"
        assert len(script.requests) == 2


class Stalling(httpx.AsyncBaseTransport):
    """Answers the first request, and lets all others hang."""

    def __init__(self, first: httpx.Response) -> None:
        self._script = Script(first)
        self.stalled = 0
        self.given_up = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self._script.requests:
            return await self._script.handle_async_request(request)
        self.stalled += 1
        try:
            return await never(request)
        finally:
            self.given_up += 1
