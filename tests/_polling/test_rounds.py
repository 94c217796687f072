"""Rounds of polls: when a list is read for all waits, which of them are fetched, and what a list that fails means."""

import logging
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any, cast

import httpx
import pytest
from anyio import create_task_group, current_time, move_on_after, sleep

from tests.support.clients import in_virtual_time, prediction
from wriftai_anyio import APIStatusError
from wriftai_anyio._polling.running_list import Reading, RunningList
from wriftai_anyio._polling.shared_polls import (
    FETCHES,
    FEW,
    LIST_REST,
    LIST_TRUST,
    LONGEST_LAG,
    LONGEST_UNREAD,
    PROBES,
    SharedPolls,
)
from wriftai_anyio._polling.wait import FAULT_PATIENCE, Wait

pytestmark = pytest.mark.anyio

BEGAN = 100.0


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return in_virtual_time(request.param)


def fault(status: int) -> APIStatusError:
    response = httpx.Response(status, request=httpx.Request("GET", "https://api.example/v1/predictions"))
    return APIStatusError(f"failed with {status}", response=response, message="")


class Lists:
    """A list of running predictions that needs no network.

    Attributes:
        pages: What it has, page by page.
        fault: What it fails with.
        takes: Seconds for each page.
        began: When it was asked for, since the beginning.
        ended: When it was read to its end, or failed.
    """

    page_size = 50

    def __init__(self, *pages: list[str]) -> None:
        self.pages = pages
        self.fault: APIStatusError | None = None
        self.takes = 0.0
        self.began: list[float] = []
        self.ended: list[float] = []

    async def read(self, reading: Reading, _: Collection[str], on_gone: Callable[[str], None]) -> None:
        self.began.append(current_time() - BEGAN)
        for page in self.pages:
            await sleep(self.takes)
            if self.fault is not None:
                self.ended.append(current_time() - BEGAN)
                raise self.fault
            for prediction_id in reading.add(page):
                on_gone(prediction_id)
        self.ended.append(current_time() - BEGAN)


class Crowd:
    """Waits that fetch whenever they are to, and never end.

    Args:
        lists: What their rounds read.
        fetches_fail: With what each fetch fails.
    """

    def __init__(self, lists: Lists, fetches_fail: APIStatusError | None = None) -> None:
        self.lists = lists
        self.polls = SharedPolls(cast("RunningList", lists))
        self.fetched: dict[str, list[float]] = {}
        self._fetches_fail = fetches_fail

    async def wait(self, prediction_id: str, seen_at: float | None = BEGAN, interval: float = 1.0) -> None:
        wait = Wait(prediction_id, interval, lambda _: 0.0, seen_at=seen_at, wants_each=False)
        fetched = self.fetched.setdefault(prediction_id, [])
        self.polls.join(wait)
        while True:
            await self.polls.until_ready(wait)
            fetched.append(current_time() - BEGAN)
            wait.note_fetch(current_time())
            if self._fetches_fail is None:
                wait.failing_since = None
            else:
                wait.outlives(self._fetches_fail)

    async def run(self, seconds: float, *, later: tuple[float, Collection[str]] = (0.0, ())) -> None:
        """Waits for all that is listed, and after a while for others, whose states nobody has seen."""
        await sleep(BEGAN - current_time())
        with move_on_after(seconds):
            async with create_task_group() as tasks:
                for page in self.lists.pages:
                    for prediction_id in page:
                        tasks.start_soon(self.wait, prediction_id)
                await sleep(later[0])
                for prediction_id in later[1]:
                    tasks.start_soon(self.wait, prediction_id, None)


def ids(count: int) -> list[str]:
    return [f"p{number}" for number in range(count)]


class TestLists:
    async def test_what_runs_costs_a_list_an_interval_and_no_fetch(self) -> None:
        crowd = Crowd(Lists(ids(5)))
        await crowd.run(4.5)
        assert crowd.lists.began == pytest.approx([1, 2, 3, 4])
        assert crowd.fetched == {each: [] for each in ids(5)}

    @pytest.mark.parametrize(("count", "lists"), [(1, [1]), (2, [1, 1.3])])
    async def test_between_two_lists_one_that_joins_is_fetched_and_several_are_worth_a_list(
        self, count: int, lists: list[float]
    ) -> None:
        crowd = Crowd(Lists(ids(5)))
        await crowd.run(1.4, later=(1.3, ["new", "newer"][:count]))
        assert crowd.lists.began == pytest.approx(lists)
        assert crowd.fetched["new"] == pytest.approx([1.3])

    async def test_a_list_of_as_many_pages_as_there_are_waits_is_not_read_again(self) -> None:
        crowd = Crowd(Lists(["p0"], ["p1"], []))
        await crowd.run(3.5)
        assert crowd.lists.began == pytest.approx([1])
        assert crowd.fetched["p0"] == pytest.approx([2, 3])

    async def test_what_a_list_misses_is_fetched_and_nothing_else(self) -> None:
        crowd = Crowd(Lists(ids(5)))
        async with create_task_group() as tasks:
            tasks.start_soon(crowd.run, 2.5)
            await sleep(BEGAN + 1.5)
            crowd.lists.pages = (["p0", "p2", "p4"],)
        assert {each for each, fetched in crowd.fetched.items() if fetched} == {"p1", "p3"}

    async def test_a_leader_that_a_page_misses_reads_the_rest_first(self) -> None:
        crowd = Crowd(Lists(ids(5)))
        crowd.lists.takes = 0.1
        async with create_task_group() as tasks:
            tasks.start_soon(crowd.run, 3.0)
            await sleep(BEGAN + 0.5)
            leader = crowd.polls._leader
            assert leader is not None
            gone, (stays, goes, *rest) = leader.prediction_id, set(ids(5)) - {leader.prediction_id}
            crowd.lists.pages = ([gone, stays], [goes, rest[0]], rest[1:])
            await sleep(1)
            crowd.lists.pages = ([stays], rest[:1], rest[1:])
        assert crowd.lists.ended == pytest.approx([began + 0.3 for began in crowd.lists.began])
        assert crowd.fetched[goes][0] == pytest.approx(crowd.lists.began[1] + 0.2)
        assert crowd.fetched[gone][0] == pytest.approx(crowd.lists.ended[1])


class TestListsThatAreStale:
    async def test_what_lists_alone_tell_is_fetched_after_a_minute_one_in_each_round(self) -> None:
        crowd = Crowd(Lists(ids(5)))
        await crowd.run(2 * LIST_TRUST + 0.5)
        assert sorted(time for fetched in crowd.fetched.values() for time in fetched) == pytest.approx(
            [LIST_TRUST + each for each in [*range(5), LIST_TRUST]]
        )

    async def test_of_many_pages_so_many_are_fetched_that_they_cost_a_tenth(self) -> None:
        crowd = Crowd(Lists(*([f"{page}.{each}" for each in range(2)] for page in range(30))))
        await crowd.run(LIST_TRUST + 2.5)
        times = Counter(round(time) for fetched in crowd.fetched.values() for time in fetched)
        assert times == {LIST_TRUST: 3, LIST_TRUST + 1: 3, LIST_TRUST + 2: 3}

    async def test_lists_that_have_what_ended_long_before_rest_for_a_while(self) -> None:
        crowd = Crowd(Lists([*ids(5), "ended"]))
        async with create_task_group() as tasks:
            tasks.start_soon(crowd.run, LONGEST_LAG + 5.5)
            await sleep(BEGAN + 1.5)
            crowd.polls.note_ended("ended")
        stale_at = 2 + LONGEST_LAG
        assert crowd.lists.began == pytest.approx(range(1, round(stale_at) + 1))
        assert crowd.fetched["p0"] == pytest.approx([stale_at + 1, stale_at + 2, stale_at + 3])


class TestListsThatAreBrokenOff:
    async def test_where_no_leader_stays_long_enough_for_a_list_each_is_fetched(self) -> None:
        crowd = Crowd(Lists(ids(20)))
        crowd.lists.takes = 2.0
        async with create_task_group() as tasks:
            tasks.start_soon(crowd.run, 30.5)
            await sleep(BEGAN + 0.5)
            while current_time() < BEGAN + 30:
                await sleep(1.5)
                if crowd.polls._leader is not None:
                    crowd.polls._leader.make_ready()
        assert crowd.lists.ended == []
        assert max(crowd.lists.began) <= 1 + LONGEST_UNREAD + 2
        assert min(len(fetched) for fetched in crowd.fetched.values()) >= 10

    async def test_the_wait_that_began_last_leads_next(self) -> None:
        crowd = Crowd(Lists(ids(5)))
        async with create_task_group() as tasks:
            tasks.start_soon(crowd.run, 1.4)
            await sleep(BEGAN + 0.5)
            leader = crowd.polls._leader
            assert leader is not None
            *_, newest = (wait for wait in crowd.polls._waiting if wait is not leader)
            leader.make_ready()
            await sleep(0.1)
            assert crowd.polls._leader is newest


class TestListsThatFail:
    async def test_one_that_is_refused_is_never_asked_for_again_and_each_is_fetched(self) -> None:
        crowd = Crowd(Lists(ids(PROBES + 2)))
        crowd.lists.fault = fault(403)
        await crowd.run(2 * LIST_REST + 0.5)
        assert crowd.lists.began == pytest.approx([1])
        assert list(crowd.fetched.values()) == [pytest.approx(range(1, 61))] * (PROBES + 2)

    async def test_where_fetches_succeed_lists_rest_for_a_while_and_each_is_fetched(self) -> None:
        crowd = Crowd(Lists(ids(PROBES + 2)))
        crowd.lists.fault = fault(503)
        await crowd.run(LIST_REST + 2.5)
        assert crowd.lists.began == pytest.approx([1, LIST_REST + 2])
        assert all(fetched[0] == pytest.approx(1) for fetched in list(crowd.fetched.values())[:PROBES])
        assert all(fetched[0] == pytest.approx(2) for fetched in list(crowd.fetched.values())[PROBES:])

    @pytest.mark.parametrize("comes", [False, True])
    async def test_where_everything_fails_ten_are_fetched_for_all_until_no_list_has_come_for_a_minute(
        self, comes: bool
    ) -> None:
        crowd = Crowd(Lists(ids(PROBES + 2)), fetches_fail=fault(503))
        crowd.lists.fault = fault(503)
        async with create_task_group() as tasks:
            tasks.start_soon(crowd.run, 1 + FAULT_PATIENCE + 5.5)
            if comes:
                await sleep(BEGAN + 30.5)
                crowd.lists.fault = None
                await sleep(1)
                crowd.lists.fault = fault(503)
        fetches = Counter(round(each) for fetched in crowd.fetched.values() for each in fetched)
        assert {fetches[second] for second in range(32, 61)} == {PROBES}
        assert fetches[65] == (PROBES if comes else PROBES + 2)

    async def test_after_an_outage_of_everything_lists_are_read_as_before(self) -> None:
        crowd = Crowd(Lists(ids(PROBES + 2)), fetches_fail=fault(503))
        crowd.lists.fault = fault(503)
        async with create_task_group() as tasks:
            tasks.start_soon(crowd.run, 20.5)
            await sleep(BEGAN + 10.5)
            crowd.lists.fault = None
            before = sum(map(len, crowd.fetched.values()))
        assert crowd.lists.began == pytest.approx(range(1, 21))
        assert sum(map(len, crowd.fetched.values())) == before

    async def test_those_that_are_not_fetched_wait_an_interval_from_the_end_of_what_failed(self) -> None:
        crowd = Crowd(Lists(ids(PROBES + 2)))
        crowd.lists.fault, crowd.lists.takes = fault(503), 5.0
        await crowd.run(8.5)
        assert crowd.lists.began == pytest.approx([1])
        assert [fetched[0] for fetched in crowd.fetched.values()] == pytest.approx([6] * PROBES + [7] * 2)

    async def test_the_log_says_how_many_waits_it_was_for_and_why(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "wriftai_anyio")
        crowd = Crowd(Lists(ids(4)))
        crowd.lists.fault = fault(503)
        await crowd.run(1.5)
        [record] = caplog.records
        assert record.getMessage() == "could not get the list of predictions that 4 waits share: 503"


class TestWhoWaits:
    def wait(self, prediction_id: str = "p0") -> Wait:
        return Wait(prediction_id, 1.0, lambda _: 0.0, seen_at=None, wants_each=False)

    async def test_a_crowd_begins_at_ten_predictions(self) -> None:
        polls = SharedPolls(cast("RunningList", Lists()))
        found: list[bool] = []
        for number in range(FEW + 1):
            found.append(polls.few)
            polls.join(self.wait(f"p{number}"))
        assert found == [True] * FEW + [False]

    async def test_it_is_idle_when_the_last_wait_for_a_prediction_has_left(self) -> None:
        polls = SharedPolls(cast("RunningList", Lists()))
        waits = [self.wait(), self.wait()]
        for wait in waits:
            polls.join(wait)
        for wait in waits:
            assert (polls.awaits("p0"), polls.idle) == (True, False)
            polls.leave(wait)
        assert (polls.awaits("p0"), polls.idle) == (False, True)

    async def test_a_state_is_delivered_to_each_of_its_waits_and_to_nobody_else(self) -> None:
        polls = SharedPolls(cast("RunningList", Lists()))
        waits = [self.wait("p0"), self.wait("p0"), self.wait("p1")]
        for wait in waits:
            polls.join(wait)
        for prediction_id in ("p0", "nobody's"):
            told: Any = prediction(id=prediction_id)
            polls.deliver(told)
        assert [wait.ready for wait in waits] == [True, True, False]

    async def test_a_hundred_are_fetched_side_by_side(self) -> None:
        assert SharedPolls(cast("RunningList", Lists())).fetches.value == FETCHES == 100
