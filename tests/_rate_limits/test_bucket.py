"""The queues of an account's rate budget: who goes first, who shares it, and what leaving leaves behind."""

import dataclasses
import gc
import math
import pickle
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
from anyio import CancelScope, create_task_group, current_time, fail_after, move_on_after, wait_all_tasks_blocked
from anyio.abc import TaskGroup
from anyio.from_thread import start_blocking_portal

from tests.support.clients import BASE_URL, ID, Script, answer, client_of, in_virtual_time, never
from tests.support.patience import AT_ONCE, PATIENCE
from wriftai_anyio import Client
from wriftai_anyio._rate_limits.accounts import _registry
from wriftai_anyio._rate_limits.bucket import Bucket
from wriftai_anyio._rate_limits.budget import FEW
from wriftai_anyio._rate_limits.state import RateLimit, RateLimits

pytestmark = pytest.mark.anyio

MODEL = "sandbox/echo"
INPUT: Any = {"input": 1}
NOTHING_KNOWN = RateLimit(limit=None, remaining=None, reset=None, queued=0)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return in_virtual_time(request.param)


def stating(limit: int, **headers: object) -> dict[str, str]:
    named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    return {"x-ratelimit-limit": str(limit), **named}


async def limited_bucket(limit: int) -> Bucket:
    """Makes a bucket whose server has stated its limit."""
    bucket = Bucket()
    bucket.answered(await bucket.acquire(), 200, stating(limit))
    return bucket


async def paused_bucket(seconds: float) -> Bucket:
    """Makes a bucket whose server has asked to be left alone for so long."""
    bucket = Bucket()
    bucket.answered(await bucket.acquire(), 429, {"retry-after": str(seconds)})
    return bucket


class Queue:
    """Requests that wait for their turn at a bucket, one after the other."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.went: list[int] = []
        self.scopes: list[CancelScope] = []

    async def stand(self, *, first: bool = False) -> None:
        with self.scopes[-1]:
            number = len(self.scopes) - 1
            slot = await self.bucket.acquire(first=first)
            self.went.append(number)
            self.bucket.answered(slot, 200, {})

    async def join(self, tasks: TaskGroup, **options: bool) -> None:
        self.scopes.append(CancelScope())
        tasks.start_soon(lambda: self.stand(**options))
        await wait_all_tasks_blocked()


class TestQueue:
    async def test_first_come_first_served(self) -> None:
        queue = Queue(await limited_bucket(4))
        with fail_after(PATIENCE):
            async with create_task_group() as tasks:
                for _ in range(20):
                    await queue.join(tasks)
        assert queue.went == list(range(20))

    async def test_who_comes_when_others_are_about_to_go_does_not_overtake_them(self) -> None:
        bucket = Bucket()
        slots = [await bucket.acquire() for _ in range(FEW)]
        queue = Queue(bucket)
        async with create_task_group() as tasks:
            await queue.join(tasks)
            bucket.answered(slots[0], 200, {})
            queue.scopes.append(CancelScope())
            await queue.stand()
        assert queue.went == [0, 1]

    async def test_what_is_urgent_goes_before_those_that_wait(self) -> None:
        queue = Queue(await paused_bucket(5))
        with fail_after(PATIENCE):
            async with create_task_group() as tasks:
                await queue.join(tasks)
                await queue.join(tasks)
                await queue.join(tasks, first=True)
        assert queue.went == [2, 0, 1]

    async def test_nothing_is_held_or_urgent_that_is_not_said_to_be(self) -> None:
        bucket = await paused_bucket(5)
        went: list[tuple[int, bool]] = []

        async def stand(number: int) -> None:
            slot = await bucket.acquire()
            went.append((number, slot.held))

        with fail_after(PATIENCE):
            async with create_task_group() as tasks:
                for number in range(3):
                    tasks.start_soon(stand, number)
                    await wait_all_tasks_blocked()
        assert went == [(0, False), (1, False), (2, False)]

    async def test_a_slot_says_how_long_it_was_waited_for(self) -> None:
        bucket = await paused_bucket(5)
        await anyio.sleep(2)
        with fail_after(PATIENCE):
            slot = await bucket.acquire()
        assert slot.waited == pytest.approx(3, abs=0.3)
        bucket.answered(slot, 200, {})

    @pytest.mark.parametrize("left", [[0], [3], [5], [0, 1], [2, 3, 4], [5, 4, 3, 2, 1, 0]])
    async def test_leaving_the_queue_at_any_place_leaves_nothing_behind(self, left: list[int]) -> None:
        queue = Queue(await paused_bucket(5))
        with fail_after(PATIENCE):
            async with create_task_group() as tasks:
                for _ in range(6):
                    await queue.join(tasks)
                assert queue.bucket.state().queued == 6
                for place in left:
                    queue.scopes[place].cancel()
                    await wait_all_tasks_blocked()
                assert queue.bucket.state().queued == 6 - len(left)
        assert queue.went == [place for place in range(6) if place not in left]
        assert queue.bucket._queues.valuerefs() == []

    async def test_whoever_leaves_does_not_use_up_a_slot(self) -> None:
        bucket = await limited_bucket(1)
        began = current_time()
        with move_on_after(0.5):
            await bucket.acquire()
        with fail_after(PATIENCE):
            await bucket.acquire()
        assert current_time() - began < 1.2

    async def test_the_queue_goes_on_as_soon_as_an_answer_lifts_what_held_it_up(self) -> None:
        bucket = Bucket()
        slots = [await bucket.acquire() for _ in range(FEW)]
        queue = Queue(bucket)
        async with create_task_group() as tasks:
            for _ in range(50):
                await queue.join(tasks)
            assert queue.went == []
            began = current_time()
            bucket.answered(slots[0], 200, {})
        assert (len(queue.went), current_time()) == (50, began)

    async def test_the_queue_goes_on_as_soon_as_a_request_is_given_up(self) -> None:
        bucket = Bucket()
        slots = [await bucket.acquire() for _ in range(FEW)]
        queue = Queue(bucket)
        async with create_task_group() as tasks:
            await queue.join(tasks)
            began = current_time()
            bucket.unanswered(slots[0])
        assert (queue.went, current_time()) == ([0], began)


def run_in_threads(*functions: Callable[[], None]) -> None:
    errors: list[BaseException] = []

    def guarded(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert errors == []
    assert not any(thread.is_alive() for thread in threads)


class TestThreads:
    """Several event loops, each in a thread of its own, share a bucket."""

    def test_together_they_stay_within_the_limit(self) -> None:
        bucket = Bucket()
        limit, sent, lock = 40, [], threading.Lock()

        async def send() -> None:
            async with create_task_group() as tasks:
                for _ in range(11):
                    tasks.start_soon(send_one)

        async def send_one() -> None:
            slot = await bucket.acquire()
            with lock:
                sent.append(time.monotonic())
            bucket.answered(slot, 200, stating(limit))

        run_in_threads(
            *[lambda backend=backend: anyio.run(send, backend=backend) for backend in ("asyncio", "trio") * 2]
        )
        assert len(sent) == 44
        assert max(sum(begin <= at < begin + 1.0 for at in sent) for begin in sent) <= limit
        assert bucket._queues.valuerefs() == []

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_a_pause_that_one_is_asked_for_is_kept_by_all(self, backend: str) -> None:
        bucket = anyio.run(paused_bucket, 0.3, backend="trio")
        began = time.monotonic()
        anyio.run(bucket.acquire, backend=backend)
        assert time.monotonic() - began > 0.3

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_an_answer_that_one_gets_lets_another_go_on(self, backend: str) -> None:
        bucket = Bucket()
        with start_blocking_portal("asyncio") as one, start_blocking_portal(backend) as another:
            slots = [one.call(bucket.acquire) for _ in range(FEW)]
            waiting = another.start_task_soon(bucket.acquire)
            while not bucket.queued:
                assert not waiting.done()
            one.call(bucket.answered, slots[0], 200, {})
            waiting.result(AT_ONCE)


class TestSlowStart:
    async def test_few_are_under_way_until_the_first_answer(self) -> None:
        script = Script(*[never] * (FEW - 1), forever=self.late_answer)
        client = client_of(script)
        async with create_task_group() as tasks:
            for _ in range(60):
                tasks.start_soon(client.predictions.async_get, ID)
            await anyio.sleep(0.9)
            assert len(script.requests) <= 2 * FEW
            assert client.rate_limits.others.queued == 60 - len(script.requests)
            await anyio.sleep(0.2)
            assert len(script.requests) == 60
            tasks.cancel_scope.cancel()

    async def late_answer(self, _: httpx.Request) -> httpx.Response:
        await anyio.sleep(1.0)
        return answer()

    async def test_a_create_that_is_not_held_asks_while_the_held_one_is_silent(self) -> None:
        async def hold(request: httpx.Request) -> httpx.Response:
            if "prefer" in request.headers:
                await anyio.sleep(60)
                return answer(code=201)
            return answer("pending", 201)

        script = Script(forever=hold)
        client = client_of(script)
        async with create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(lambda: client.predictions.async_create(INPUT, MODEL, wait=True))
            await anyio.sleep(0.5)
            held = ["prefer" in request.headers for request in script.requests if request.method == "POST"]
            tasks.cancel_scope.cancel()
        assert len(held) == 20
        assert held[:2] == [True, False]
        assert held.count(False) == 1


class TestAccounts:
    async def test_clients_of_an_account_share_its_rate_limits_and_others_do_not(self) -> None:
        script = Script(forever=httpx.Response(200, json={}, headers=stating(7)))
        one = client_of(script)
        token = one._api.config.access_token
        twin = Client(token, BASE_URL)
        strangers = [client_of(script), Client(token, "https://elsewhere.example/v1"), Client(None, BASE_URL)]
        await one._api.async_request("GET", "/hardware")
        assert one.rate_limits.others.limit == 7
        assert twin.rate_limits == one.rate_limits
        assert pickle.loads(pickle.dumps(twin)).rate_limits == one.rate_limits
        for stranger in strangers:
            assert stranger.rate_limits == RateLimits(NOTHING_KNOWN, NOTHING_KNOWN)

    async def test_an_account_is_forgotten_when_no_client_is_left(self) -> None:
        known = len(_registry.get()._accounts)
        client = client_of(Script())
        assert len(_registry.get()._accounts) == known
        assert client.rate_limits.creates == NOTHING_KNOWN
        assert len(_registry.get()._accounts) == known + 1
        del client
        gc.collect()
        assert len(_registry.get()._accounts) <= known

    async def test_the_registry_keeps_no_token(self) -> None:
        client = Client("0123456789-secret", BASE_URL)
        assert client.rate_limits
        assert "0123456789-secret" not in repr(list(_registry.get()._accounts.items()))


class TestRateLimits:
    async def test_they_are_what_the_server_last_stated(self) -> None:
        first = stating(9, x_ratelimit_remaining=5, x_ratelimit_reset=2_000_000_000)
        script = Script(
            httpx.Response(200, json={}, headers=stating(8)),
            httpx.Response(201, json=answer("pending").json(), headers=first),
        )
        client = client_of(script)
        await client._api.async_request("GET", "/hardware")
        assert client.rate_limits == RateLimits(NOTHING_KNOWN, dataclasses.replace(NOTHING_KNOWN, limit=8))
        await client.predictions.async_create(INPUT, MODEL)
        assert client.rate_limits.creates.limit == 9
        assert client.rate_limits.creates.remaining == 5
        assert client.rate_limits.others.limit == 8

    async def test_the_reset_is_a_moment_by_our_clock(self) -> None:
        bucket = Bucket()
        before = time.time()
        bucket.answered(await bucket.acquire(), 200, stating(15, x_ratelimit_remaining=14, x_ratelimit_reset=30))
        assert before + 30 <= (bucket.state().reset or 0) <= time.time() + 30

    async def test_they_cannot_be_changed(self) -> None:
        limits = client_of(Script()).rate_limits
        with pytest.raises(dataclasses.FrozenInstanceError):
            limits.creates.limit = 5  # type: ignore[misc]

    async def test_creates_that_wait_do_not_hold_up_the_rest(self) -> None:
        def respond(request: httpx.Request) -> httpx.Response:
            return httpx.Response(429, headers={"retry-after": "50"}) if request.method == "POST" else answer()

        script = Script(forever=respond)
        client = client_of(script)
        began = current_time()
        async with create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(client.predictions.async_create, INPUT, MODEL)
            await anyio.sleep(1)
            assert client.rate_limits.creates.queued == 10
            assert client.rate_limits.others.queued == 0
            for _ in range(5):
                await client.predictions.async_get(ID)
            assert current_time() - began < 2
            tasks.cancel_scope.cancel()
        assert client.rate_limits.creates.queued == 0

    async def test_what_was_refused_goes_before_those_that_wait(self) -> None:
        script = Script(
            httpx.Response(429, headers={"retry-after": "5"}), forever=lambda request: answer(id=request.url.path[-1])
        )
        client = client_of(script)
        async with create_task_group() as tasks:
            for prediction_id in ("a", "b", "c"):
                tasks.start_soon(client.predictions.async_get, prediction_id)
                await wait_all_tasks_blocked()
        assert [path[-1] for path in script.paths] == ["a", "a", "b", "c"]


class LimitedByTheMinute(httpx.AsyncBaseTransport):
    """Lets 60 requests through in each whole minute, and takes its time.

    Args:
        latency: Seconds from a request to its answer.
    """

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._windows: Counter[int] = Counter()
        self.refused = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await anyio.sleep(self._latency / 2)
        window = int(current_time() // 60)
        granted = self._windows[window] < 60
        self._windows[window] += granted
        self.refused += not granted
        headers = {
            "x-ratelimit-limit": "60",
            "x-ratelimit-remaining": str(60 - self._windows[window]),
            "x-ratelimit-reset": str(math.ceil((window + 1) * 60 - current_time())),
        }
        await anyio.sleep(self._latency / 2)
        return httpx.Response(200 if granted else 429, headers=headers, json={"items": []})


@pytest.mark.parametrize("latency", [0.1, 0.6, 2.0])
async def test_limits_by_the_minute_are_kept_though_answers_are_slow(latency: float) -> None:
    api = LimitedByTheMinute(latency)
    async with client_of(api) as client, create_task_group() as tasks:
        for _ in range(180):
            tasks.start_soon(client.hardware.async_list)
    assert current_time() < 180
    assert api.refused == 0
