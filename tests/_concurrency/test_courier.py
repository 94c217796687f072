"""Calls into an event loop from other threads."""

import threading
from collections.abc import Callable
from functools import partial

import anyio
import pytest
from anyio import to_thread
from anyio.lowlevel import current_token

from tests.support.clients import until
from wriftai_anyio._concurrency import courier
from wriftai_anyio._concurrency.courier import Courier

pytestmark = pytest.mark.anyio


@pytest.fixture
def soon_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "LONGEST_IDLE", 0.005)


async def test_calls_of_another_thread_come_in_order_on_the_event_loops_own(couriers: list[threading.Thread]) -> None:
    courier = Courier(current_token())
    came: list[tuple[int, threading.Thread]] = []

    def send() -> None:
        for number in range(500):
            courier.carry(partial(note, number))

    def note(number: int) -> None:
        came.append((number, threading.current_thread()))

    await to_thread.run_sync(send)
    await until(lambda: len(came) == 500)
    assert came == [(number, threading.current_thread()) for number in range(500)]
    assert len(couriers) == 1


async def test_a_call_of_the_event_loops_own_thread_happens_at_once() -> None:
    came: list[int] = []
    Courier(current_token()).carry(partial(came.append, 1))
    assert came == [1]


async def test_nobody_waits_for_an_event_loop_that_is_busy() -> None:
    courier = Courier(current_token())
    came: list[int] = []
    sent = threading.Event()

    def send() -> None:
        for number in range(10):
            courier.carry(partial(came.append, number))
        sent.set()

    threading.Thread(target=send).start()
    assert sent.wait(10)  # this thread is the event loop's
    assert came == []
    await until(lambda: len(came) == 10)


async def test_its_thread_ends_when_there_is_nothing_to_do_and_another_follows(
    soon_idle: None, couriers: list[threading.Thread]
) -> None:
    courier = Courier(current_token())
    came: list[int] = []
    for number in (1, 2):
        await to_thread.run_sync(courier.carry, partial(came.append, number))
        await until(lambda: not couriers[-1].is_alive())
    assert came == [1, 2]
    assert len(couriers) == 2


def test_calls_into_an_event_loop_that_has_ended_are_dropped(
    anyio_backend_name: str, soon_idle: None, couriers: list[threading.Thread]
) -> None:
    made: list[Courier] = []
    calls: list[Callable[[], None]] = []

    async def main() -> None:
        made.append(Courier(current_token()))

    anyio.run(main, backend=anyio_backend_name)
    made[0].carry(lambda: calls.append(print))
    couriers[0].join(10)
    assert not couriers[0].is_alive()
    assert calls == []
