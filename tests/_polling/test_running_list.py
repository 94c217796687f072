"""The list of running predictions: how it is read, and what a reading concludes from the one before."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tests.support.clients import Answer, Script, client_of, in_virtual_time, prediction
from wriftai_anyio import UnprocessableEntityError
from wriftai_anyio._polling.running_list import Reading


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return in_virtual_time(request.param)


def page(ids: str, cursor: str | None = None, status: str = "started") -> httpx.Response:
    items = [prediction(status, id=each) for each in ids]
    return httpx.Response(200, json={"items": items, "next_cursor": cursor, "previous_cursor": None})


async def read(script: Script, awaited: str, last: Reading | None = None) -> tuple[Reading, list[str]]:
    """Reads the list, and returns the reading and what it showed to be gone."""
    client, now, gone = client_of(script), Reading(last), list[str]()
    await client.predictions._poller._running.read(now, set(awaited), gone.append)
    return now, gone


def asked(script: Script) -> list[dict[str, str]]:
    return [{name: value for name, value in each.url.params.items() if name != "statuses"} for each in script.requests]


@pytest.mark.anyio
class TestPages:
    @pytest.mark.parametrize(
        ("pages", "awaited", "cursors"),
        [
            ([page("ab", "2"), page("cd", "3"), page("ef")], "axf", ["2", "3"]),
            ([page("ab", "2"), page("cd", "3")], "ad", ["2"]),
            ([page("ab", "2"), page("cd", "3")], "xy", ["2"]),
            ([page("ab", "2"), page("cd", "3"), page("ef", "2")], "wxyz", ["2", "3"]),
            ([page("ab", "2"), page("cd", "")], "xyz", ["2"]),
        ],
        ids=["to its end", "till all are seen", "at most as many as are awaited", "no circle", "an empty cursor"],
    )
    async def test_they_are_read_as_far_as_they_are_needed(
        self, pages: list[Answer], awaited: str, cursors: list[str]
    ) -> None:
        script = Script(*pages)
        now, _ = await read(script, awaited)
        assert asked(script) == [{"page_size": "50"}, *({"page_size": "50", "cursor": each} for each in cursors)]
        assert script.requests[0].url.params.get_list("statuses") == ["pending", "starting", "started"]
        assert now.pages == len(pages)

    async def test_what_is_gone_is_told_page_by_page_and_the_ended_do_not_run(self) -> None:
        before, _ = await read(Script(page("abcd")), "abcd")
        now, gone = await read(Script(page("b", "2"), page("c", "3", "failed"), page("d")), "abcd", before)
        assert (list(now.ids), gone) == (["b", "d"], ["a", "c"])

    async def test_all_that_it_tells_is_told_to_those_who_look_on(self) -> None:
        seen: list[str] = []
        client: Any = client_of(Script(page("ab", "2"), page("c")))
        client._api.observer = SimpleNamespace(seen=lambda each: seen.append(each["id"]))
        await client.predictions._poller._running.read(Reading(None), {"a", "c"}, print)
        assert seen == ["a", "b", "c"]

    async def test_a_page_size_that_is_refused_is_left_out_from_then_on(self) -> None:
        refused = httpx.Response(422, json={"detail": "no"})
        client = client_of(script := Script(refused, page("a"), page("a"), refused))
        running = client.predictions._poller._running
        assert running.page_size == 50
        for _ in range(2):
            await running.read(Reading(None), {"a"}, print)
        assert asked(script) == [{"page_size": "50"}, {}, {}]
        assert running.page_size == 25
        with pytest.raises(UnprocessableEntityError):
            await running.read(Reading(None), {"a"}, print)

    async def test_a_page_that_fails_is_asked_for_again(self) -> None:
        script = Script(page("ab", "2"), httpx.Response(503), page("cd"))
        now, _ = await read(script, "abcd")
        assert list(now.ids) == ["a", "b", "c", "d"]
        assert [each.get("cursor") for each in asked(script)] == [None, "2", "2"]


def reading(*pages: str, last: Reading | None = None) -> Reading:
    made = Reading(last)
    for page in pages:
        made.add(list(page))
    return made


def gone(last: Reading | None, *pages: str) -> list[str]:
    """Returns what each page shows to be gone."""
    made = Reading(last)
    return ["".join(made.add(list(page))) for page in pages]


def test_a_first_reading_concludes_nothing() -> None:
    assert gone(None, "abc", "", "def") == ["", "", ""]
    assert list(reading("abc", "cd").ids) == ["a", "b", "c", "d"]
    assert reading("abc", "", "d").pages == 3


def test_what_a_page_passes_without_it_is_gone_and_is_said_once() -> None:
    before = reading("abc", "def")
    assert gone(before, "acd", "f") == ["b", "e"]
    assert gone(before, "bd", "f") == ["ac", "e"]
    assert gone(before, "abc", "def") == ["", ""]


def test_nothing_is_concluded_of_places_that_were_not_reached() -> None:
    before = reading("abcdef")
    assert gone(before, "", "a", "c") == ["", "", "b"]
    assert gone(before, "xyz") == [""]
    assert gone(before, "xad") == ["bc"]


def test_pages_that_overlap_are_read_as_one() -> None:
    assert gone(reading("abcdef"), "ad", "bd", "f") == ["bc", "", "e"]
    assert gone(reading("abcdef"), "ad", "a", "f") == ["bc", "", "e"]


def test_of_a_list_whose_order_changes_nothing_is_concluded_any_more() -> None:
    before = reading("abcdef")
    changed = reading("ad", "b", last=before)
    assert (before.in_order, changed.in_order) == (True, False)
    after = reading("af", last=changed)
    assert not after.in_order
    assert gone(changed, "af") == [""]


def test_a_reading_in_order_is_concluded_from() -> None:
    second = reading("acf", last=reading("abcdef"))
    assert second.in_order
    assert gone(second, "f") == ["ac"]
