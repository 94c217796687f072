"""Waits that share a poller: leaders that leave, several event loops, ends that webhooks tell of."""

import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, cast

import anyio
import httpx
import pytest
from anyio import CancelScope, create_task_group, fail_after, get_running_tasks, move_on_after, to_thread
from anyio.lowlevel import current_token

from tests.support.clients import client_of, in_virtual_time, prediction
from tests.support.patience import PATIENCE, until_async
from tests.support.running_predictions import RunningPredictions, named
from wriftai_anyio import Client, NotFoundError, WaitTimeoutError
from wriftai_anyio._polling.shared_polls import SharedPolls
from wriftai_anyio.predictions import AsyncWaitOptions, PredictionWithIO

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return in_virtual_time(request.param)


def ended(prediction_id: str, status: str = "succeeded") -> PredictionWithIO:
    return cast("PredictionWithIO", prediction(status, id=prediction_id, output="told"))


def polls_of(client: Client) -> SharedPolls | None:
    return client.predictions._poller._loops.get().get(id(current_token().native_token))


class Waits:
    """Waits for all predictions of an API, each in a task and a scope of its own, begun in order."""

    def __init__(self, api: RunningPredictions, **options: Any) -> None:
        self.api = api
        self.client = client_of(api)
        self.options = AsyncWaitOptions(**options)
        self.scopes = {prediction_id: CancelScope() for prediction_id in api.ends}
        self.ended: dict[str, float] = {}
        self.results: dict[str, PredictionWithIO] = {}

    async def _wait(self, prediction_id: str) -> None:
        with self.scopes[prediction_id]:
            self.results[prediction_id] = await self.client.predictions.async_wait(prediction_id, self.options)
            self.ended[prediction_id] = self.api.now

    async def run(self, meanwhile: Callable[[], Coroutine[Any, Any, object]] | None = None) -> None:
        with fail_after(1000):
            async with create_task_group() as tasks:
                for prediction_id in self.scopes:
                    tasks.start_soon(self._wait, prediction_id)
                if meanwhile is not None:
                    tasks.start_soon(meanwhile)

    def leader(self) -> str | None:
        polls = polls_of(self.client)
        return polls._leader.prediction_id if polls is not None and polls._leader is not None else None


def three_hundred(latency: float = 0.3) -> RunningPredictions:
    return RunningPredictions(named(300, lambda number: 4 + number / 50), latency=latency)


class TestBeginning:
    async def test_a_wait_alone_whose_poll_is_due_is_polled_without_rounds(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(SharedPolls, "_lead", None)
        waits = Waits(RunningPredictions(named(1, lambda _: 0.0)))
        await waits.run()
        assert (list(waits.ended), waits.api.lists) == (["p0"], [])

    async def test_waits_that_begin_at_the_same_time_share_their_first_list(self) -> None:
        waits = Waits(RunningPredictions(named(60, lambda _: 0.0)))
        await waits.run()
        assert len(waits.ended) == 60
        assert len(waits.api.lists) == 1


class TestHandOver:
    @pytest.mark.parametrize(("pause", "least_in_mid_request"), [(0.001, 1), (0.013, 2), (0.1, 10)])
    async def test_others_take_over_when_a_hundred_leaders_leave(self, pause: float, least_in_mid_request: int) -> None:
        undisturbed = Waits(three_hundred())
        await undisturbed.run()

        waits = Waits(three_hundred())
        left: list[str] = []
        in_mid_request = 0

        async def leave() -> None:
            nonlocal in_mid_request
            await anyio.sleep(0.31)
            while len(left) < 100:
                leader = waits.leader()
                if leader is not None and leader not in left:
                    in_mid_request += waits.api.under_way > 0
                    left.append(leader)
                    waits.scopes[leader].cancel()
                await anyio.sleep(pause)

        await waits.run(leave)
        assert len(waits.ended) == 200
        assert set(waits.ended) == set(waits.scopes) - set(left)
        assert in_mid_request >= least_in_mid_request
        assert len(waits.api.lists) <= len(undisturbed.api.lists) + 2
        for prediction_id in waits.ended:
            assert len(waits.api.fetches[prediction_id]) == 1
        assert all(len(waits.api.fetches[prediction_id]) <= 1 for prediction_id in left)
        assert max(waits.ended.values()) <= max(undisturbed.ended.values()) + 3

    async def test_a_leader_that_times_out_hands_over(self) -> None:
        api = RunningPredictions(named(30, 5.5))
        waits = Waits(api)

        async def time_out() -> None:
            with pytest.raises(WaitTimeoutError):
                await waits.client.predictions.async_wait("p0", AsyncWaitOptions(timeout=2.5))

        async with create_task_group() as tasks:
            tasks.start_soon(time_out)
            await anyio.sleep(0.001)
            tasks.start_soon(waits.run)
        assert len(waits.ended) == 30
        assert max(waits.ended.values()) <= 7

    async def test_a_leader_whose_prediction_vanishes_hands_over(self) -> None:
        api = RunningPredictions(named(30, 5.5))
        waits = Waits(api)

        async def wait_in_vain() -> None:
            with pytest.raises(NotFoundError):
                await waits.client.predictions.async_wait("p30")

        api.ends["p30"] = api.began + 100
        async with create_task_group() as tasks:
            tasks.start_soon(wait_in_vain)
            await anyio.sleep(0.001)
            tasks.start_soon(waits.run)
            await anyio.sleep(3)
            del api.ends["p30"]
        assert len(waits.ended) == 30

    async def test_each_wait_says_by_itself_that_its_client_was_closed(self) -> None:
        waits = Waits(RunningPredictions(named(3, 100)))
        said: list[str] = []

        async def wait(prediction_id: str) -> None:
            with pytest.raises(RuntimeError) as caught:
                await waits.client.predictions.async_wait(prediction_id)
            said.append(str(caught.value))

        async with create_task_group() as tasks:
            for prediction_id in waits.scopes:
                tasks.start_soon(wait, prediction_id)
            await anyio.sleep(2.5)
            await waits.client.aclose()
        assert len(said) == 3
        assert all("client is closed" in each for each in said)

    @pytest.mark.parametrize("moment", [0.005, 0.5, 1.005, 2.4, 3.515])
    async def test_nothing_outlives_the_waits(self, moment: float) -> None:
        before = {task.id for task in get_running_tasks()}
        waits = Waits(RunningPredictions(named(20, 3.5)))
        with move_on_after(moment):
            await waits.run()
        assert {task.id for task in get_running_tasks()} == before
        assert waits.api.under_way == 0
        assert polls_of(waits.client) is None
        assert waits.client.rate_limits.others.queued == 0

    async def test_a_wait_that_is_left_while_it_fetches_leaves_the_others_alone(self) -> None:
        waits = Waits(RunningPredictions(named(20, 1.5), latency=0.2))

        async def leave() -> None:
            await anyio.sleep(2.3)
            assert waits.api.under_way == 20
            waits.scopes["p3"].cancel()

        await waits.run(leave)
        assert len(waits.ended) == 19


class TestWebhooks:
    async def test_what_a_webhook_tells_ends_the_wait_without_a_poll(self) -> None:
        waits = Waits(RunningPredictions(named(10, 100.5)))

        async def notify() -> None:
            await anyio.sleep(2.2)
            for prediction_id in list(waits.scopes)[:5]:
                waits.client.predictions.notify(ended(prediction_id))

        await waits.run(notify)
        told = list(waits.scopes)[:5]
        assert [waits.ended[each] for each in told] == pytest.approx([2.2] * 5)
        assert [waits.results[each]["output"] for each in told] == ["told"] * 5
        assert all(waits.api.fetches[each] == [] for each in told)

    async def test_it_ends_the_wait_of_a_leader_in_mid_request_and_the_others_go_on(self) -> None:
        waits = Waits(RunningPredictions(named(10, 5.5), latency=0.2))

        async def notify() -> None:
            await anyio.sleep(1.1)
            leader = waits.leader()
            assert leader is not None
            assert waits.api.under_way == 1
            waits.client.predictions.notify(ended(leader))

        await waits.run(notify)
        assert len(waits.ended) == 10
        assert max(waits.ended.values()) <= 8

    async def test_a_wait_that_begins_later_ends_at_once(self) -> None:
        api = RunningPredictions(named(1, 100.0))
        client = client_of(api)
        client.predictions.notify(ended("p0", "failed"))
        seen: list[str] = []

        async def on_poll(latest: PredictionWithIO) -> None:
            seen.append(latest["status"])

        for callback in (None, on_poll):
            found = await client.predictions.async_wait("p0", AsyncWaitOptions(on_poll=callback))
            assert found["status"] == "failed"
        assert seen == ["failed"]
        assert (api.now, api.fetched, api.lists) == (0, 0, [])

    async def test_a_state_that_is_no_end_changes_nothing(self) -> None:
        waits = Waits(RunningPredictions(named(2, 3.5)))

        async def notify() -> None:
            await anyio.sleep(0.5)
            waits.client.predictions.notify(ended("p0", "started"))
            waits.client.predictions.notify(ended("nobody"))

        await waits.run(notify)
        assert min(waits.ended.values()) >= 3.5

    async def test_the_callback_is_told_the_end(self) -> None:
        seen: list[object] = []

        async def on_poll(latest: PredictionWithIO) -> None:
            seen.append(latest["output"])

        waits = Waits(RunningPredictions(named(1, 100.0)), on_poll=on_poll)

        async def notify() -> None:
            await anyio.sleep(1.5)
            waits.client.predictions.notify(ended("p0"))

        await waits.run(notify)
        assert seen == [None, None, "told"]

    async def test_where_webhooks_arrive_a_prediction_that_has_one_is_polled_rarely(self) -> None:
        def created(request: Any) -> Any:
            return api._get("p0") if request.method == "POST" else None

        api = RunningPredictions(named(1, 100.0), fault=created)
        client = client_of(api)
        client.predictions.notify(ended("another"))
        params: Any = {"input": 1, "webhook": {"url": "https://me.example/hook"}}
        await client.predictions.async_create(params, "sandbox/echo", wait=True)
        assert 3 <= len(api.fetches["p0"]) <= 4


class SharedApi(httpx.AsyncBaseTransport):
    """Serves several event loops: its predictions run until an event is set.

    Args:
        ends: Set when they have ended.
    """

    def __init__(self, ends: threading.Event) -> None:
        self._ends = ends

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await anyio.lowlevel.checkpoint()
        prediction_id = request.url.path.rpartition("/")[2]
        status = "succeeded" if self._ends.is_set() else "started"
        if prediction_id != "predictions":
            return httpx.Response(200, json=prediction(status, id=prediction_id))
        running = [] if self._ends.is_set() else [prediction(status, id=f"p{number}") for number in range(30)]
        return httpx.Response(200, json={"items": running, "next_cursor": None, "previous_cursor": None})


class TestRealTime:
    """Several event loops, threads, and a clock that nobody turns."""

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> str:
        backend: str = request.param
        return backend

    async def test_waits_in_several_event_loops_go_through_one_client(self) -> None:
        ends = threading.Event()
        client = client_of(SharedApi(ends))

        async def wait() -> list[str]:
            statuses: list[str] = []

            async def wait_for(prediction_id: str) -> None:
                options = AsyncWaitOptions(poll_interval=0.02)
                statuses.append((await client.predictions.async_wait(prediction_id, options))["status"])

            with fail_after(PATIENCE):
                async with create_task_group() as tasks:
                    for number in range(30):
                        tasks.start_soon(wait_for, f"p{number}")
            return statuses

        results: list[list[str]] = []

        async def in_thread(backend: str) -> None:
            results.append(await to_thread.run_sync(partial(anyio.run, wait, backend=backend)))

        async with create_task_group() as tasks:
            tasks.start_soon(in_thread, "asyncio")
            tasks.start_soon(in_thread, "trio")
            await until_async(lambda: len(client.predictions._poller._loops.get()) == 2)
            ends.set()
            results.append(await wait())
        assert results == [["succeeded"] * 30] * 3
        assert client.predictions._poller._loops.get().valuerefs() == []

    async def test_webhooks_in_another_thread_end_500_waits_without_a_thread_of_ours(
        self, started_threads: list[str]
    ) -> None:
        client = client_of(SharedApi(threading.Event()))
        results: list[PredictionWithIO] = []
        options = AsyncWaitOptions(poll_interval=1000)

        def notify() -> None:
            for number in range(500):
                client.predictions.notify(ended(f"p{number}"))

        async def wait_for(prediction_id: str) -> None:
            results.append(await client.predictions.async_wait(prediction_id, options))

        with fail_after(PATIENCE):
            async with create_task_group() as tasks:
                for number in range(500):
                    tasks.start_soon(wait_for, f"p{number}")
                await anyio.sleep(0.01)
                await to_thread.run_sync(notify)
        assert [result["output"] for result in results] == ["told"] * 500
        assert started_threads == []

    def test_a_webhook_ends_a_blocking_wait(self) -> None:
        with client_of(SharedApi(threading.Event())) as client:
            results: list[PredictionWithIO] = []
            waiting = threading.Thread(target=lambda: results.append(client.predictions.wait("p0")))
            waiting.start()
            client.predictions.notify(ended("p0"))
            waiting.join(PATIENCE)
            assert [result["output"] for result in results] == ["told"]
