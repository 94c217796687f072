"""What is finished after its caller has left: as a whole, for five seconds at most, and with its failure told."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from anyio import CancelScope, current_time, fail_after, move_on_after, sleep

from tests.support.clients import in_virtual_time
from wriftai_anyio._concurrency.cancellation import (
    GracePeriod,
    SendShield,
    finish,
    finish_in_own_task,
    finish_what_is_sent,
    reason_to_leave,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return in_virtual_time(request.param)


async def in_its_task(cleanup: Callable[[], Awaitable[object]]) -> Exception | None:
    return await finish(cleanup)


async def in_own_task(cleanup: Callable[[], Awaitable[object]]) -> Exception | None:
    failures: list[Exception] = []
    await finish_in_own_task(cleanup, failures.append, GracePeriod())
    return failures[0] if failures else None


both = pytest.mark.parametrize("finishing", [in_its_task, in_own_task])


@both
@pytest.mark.parametrize("cancelled", [True, False])
async def test_a_cleanup_ends_and_so_does_what_follows(finishing: Any, cancelled: bool) -> None:
    steps: list[object] = []

    async def cleanup() -> None:
        await sleep(3)
        steps.append("cleaned")

    with fail_after(30), CancelScope() as scope:
        if cancelled:
            scope.cancel()
        steps.append(await finishing(cleanup))
    assert steps == ["cleaned", None]


@both
async def test_a_cleanup_that_hangs_is_given_up_after_five_seconds(finishing: Any) -> None:
    began = current_time()
    with fail_after(30), CancelScope() as scope:
        scope.cancel()
        failure = await finishing(lambda: sleep(60))
    assert current_time() - began == pytest.approx(5)
    assert isinstance(failure, TimeoutError)
    assert str(failure).startswith("it took longer than 5 s")


@both
async def test_a_caller_that_is_cancelled_meanwhile_goes_on_with_its_own_reason_to_leave(finishing: Any) -> None:
    async def cleanup() -> None:
        await sleep(2)

    with fail_after(30), pytest.raises(LookupError, match="my own"), move_on_after(1):
        try:
            raise LookupError("my own")
        except LookupError:
            await finishing(cleanup)
            raise


@both
async def test_the_failure_of_a_cleanup_is_told(finishing: Any) -> None:
    given = ConnectionError("no way")

    async def cleanup() -> None:
        raise given

    assert await finishing(cleanup) is given


class Group(BaseException):
    """What trio wraps errors in; Python 3.10 has no groups of its own."""

    def __init__(self, *exceptions: BaseException) -> None:
        super().__init__(*exceptions)
        self.exceptions = exceptions


async def cancellation() -> BaseException:
    """Returns what a coroutine that is cancelled is left by."""
    caught: list[BaseException] = []
    with CancelScope() as scope:
        scope.cancel()
        try:
            await sleep(1)
        except BaseException as error:
            caught.append(error)
            raise
    return caught[0]


async def test_a_cleanup_that_is_interrupted_is_told_so_and_not_as_one_that_took_too_long() -> None:
    class Interrupt(BaseException):
        """As a second Ctrl-C, which asyncio would raise out of its event loop, too."""

    async def interrupted() -> None:
        await anyio.lowlevel.checkpoint()
        raise Interrupt

    failures: list[Exception] = []
    with pytest.raises(BaseException) as caught:  # noqa: PT011 -- in a group
        await finish_in_own_task(interrupted, failures.append, GracePeriod())
    assert "Interrupt" in repr(caught.value)
    assert [str(each) for each in failures] == ["it was interrupted"]


async def test_a_caller_leaves_by_an_interrupt_wherever_it_is_or_by_nothing_but_cancellations() -> None:
    cancelled, interrupt, wrong = await cancellation(), KeyboardInterrupt(), ValueError()
    assert reason_to_leave(Group(cancelled, Group(wrong, interrupt))) is interrupt
    assert reason_to_leave(Group(Group(cancelled), cancelled)) is cancelled
    for error in (Group(cancelled, wrong), Group(wrong), wrong, cancelled, interrupt):
        assert reason_to_leave(error) is error


async def leave_after(seconds: float, send: Callable[[SendShield], Awaitable[str]]) -> tuple[float, list[str]]:
    """Leaves what is sent after a time; returns how long it took in all, and the results that were kept."""
    shield, kept, began = SendShield(), list[str](), current_time()
    with fail_after(60), move_on_after(seconds):
        await finish_what_is_sent(shield, lambda: send(shield), kept.append, GracePeriod())
    return current_time() - began, kept


async def test_what_is_under_way_ends_after_its_caller_has_left() -> None:
    async def send(shield: SendShield) -> str:
        async with shield:
            await sleep(4)
        return "created"

    took, kept = await leave_after(1, send)
    assert took == pytest.approx(4)
    assert kept == ["created"]


async def test_what_is_under_way_for_too_long_is_broken_off() -> None:
    shields: list[SendShield] = []

    async def send(shield: SendShield) -> str:
        shields.append(shield)
        async with shield:
            await anyio.sleep_forever()
        return "never"

    took, kept = await leave_after(1, send)
    assert took == pytest.approx(6)
    assert kept == []
    assert shields[0].broken_off


async def test_between_two_attempts_a_caller_leaves_at_once() -> None:
    shields: list[SendShield] = []

    async def send(shield: SendShield) -> str:
        shields.append(shield)
        async with shield:
            await sleep(1)
        await sleep(100)  # until the next attempt
        return "never"

    took, kept = await leave_after(2, send)
    assert took == pytest.approx(2)
    assert kept == []
    assert not shields[0].broken_off
