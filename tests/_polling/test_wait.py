"""One wait: when it is polled, and what it gives its waiter to do."""

from typing import Any

import anyio
import httpx
import pytest

from tests.support.clients import ID, in_virtual_time, prediction
from wriftai_anyio import APIStatusError
from wriftai_anyio._polling.wait import FAULT_PATIENCE, FIRST_INTERVAL, Wait
from wriftai_anyio.errors import InternalServerError, NotFoundError, RateLimitError

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return in_virtual_time(request.param)


def wait_of(interval: float = 2.0, patience: float = 0.0, **options: Any) -> Wait:
    settings: dict[str, Any] = {"seen_at": 0.0, "wants_each": False, **options}
    return Wait(ID, interval, lambda _: patience, **settings)


def told(status: str) -> Any:
    return prediction(status)


async def test_the_first_poll_is_due_at_once_unless_the_state_was_just_seen() -> None:
    assert wait_of(seen_at=None).due == float("-inf")
    assert wait_of(seen_at=7.0).due == 9.0
    assert wait_of(seen_at=7.0, patience=30.0).due == 37.0


async def test_after_a_create_the_interval_doubles_with_each_look_up_to_the_one_asked_for() -> None:
    for look in (Wait.note_fetch, Wait.note_listing):
        wait = wait_of(interval=0.3, eager=True)
        intervals = []
        for now in range(5):
            intervals.append(wait.interval)
            look(wait, float(now))
            assert wait.due == now + wait.interval
        assert intervals == pytest.approx([FIRST_INTERVAL, 2 * FIRST_INTERVAL, 4 * FIRST_INTERVAL, 0.3, 0.3])


@pytest.mark.parametrize(("began", "gone"), [(101.9, False), (102.0, True), (110.0, True)])
async def test_a_list_says_that_it_has_ended_only_an_interval_after_a_fetch_of_its_own(
    began: float, gone: bool
) -> None:
    wait = wait_of()
    wait.note_fetch(100.0)
    wait.note_listing(began)
    wait.note_missing(began)
    assert wait.ready == gone
    assert wait.due == (began if gone else 100.0) + 2.0


async def test_a_list_that_misses_what_was_just_created_counts_after_its_first_interval() -> None:
    wait = wait_of(seen_at=100.0, eager=True)
    began = 100.0 + 1.001 * FIRST_INTERVAL
    wait.note_listing(began)
    wait.note_missing(began)
    assert wait.ready


async def test_what_a_late_list_misses_is_polled_no_sooner_however_often_that_is_noted() -> None:
    wait = wait_of(seen_at=100.0)
    wait.note_listing(101.5)
    for _ in range(3):
        wait.note_missing(101.5)
        assert (wait.ready, wait.due) == (False, 102.0)


async def test_a_webhook_that_tells_no_end_only_puts_the_poll_off() -> None:
    wait = wait_of()
    await anyio.sleep(1.5)
    wait.note_told(told("started"))
    assert not wait.ready
    assert wait.take_told() is None
    assert wait.due == pytest.approx(anyio.current_time() + 2.0)


@pytest.mark.parametrize(("status", "wants_each"), [("succeeded", False), ("failed", False), ("started", True)])
async def test_what_a_webhook_tells_is_taken_once_and_is_a_copy(status: str, wants_each: bool) -> None:
    wait, given = wait_of(wants_each=wants_each), told(status)
    wait.note_told(given)
    assert wait.ready
    taken = wait.take_told()
    assert taken == given
    assert taken is not given
    assert wait.take_told() is None
    wait.begin_work()
    assert not wait.ready


async def test_the_sleep_of_a_wait_ends_when_its_poll_is_due_or_as_soon_as_there_is_something_to_do() -> None:
    wait = wait_of(seen_at=anyio.current_time())
    began = anyio.current_time()
    for pause in (0.5, 0.5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait.sleep_until_ready)
            await anyio.sleep(pause)
            wait.make_ready()
    assert anyio.current_time() - began == pytest.approx(1.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait.sleep_until_ready)
        await anyio.sleep(0.25)
        wait.signal()
    assert anyio.current_time() - began == pytest.approx(2.0)
    wait.note_fetch(anyio.current_time())
    await wait.sleep_until_ready()
    assert anyio.current_time() - began == pytest.approx(4.0)


def fault(kind: type[APIStatusError], code: int) -> APIStatusError:
    response = httpx.Response(code, request=httpx.Request("GET", "https://api.example/v1"))
    return kind("no", response=response, message="no")


async def test_it_outlives_a_minute_of_passing_faults_and_no_refusal() -> None:
    wait, busy = wait_of(), fault(RateLimitError, 429)
    await anyio.sleep(5)
    assert not wait_of().outlives(fault(NotFoundError, 404))
    assert wait.outlives(busy)
    await anyio.sleep(FAULT_PATIENCE - 1)
    assert wait.outlives(busy)
    await anyio.sleep(2)
    assert not wait.outlives(busy)
    wait.failing_since = None
    assert wait.outlives(busy)


@pytest.mark.parametrize("code", [425, 500, 501, 520, 524, 530, 599])
async def test_it_outlives_whatever_fails_on_the_way_to_the_server(code: int) -> None:
    assert wait_of().outlives(fault(InternalServerError, code))


async def test_the_request_that_goes_out_late_begins_the_interval_anew() -> None:
    wait = wait_of()
    wait.note_fetch(anyio.current_time())
    await anyio.sleep(10)
    await wait.note_attempt()
    assert wait.due == pytest.approx(anyio.current_time() + 2.0)
    wait.note_missing(anyio.current_time() + 1.9)
    assert not wait.ready
