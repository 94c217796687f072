"""Waits in virtual time: what they share, what they cost, when they notice an end, which faults they outlive."""

import logging
import random
import statistics
from collections.abc import Iterable
from typing import Any

import anyio
import httpx
import pytest
from anyio import create_task_group, current_time, fail_after
from anyio.lowlevel import checkpoint

from tests.support.clients import client_of, in_virtual_time, prediction
from tests.support.running_predictions import RunningPredictions, gaps, named
from wriftai_anyio import (
    APIConnectionError,
    APIResponseError,
    AuthenticationError,
    Client,
    InternalServerError,
    NotFoundError,
    WaitTimeoutError,
)
from wriftai_anyio._polling.shared_polls import LIST_TRUST, LONGEST_LAG
from wriftai_anyio.predictions import AsyncWaitOptions, PredictionWithIO

pytestmark = pytest.mark.anyio

TOLERANCE = 1e-6


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return in_virtual_time(request.param)


async def wait_for(
    api: RunningPredictions,
    ids: Iterable[str] | None = None,
    *,
    client: Client | None = None,
    stagger: float = 0.0,
    **options: Any,
) -> dict[str, float]:
    """Waits for predictions, each in a task of its own, and returns when each wait ended."""
    ended: dict[str, float] = {}
    waiting = client or client_of(api)

    async def wait(prediction_id: str) -> None:
        found = await waiting.predictions.async_wait(prediction_id, AsyncWaitOptions(**options))
        assert (found["id"], found["status"], found["output"]) == (prediction_id, "succeeded", "hello")
        ended[prediction_id] = api.now

    with fail_after(1000):
        async with create_task_group() as tasks:
            for prediction_id in ids or api.ends:
                tasks.start_soon(wait, prediction_id)
                if stagger:
                    await anyio.sleep(stagger)
    return ended


class TestCost:
    async def test_many_waits_cost_a_list_of_pages_a_round_and_one_request_each_at_their_end(self) -> None:
        api = RunningPredictions(named(200, 9.5))
        await wait_for(api)
        assert set(map(len, api.fetches.values())) == {1}
        rounds = 11
        assert rounds - 1 <= len(api.lists) <= rounds * 4

    async def test_waits_that_end_one_after_the_other_share_the_lists_too(self) -> None:
        api = RunningPredictions(named(120, lambda number: 1 + number / 10))
        await wait_for(api)
        assert set(map(len, api.fetches.values())) == {1}
        assert len(api.lists) <= 14 * 3

    async def test_staggered_waits_share_their_lists(self) -> None:
        api = RunningPredictions(named(60, 20.0))
        await wait_for(api, stagger=1 / 60)
        assert api.fetched <= 2 * 60 + 2
        assert len(api.lists) <= 22 * 2

    async def test_a_single_wait_lists_nothing(self) -> None:
        api = RunningPredictions(named(1, 5.0))
        await wait_for(api)
        assert api.lists == []
        assert api.fetched == 6

    async def test_a_few_waits_beside_thousands_that_others_run_list_only_once(self) -> None:
        api = RunningPredictions(named(1000, 5.5))
        await wait_for(api, ["p1", "p2", "p3"])
        assert len(api.lists) <= 20
        assert api.fetched <= 3 * 7

    async def test_many_waits_for_one_prediction_all_end(self) -> None:
        api = RunningPredictions(named(1, 5.5))
        await wait_for(api, ["p0"] * 40)
        assert len(api.lists) <= 8


class TestInterval:
    @pytest.mark.parametrize("interval", [0.3, 1.0, 4.0])
    @pytest.mark.parametrize("latency", [0.0, 0.01, 0.7])
    async def test_a_single_wait_is_never_polled_sooner(self, interval: float, latency: float) -> None:
        api = RunningPredictions(named(1, 13.0), latency=latency)
        await wait_for(api, poll_interval=interval)
        polls = api.fetches["p0"]
        assert min(gaps(polls)) >= interval - TOLERANCE
        assert max(gaps(polls)) <= max(interval, latency) + 0.01
        assert polls[0] == 0

    async def test_a_wait_among_others_is_not_fetched_sooner_by_itself(self) -> None:
        api = RunningPredictions(named(30, 20.0), lag=1000)
        await wait_for(api, poll_interval=2.0)
        assert min(min(gaps(polls)) for polls in api.fetches.values()) >= 2.0 - TOLERANCE

    async def test_the_lists_of_hasty_waits_do_not_hurry_the_patient_ones(self) -> None:
        api = RunningPredictions(named(40, 20.0), lag=1000)
        client = client_of(api)
        patient, hasty = ["p0", "p1"], [f"p{number}" for number in range(2, 40)]
        async with create_task_group() as tasks:
            tasks.start_soon(lambda: wait_for(api, patient, client=client, poll_interval=6.0))
            tasks.start_soon(lambda: wait_for(api, hasty, client=client, poll_interval=1.0))
        for prediction_id in patient:
            assert min(gaps(api.fetches[prediction_id])) >= 6.0 - TOLERANCE

    async def test_a_hasty_wait_does_not_wait_for_the_round_of_a_patient_one(self) -> None:
        api = RunningPredictions({"p0": 40.0, "p1": 3.0})
        client = client_of(api)
        async with create_task_group() as tasks:
            tasks.start_soon(lambda: wait_for(api, ["p0"], client=client, poll_interval=30.0))
            await anyio.sleep(1)
            ended = await wait_for(api, ["p1"], client=client, poll_interval=0.5)
            assert ended["p1"] <= 4
            tasks.cancel_scope.cancel()

    async def test_no_interval_at_all_lets_other_tasks_run(self) -> None:
        api = RunningPredictions(named(3, 1.0), latency=0.0)
        async with create_task_group() as tasks:
            tasks.start_soon(lambda: wait_for(api, poll_interval=0.0))
            await checkpoint()
            tasks.cancel_scope.cancel()

    async def test_the_first_poll_after_a_create_comes_soon_and_each_next_one_twice_as_late(self) -> None:
        def created(request: httpx.Request) -> httpx.Response | None:
            return api._get("p0") if request.method == "POST" else None

        api = RunningPredictions(named(1, 5.0), latency=0.0, fault=created)
        await client_of(api).predictions.async_create({"input": 1}, "sandbox/echo", wait=True)
        assert api.fetches["p0"][0] == pytest.approx(0.05)
        assert gaps(api.fetches["p0"]) == pytest.approx([0.1, 0.2, 0.4, 0.8, *[1.0] * 4])

    async def test_the_interval_begins_when_the_last_attempt_of_a_poll_goes_out(self) -> None:
        def busy(_: httpx.Request) -> httpx.Response | None:
            return httpx.Response(503, headers={"retry-after": "5"}) if api.fetched == 1 else None

        api = RunningPredictions(named(1, 5.5), latency=0.0, fault=busy)
        await wait_for(api)
        assert gaps(api.fetches["p0"]) == pytest.approx([5.0, 1.0])

    async def test_a_shorter_interval_holds_from_the_first_poll_on(self) -> None:
        def created(request: httpx.Request) -> httpx.Response | None:
            return api._get("p0") if request.method == "POST" else None

        api = RunningPredictions(named(1, 0.1), latency=0.0, fault=created)
        options = AsyncWaitOptions(0.02)
        await client_of(api).predictions.async_create({"input": 1}, "sandbox/echo", wait=True, wait_options=options)
        assert [api.fetches["p0"][0], *gaps(api.fetches["p0"])] == pytest.approx([0.02] * len(api.fetches["p0"]))


class Model(httpx.AsyncBaseTransport):
    """Runs each prediction for so long, and answers a held create at its end."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: dict[str, float] = {}
        self.requests = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await checkpoint()
        self.requests += 1
        if request.method == "POST":
            await request.aread()
            prediction_id = f"p{len(self._ends)}"
            self._ends[prediction_id] = anyio.current_time() + self._seconds
            if "prefer" in request.headers:
                await anyio.sleep(self._seconds)
            return httpx.Response(201, json=self._state(prediction_id))
        if request.url.path.endswith("/predictions"):
            running = [state for each in self._ends if (state := self._state(each))["status"] == "started"]
            first = int(request.url.params.get("cursor", 0))
            following = str(first + 50) if len(running) > first + 50 else None
            return httpx.Response(200, json={"items": running[first : first + 50], "next_cursor": following})
        return httpx.Response(200, json=self._state(request.url.path.rpartition("/")[2]))

    def _state(self, prediction_id: str) -> dict[str, object]:
        ended = self._ends[prediction_id] <= anyio.current_time()
        return prediction("succeeded" if ended else "started", id=prediction_id)


class TestNewPredictions:
    async def run(self, model: Model, count: int, options: AsyncWaitOptions) -> float:
        client = client_of(model)
        began = anyio.current_time()

        async def create() -> None:
            await client.predictions.async_create({"input": 1}, "o/n", wait=True, wait_options=options)

        async with create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(create)
        return anyio.current_time() - began

    async def test_two_held_creates_of_a_new_client_take_little_longer_than_their_model(self) -> None:
        assert await self.run(Model(0.02), 2, AsyncWaitOptions()) < 0.1

    @pytest.mark.parametrize(("count", "most"), [(10, 80), (100, 270), (1000, 2300)])
    async def test_a_crowd_that_is_not_held_costs_few_polls_more(self, count: int, most: int) -> None:
        model = Model(3.0)
        assert await self.run(model, count, AsyncWaitOptions(duration=0)) < 5
        assert model.requests < most


class TestDetection:
    async def test_an_end_is_noticed_after_half_an_interval_and_two_round_trips_in_the_median(self) -> None:
        latency = 0.05
        api = RunningPredictions(named(300, lambda number: number / 30), latency=latency)
        ended = await wait_for(api)
        delays = [ended[each] + api.began - end for each, end in api.ends.items()]
        assert statistics.median(delays) <= 0.5 + 2 * latency
        assert max(delays) <= 1.0 + 8 * latency


class TestCallback:
    async def test_each_poll_is_told_in_full_though_others_share_lists(self) -> None:
        api = RunningPredictions(named(20, 5.5))
        client = client_of(api)
        seen: list[PredictionWithIO] = []

        async def on_poll(latest: PredictionWithIO) -> None:
            seen.append(latest)

        async with create_task_group() as tasks:
            tasks.start_soon(lambda: wait_for(api, ["p0"], client=client, on_poll=on_poll))
            tasks.start_soon(lambda: wait_for(api, [f"p{number}" for number in range(1, 20)], client=client))
        assert [latest["status"] for latest in seen] == ["started"] * 6 + ["succeeded"]
        assert all(latest["input"] == "hello" for latest in seen)
        assert len(api.fetches["p0"]) == 7
        assert min(gaps(api.fetches["p0"])) >= 1.0 - TOLERANCE


class TestLists:
    @pytest.mark.parametrize("lag", [0.5, 2.0, 100.0])
    async def test_lists_that_lag_end_no_wait_too_early(self, lag: float) -> None:
        api = RunningPredictions(named(60, lambda number: 3 + number / 20), lag=lag)
        ended = await wait_for(api)
        assert all(ended[each] + api.began >= end for each, end in api.ends.items())
        assert max(ended.values()) <= 6 + 3 + 0.5
        assert min(min(gaps(polls), default=1.0) for polls in api.fetches.values()) >= 1.0 - TOLERANCE

    async def test_an_end_is_seen_when_its_place_has_passed_and_not_after_all_pages(self) -> None:
        lasts = [1 + number / 30 for number in range(300)]
        random.Random(1).shuffle(lasts)
        api = RunningPredictions(named(300, lasts.__getitem__), latency=0.15)
        ended = await wait_for(api)
        delays = [ended[each] - lasts[number] for number, each in enumerate(api.ends)]
        assert statistics.median(delays) <= 0.5 + 2 * 0.15
        assert set(map(len, api.fetches.values())) == {1}

    async def test_lists_whose_order_changes_end_no_wait_too_early_and_cost_little(self) -> None:
        def shuffle(request: httpx.Request) -> None:
            if "cursor" not in request.url.params:
                api.ends = dict(chance.sample(list(api.ends.items()), len(api.ends)))

        chance = random.Random(1)
        api = RunningPredictions(named(200, 9.5), fault=shuffle)
        await wait_for(api)
        assert api.fetched <= 2 * 200

    async def test_a_page_size_that_is_refused_is_not_asked_for_again(self) -> None:
        api = RunningPredictions(named(60, 5.5), largest_page=25)
        await wait_for(api)
        assert api.refused_lists == 1
        assert set(map(len, api.fetches.values())) == {1}

    @pytest.mark.parametrize("status", [400, 403, 404, 405, 422])
    async def test_where_lists_are_refused_each_wait_is_fetched_by_itself(self, status: int) -> None:
        def fault(request: httpx.Request) -> httpx.Response | None:
            return httpx.Response(status) if request.url.path.endswith("/predictions") else None

        api = RunningPredictions(named(60, 5.5), fault=fault)
        await wait_for(api)
        assert len(api.lists) <= 2
        assert min(min(gaps(polls)) for polls in api.fetches.values()) >= 1.0 - TOLERANCE

    @pytest.mark.parametrize("answer", [httpx.Response(503), httpx.Response(200, json=None)], ids=["503", "null"])
    async def test_lists_that_fail_for_long_do_not_hold_up_the_waits(self, answer: httpx.Response) -> None:
        def fault(request: httpx.Request) -> httpx.Response | None:
            failing = request.url.path.endswith("/predictions")
            return httpx.Response(answer.status_code, content=answer.content) if failing else None

        api = RunningPredictions(named(600, 5.5), fault=fault)
        assert max((await wait_for(api)).values()) <= 10
        assert len(api.lists) <= 6

    async def test_lists_are_tried_again_after_a_while(self) -> None:
        def fault(request: httpx.Request) -> httpx.Response | None:
            failing = request.url.path.endswith("/predictions") and api.now < 5
            return httpx.Response(503) if failing else None

        api = RunningPredictions(named(60, 120.5), fault=fault)
        await wait_for(api)
        assert max(map(len, api.fetches.values())) <= 40

    async def test_a_list_that_never_changes_again_ends_waits_late_and_not_never(self) -> None:
        def fault(request: httpx.Request) -> httpx.Response | None:
            if not request.url.path.endswith("/predictions") or request.url.params.get("cursor"):
                return None
            if api.now < 2:
                listed.append(api._list(request.url.params))
            return httpx.Response(200, content=listed[-1].content)

        listed: list[httpx.Response] = []
        api = RunningPredictions(named(50, lambda number: 3 + number / 10), fault=fault)
        assert max((await wait_for(api)).values()) <= LIST_TRUST + LONGEST_LAG + 10

    async def test_waits_whose_deadlines_come_one_after_the_other_leave_the_lists_to_the_others(self) -> None:
        async def wait(prediction_id: str) -> None:
            try:
                await client.predictions.async_wait(prediction_id, AsyncWaitOptions(timeout=30))
            except WaitTimeoutError:
                assert int(prediction_id[1:]) % 3 == 0
            else:
                ended.append(prediction_id)

        ended: list[str] = []
        api = RunningPredictions({}, latency=3.0)
        client = client_of(api)
        async with create_task_group() as tasks:
            for number in range(200):
                api.ends[f"p{number}"] = current_time() + (4.0 if number % 3 else 1000)
                tasks.start_soon(wait, f"p{number}")
                await anyio.sleep(0.5)
        assert len(ended) == 133

    async def test_a_server_that_knows_no_filter_does_not_hold_up_the_waits(self) -> None:
        history = named(1000, 0.0)
        awaited = {f"awaited {number}": 3.0 + number / 10 for number in range(60)}
        api = RunningPredictions({**history, **awaited}, filters=False)
        ended = await wait_for(api, awaited)
        assert all(ended[each] - lasts <= 1.5 for each, lasts in awaited.items())
        assert (len(api.lists) <= 2 * 11, api.fetched) == (True, 60)

    async def test_no_more_pages_are_read_than_predictions_are_awaited(self) -> None:
        def fault(request: httpx.Request) -> httpx.Response | None:
            if not request.url.path.endswith("/predictions"):
                return None
            cursor = str(len(api.lists))
            return httpx.Response(200, json={"items": [], "next_cursor": cursor, "previous_cursor": None})

        api = RunningPredictions(named(10, 5.5), fault=fault)
        await wait_for(api)
        assert len(api.lists) == 10

    async def test_pages_that_go_in_a_circle_are_read_once(self) -> None:
        def fault(request: httpx.Request) -> httpx.Response | None:
            if not request.url.path.endswith("/predictions"):
                return None
            return httpx.Response(200, json={"items": [], "next_cursor": "again", "previous_cursor": None})

        api = RunningPredictions(named(10, 2.5), fault=fault)
        await wait_for(api)
        assert len(api.lists) <= 2 * 5


FAULTS: dict[str, httpx.Response | Exception] = {
    "503": httpx.Response(503),
    "refused": httpx.ConnectError("refused"),
    "broken": httpx.ReadError("broken"),
    "garbage": httpx.Response(200, content=b"<html>"),
}


class TestFaults:
    def failing_api(self, begin: float, end: float, fault: httpx.Response | Exception) -> RunningPredictions:
        def respond(_: httpx.Request) -> httpx.Response | None:
            if not begin <= api.now < end:
                return None
            if isinstance(fault, Exception):
                raise fault.with_traceback(None)  # else it grows, for the tests after this one too
            return httpx.Response(fault.status_code, content=fault.content)

        api = RunningPredictions(named(60, lambda number: 3 + number / 20), fault=respond)
        return api

    @pytest.mark.parametrize("fault", FAULTS)
    @pytest.mark.parametrize("count", [1, 15])
    async def test_faults_of_less_than_a_minute_are_outlived(self, fault: str, count: int) -> None:
        api = self.failing_api(1.5, 50, FAULTS[fault])
        ended = await wait_for(api, list(api.ends)[:count])
        assert max(ended.values()) <= 70

    @pytest.mark.parametrize("count", [1, 15])
    async def test_faults_count_from_the_last_success_on(self, count: int) -> None:
        def respond(_: httpx.Request) -> httpx.Response | None:
            return httpx.Response(503) if 1.5 < api.now < 50 or 54 < api.now < 100 else None

        api = RunningPredictions(named(60, 102.0), fault=respond)
        await wait_for(api, list(api.ends)[:count])

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            ("503", InternalServerError),
            ("refused", APIConnectionError),
            ("broken", APIConnectionError),
            ("garbage", APIResponseError),
        ],
    )
    @pytest.mark.parametrize("count", [1, 15])
    async def test_after_a_minute_of_nothing_but_faults_each_wait_ends_in_their_error(
        self, fault: str, error: type[Exception], count: int
    ) -> None:
        api = self.failing_api(1.5, 1000, FAULTS[fault])
        client = client_of(api)
        failed_at: list[float] = []

        async def wait(prediction_id: str) -> None:
            with pytest.raises(error):
                await client.predictions.async_wait(prediction_id)
            failed_at.append(api.now)

        async with create_task_group() as tasks:
            for prediction_id in list(api.ends)[:count]:
                tasks.start_soon(wait, prediction_id)
        assert len(failed_at) == count
        assert min(failed_at) >= 60
        assert max(failed_at) <= 120

    @pytest.mark.parametrize("fault", ["503", "garbage"])
    async def test_that_lists_come_does_not_keep_a_wait_going_whose_fetches_fail(self, fault: str) -> None:
        def respond(request: httpx.Request) -> httpx.Response | None:
            answer = FAULTS[fault]
            assert isinstance(answer, httpx.Response)
            failing = request.url.path.endswith("/p0")
            return httpx.Response(answer.status_code, content=answer.content) if failing else None

        api = RunningPredictions({"p0": 1.5, "p1": 300.0, "p2": 300.0}, fault=respond)
        client = client_of(api)

        async def wait_in_vain() -> None:
            with pytest.raises((InternalServerError, APIResponseError)):
                await client.predictions.async_wait("p0")
            assert 60 <= api.now <= 120

        async with create_task_group() as tasks:
            tasks.start_soon(wait_in_vain)
            tasks.start_soon(client.predictions.async_wait, "p1")
            tasks.start_soon(client.predictions.async_wait, "p2")
        assert 300 <= api.now <= 302

    @pytest.mark.parametrize(("latency", "seconds"), [(0.0, "1.00"), (0.25, "0.75"), (1.5, "0.00")])
    async def test_the_log_says_which_poll_failed_why_and_when_the_next_comes(
        self, latency: float, seconds: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "wriftai_anyio")
        api = RunningPredictions(named(1, 0.5), latency=latency)
        api.fault = lambda _: httpx.Response(200, json=[]) if api.fetched == 1 else None
        await wait_for(api)
        [record] = caplog.records
        assert record.getMessage() == (
            f"polling prediction p0 again after {seconds} s: 200 with an answer that cannot be used"
        )

    async def test_what_does_not_exist_ends_its_own_wait_at_once_and_no_other(self) -> None:
        api = RunningPredictions(named(20, 3.5))
        client = client_of(api)

        async def wait_in_vain() -> None:
            with pytest.raises(NotFoundError):
                await client.predictions.async_wait("nobody")
            assert api.now < 0.1

        async with create_task_group() as tasks:
            tasks.start_soon(wait_in_vain)
            for prediction_id in api.ends:
                tasks.start_soon(client.predictions.async_wait, prediction_id)
        assert 3.5 <= api.now <= 5

    async def test_a_token_that_is_revoked_ends_every_wait(self) -> None:
        api = self.failing_api(1.5, 1000, httpx.Response(401))
        client = client_of(api)

        async def wait(prediction_id: str) -> None:
            with pytest.raises(AuthenticationError):
                await client.predictions.async_wait(prediction_id)

        async with create_task_group() as tasks:
            for prediction_id in api.ends:
                tasks.start_soon(wait, prediction_id)
        assert api.now < 4


class TestRateLimits:
    async def test_waits_stay_within_the_limit_and_all_end_near_the_floor(self) -> None:
        api = RunningPredictions(named(100, 2.0), limit=15)
        ended = await wait_for(api)
        assert api.refused == 0
        assert api.fetched == 100
        assert max(ended.values()) <= 1.35 * (100 / 15 + 2.0)


class Creating(RunningPredictions):
    """Creates predictions that run for so many seconds from then on, and holds no create."""

    def __init__(self, seconds: float) -> None:
        super().__init__({})
        self._seconds = seconds

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return await super()._answer(request)
        await anyio.sleep(self.latency)
        prediction_id = f"created-{len(self.ends)}"
        self.ends[prediction_id] = anyio.current_time() + self._seconds
        return httpx.Response(201, json=prediction("pending", id=prediction_id))


class TestEarlyPolls:
    @pytest.mark.parametrize("count", [1, 2, 5, 9])
    async def test_a_few_that_are_not_held_are_known_to_have_ended_long_before_an_interval(self, count: int) -> None:
        api = Creating(0.02)
        client = client_of(api)
        options = AsyncWaitOptions(cancel_on_exit=True)

        async def create() -> None:
            await client.predictions.async_create({"input": 1}, "o/n", wait=True, wait_options=options)

        async with create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(create)
        assert len(api.ends) == count
        assert api.now < 0.3
        assert api.fetched + len(api.lists) <= 2 * count + 2
