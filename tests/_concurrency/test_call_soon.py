"""What is said to an event loop from other threads."""

import contextvars
import threading
from collections.abc import Callable
from functools import partial

import anyio
import pytest
from anyio import to_thread

from tests.support.patience import PATIENCE, until_async
from wriftai_anyio._concurrency.call_soon import CallSoon

pytestmark = pytest.mark.anyio

BACKENDS = [
    pytest.param(("asyncio", {}), id="asyncio"),
    pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    pytest.param(("trio", {}), id="trio"),
]


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Runs each coroutine test on uvloop too."""
    return request.param


async def test_calls_of_another_thread_come_in_order_on_the_event_loops_own(started_threads: list[str]) -> None:
    call_soon = CallSoon()
    came: list[tuple[int, threading.Thread]] = []

    def send() -> None:
        for number in range(500):
            call_soon(partial(note, number))

    def note(number: int) -> None:
        came.append((number, threading.current_thread()))

    await to_thread.run_sync(send)
    await until_async(lambda: len(came) == 500)
    assert came == [(number, threading.current_thread()) for number in range(500)]
    assert started_threads == []


async def test_a_call_of_the_event_loops_own_thread_does_not_happen_inside_its_caller() -> None:
    came: list[int] = []
    CallSoon()(partial(came.append, 1))
    assert came == []
    await until_async(lambda: came == [1])


async def test_nobody_waits_for_an_event_loop_that_is_busy() -> None:
    call_soon = CallSoon()
    came: list[int] = []
    sent = threading.Event()

    def send() -> None:
        for number in range(10):
            call_soon(partial(came.append, number))
        sent.set()

    threading.Thread(target=send).start()
    assert sent.wait(PATIENCE)  # this thread is the event loop's
    assert came == []
    await until_async(lambda: len(came) == 10)


async def test_what_is_called_may_ask_anyio_for_the_time_and_wake_tasks() -> None:
    call_soon = CallSoon()
    event = anyio.Event()
    times: list[float] = []

    def call() -> None:
        times.append(anyio.current_time())
        event.set()

    def from_a_context_that_knows_no_event_loop() -> None:
        contextvars.Context().run(call_soon, call)

    await to_thread.run_sync(from_a_context_that_knows_no_event_loop)
    with anyio.fail_after(PATIENCE):
        await event.wait()
    assert times[0] <= anyio.current_time()


@pytest.mark.parametrize("backend", BACKENDS)
def test_calls_into_an_event_loop_that_has_ended_are_dropped(backend: tuple[str, dict[str, object]]) -> None:
    made: list[CallSoon] = []
    calls: list[Callable[[], None]] = []

    async def main() -> None:
        made.append(CallSoon())

    anyio.run(main, backend=backend[0], backend_options=backend[1])
    made[0](lambda: calls.append(print))
    assert calls == []
