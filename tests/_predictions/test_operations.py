"""What is finished when a call with `cancel_on_exit` is left: within five seconds in all, or named in the log."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from tests.support.clients import ID, Answer, Script, answer, client_of, in_virtual_time, never, prediction
from wriftai_anyio import (
    APIResponseError,
    AuthenticationError,
    Client,
    CreateOutcomeUnknown,
    NotFoundError,
    WaitTimeoutError,
)
from wriftai_anyio._concurrency.cancellation import LONGEST_FINISH
from wriftai_anyio.predictions import AsyncWaitOptions, CreatePredictionParams

pytestmark = pytest.mark.anyio

HELLO: CreatePredictionParams = {"input": "hello"}
CANCELLED = AsyncWaitOptions(cancel_on_exit=True)
LEFT_AT = 1.0


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return in_virtual_time(request.param)


on_asyncio = pytest.mark.parametrize("anyio_backend", [in_virtual_time("asyncio")], ids=["asyncio"])


def after(seconds: float, response: httpx.Response) -> Answer:
    async def late(_: httpx.Request) -> httpx.Response:
        await anyio.sleep(seconds)
        return response

    return late


async def create(client: Client) -> object:
    return await client.predictions.async_create(HELLO, "o/n", wait=True, wait_options=CANCELLED)


async def batch_with_a_journal(client: Client, path: Path) -> None:
    async with client.predictions.async_batch([HELLO], "o/n", journal=path, wait_options=CANCELLED) as results:
        async for _ in results:
            pass


async def seconds_to_leave(call: Callable[[], Awaitable[object]]) -> float:
    with anyio.move_on_after(LEFT_AT) as scope:
        await call()
    assert scope.cancelled_caught
    return anyio.current_time() - scope.deadline


async def test_a_create_that_is_answered_too_late_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    script = Script(after(20, answer("started", 201)))
    async with client_of(script) as client:
        assert await seconds_to_leave(lambda: create(client)) == pytest.approx(LONGEST_FINISH)
    [record] = [each for each in caplog.records if each.levelname == "WARNING"]
    assert "predictions.list() for a prediction of o/n created since 20" in record.getMessage()


@pytest.mark.parametrize("late", [500, 408])
async def test_a_create_whose_outcome_is_known_to_nobody_is_named_in_the_log(
    late: int, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script(after(3, httpx.Response(late)))
    async with client_of(script) as client:
        assert await seconds_to_leave(lambda: create(client)) == pytest.approx(2)
    assert "a prediction of o/n created since" in caplog.text


async def test_a_create_that_certainly_created_nothing_is_not_named(caplog: pytest.LogCaptureFixture) -> None:
    script = Script(after(3, httpx.Response(422, json={"message": "no"})))
    async with client_of(script) as client:
        await seconds_to_leave(lambda: create(client))
    assert [each for each in caplog.records if each.levelname == "WARNING"] == []


@pytest.mark.parametrize(("status", "lines"), [("succeeded", 0), ("started", 1)])
async def test_a_cancel_that_is_refused_since_the_prediction_has_ended_is_not_named_in_the_log(
    status: str, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    refusal = httpx.Response(409, json={"message": "the prediction has already ended"})
    script = Script(answer("started", 201), refusal, answer(status))
    async with client_of(script) as client:
        with anyio.move_on_after(0.01):  # before the first poll
            await create(client)
    assert script.paths == ["POST /predictions", f"POST /predictions/{ID}/cancel", f"GET /predictions/{ID}"]
    warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert ["was answered 409: the prediction has already ended" in each for each in warnings] == [True] * lines


async def test_one_deadline_holds_for_the_create_and_for_the_cancel_after_it(caplog: pytest.LogCaptureFixture) -> None:
    script = Script(after(LEFT_AT + 4.9, answer("started", 201)), never)
    async with client_of(script) as client:
        assert await seconds_to_leave(lambda: create(client)) == pytest.approx(LONGEST_FINISH)
    assert script.paths[1] == f"POST /predictions/{ID}/cancel"
    assert caplog.records[-1].getMessage() == (
        f"could not cancel prediction {ID}, which may still be running: it took longer than 5 s to leave"
    )


async def test_a_create_answered_with_its_address_alone_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    lost = httpx.Response(502, headers={"location": f"/v1/predictions/{ID}"})
    script = Script(lost, httpx.Response(204))
    async with client_of(script) as client:
        with pytest.raises(CreateOutcomeUnknown):
            await create(client)
    assert script.paths[1:] == [f"POST /predictions/{ID}/cancel"]
    assert "left" not in caplog.text


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_journaled_create_is_left_by_the_same_rules(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In real time, since the journal has a thread."""
    monkeypatch.setattr("wriftai_anyio._concurrency.cancellation.LONGEST_FINISH", 1.0)
    for journal, answers in (("1", [after(0.1, answer("started", 201)), httpx.Response(204)]), ("2", [never])):
        script = Script(*answers)
        async with client_of(script) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(batch_with_a_journal, client, tmp_path / journal)
            while not script.requests:
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        assert script.paths[1:] == [f"POST /predictions/{ID}/cancel"] * (len(answers) - 1)
    assert "a prediction of o/n created since" in caplog.text


@on_asyncio
class TestNativeCancel:
    """asyncio's `task.cancel()`, which shields of anyio do not hold."""

    async def outcome(self, call: Awaitable[object], *cancels: float) -> BaseException:
        task = asyncio.ensure_future(call)
        for pause in cancels:
            await anyio.sleep(pause)
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        if task.cancelled():
            return asyncio.CancelledError()
        error = task.exception()
        assert error is not None
        return error

    def cancel_all_but(self, others: set["asyncio.Task[object]"]) -> None:
        for task in asyncio.all_tasks() - others:
            task.cancel()

    @pytest.mark.parametrize("more", [0, 1, 5])
    async def test_it_does_not_break_off_the_cancel_after_a_timeout(self, more: int) -> None:
        script = Script(forever=answer("started"))
        busy = httpx.Response(503, headers={"retry-after": "0.5"})
        options = AsyncWaitOptions(10, timeout=0.5, cancel_on_exit=True)
        async with client_of(script) as client:
            script._answers += [answer("started"), after(0.1, busy), httpx.Response(204)]
            error = await self.outcome(client.predictions.async_wait(ID, options), 0.55, *[0.05] * more)
        assert isinstance(error, asyncio.CancelledError)
        assert script.paths == [f"GET /predictions/{ID}", *[f"POST /predictions/{ID}/cancel"] * 2]

    @pytest.mark.parametrize("more", [0, 1, 5])
    async def test_it_does_not_break_off_a_create_under_way_nor_its_cancel(self, more: int) -> None:
        script = Script(after(1, answer("started", 201)), after(1, httpx.Response(204)))
        async with client_of(script) as client:
            error = await self.outcome(create(client), *[0.3] * (1 + more))
        assert isinstance(error, asyncio.CancelledError)
        assert script.paths == ["POST /predictions", f"POST /predictions/{ID}/cancel"]

    async def test_of_all_tasks_of_the_loop_it_only_begins_the_cancel_again(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        script = Script(answer("started"), forever=after(0.2, httpx.Response(204)))
        options = AsyncWaitOptions(10, timeout=0.5, cancel_on_exit=True)
        async with client_of(script) as client:
            others = asyncio.all_tasks()
            task = asyncio.ensure_future(client.predictions.async_wait(ID, options))
            await anyio.sleep(0.6)
            self.cancel_all_but(others)
            with pytest.raises(asyncio.CancelledError):
                await task
        assert script.paths[1:] == [f"POST /predictions/{ID}/cancel"] * 2
        assert "left behind" not in caplog.text

    async def test_of_all_tasks_of_the_loop_it_leaves_a_create_that_is_named(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with client_of(Script(never)) as client:
            others = asyncio.all_tasks()
            task = asyncio.ensure_future(create(client))
            await anyio.sleep(0.6)
            self.cancel_all_but(others)
            with pytest.raises((asyncio.CancelledError, CreateOutcomeUnknown)):
                await task
        assert "a prediction of o/n created since" in caplog.text


async def test_a_timeout_while_the_create_is_under_way_has_the_same_five_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = AsyncWaitOptions(timeout=1, cancel_on_exit=True)
    async with client_of(Script(never)) as client:
        began = anyio.current_time()
        with pytest.raises(WaitTimeoutError):
            await client.predictions.async_create(HELLO, "o/n", wait=True, wait_options=options)
        assert anyio.current_time() - began == pytest.approx(1 + LONGEST_FINISH)
    assert "a prediction of o/n created since" in caplog.text


@pytest.mark.parametrize(
    ("held", "interval", "pause"),
    [(0.5, 1.0, 0.05), (1.5, 1.0, 1.0), (0.5, 0.2, 0.05), (2.5, 3.0, 0.05), (3.5, 3.0, 3.0)],
)
async def test_what_the_server_has_held_for_longer_than_an_interval_is_polled_at_the_interval(
    held: float, interval: float, pause: float
) -> None:
    def poll(_: httpx.Request) -> httpx.Response:
        polled_at.append(anyio.current_time())
        return answer()

    polled_at: list[float] = []
    await anyio.sleep(100)
    async with client_of(Script(after(held, answer("started", 201)), poll)) as client:
        began = anyio.current_time()
        await client.predictions.async_create(HELLO, "o/n", wait=True, wait_options=AsyncWaitOptions(interval))
    assert polled_at == pytest.approx([began + held + pause])


async def test_a_cancel_goes_before_the_requests_that_wait_for_the_rate_limit() -> None:
    none_left = {"x-ratelimit-limit": "9", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "5"}
    script = Script(forever=lambda _: httpx.Response(200, headers=none_left, json=prediction("started")))
    async with client_of(script) as client:
        await client.predictions.async_get(ID)
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(client.predictions.async_get, ID)
            await anyio.sleep(1)
            assert len(script.requests) == 1
            tasks.start_soon(client.predictions.async_cancel, ID)
    assert script.paths[1] == f"POST /predictions/{ID}/cancel"
    assert len(script.paths) == 7


class TestTimeouts:
    """What a timeout says of the prediction, which was paid for."""

    RUNS_ON = "It keeps running: wait for it again, or cancel it."
    CANCELLED = "The client will ask the server to cancel it."

    @pytest.mark.parametrize("cancel", [False, True])
    @pytest.mark.parametrize(("first", "status"), [(never, "has not ended"), (answer("started"), "is still started")])
    async def test_a_wait_names_its_prediction_also_before_its_first_answer(
        self, first: Answer, status: str, cancel: bool
    ) -> None:
        script = Script(first, *[httpx.Response(204)] * cancel)
        options = AsyncWaitOptions(10, timeout=2.5, cancel_on_exit=cancel)
        async with client_of(script) as client:
            with pytest.raises(WaitTimeoutError) as caught:
                await client.predictions.async_wait(ID, options)
        then = self.CANCELLED if cancel else self.RUNS_ON
        assert str(caught.value) == f"Prediction {ID} {status} after 2.5 s. {then}"
        assert caught.value.prediction_id == ID
        assert (caught.value.prediction is None) == (first is never)
        assert script.paths[1:] == [f"POST /predictions/{ID}/cancel"] * cancel

    async def test_a_create_without_an_answer_says_where_to_look(self) -> None:
        async with client_of(Script(never)) as client:
            with pytest.raises(WaitTimeoutError) as caught:
                await client.predictions.async_create(
                    HELLO, "o/n", wait=True, wait_options=AsyncWaitOptions(timeout=2.5, duration=0)
                )
        assert str(caught.value) == (
            "The create was not answered within 2.5 s. The prediction may exist: look with predictions.list() before "
            "you create it again."
        )
        assert (caught.value.prediction_id, caught.value.prediction) == (None, None)

    @pytest.mark.parametrize("cancel", [False, True])
    @pytest.mark.parametrize("hindrance", ["429", "no connection", "queue"])
    async def test_a_create_that_certainly_did_nothing_says_so(self, hindrance: str, cancel: bool) -> None:
        fault: Answer = httpx.ConnectError("refused") if hindrance == "no connection" else httpx.Response(429)
        script = Script(forever=never if hindrance == "queue" else fault)
        options = AsyncWaitOptions(timeout=2.5, duration=0, cancel_on_exit=cancel)
        async with client_of(script, max_retries=9) as client, anyio.create_task_group() as tasks:
            if hindrance == "queue":
                # Two are under way until there is a first answer.
                tasks.start_soon(client.predictions.async_create, HELLO, "o/n")
                tasks.start_soon(client.predictions.async_create, HELLO, "o/n")
                await anyio.sleep(0.1)
            with pytest.raises(WaitTimeoutError) as caught:
                await client.predictions.async_create(HELLO, "o/n", wait=True, wait_options=options)
            tasks.cancel_scope.cancel()
        assert str(caught.value) == (
            "No create was accepted within 2.5 s: it could not be sent, or was refused each time (for example by the "
            "rate limit). Nothing was created; it is safe to try again."
        )
        assert (caught.value.prediction_id, caught.value.prediction) == (None, None)


@pytest.mark.parametrize(("seen", "polled"), [(None, 0), ("started", 0.05), ("succeeded", None)])
async def test_a_wait_for_what_was_just_created_begins_with_what_is_known(
    seen: str | None, polled: float | None
) -> None:
    def poll(_: httpx.Request) -> httpx.Response:
        polled_at.append(anyio.current_time())
        return answer()

    polled_at: list[float] = []
    state: Any = prediction(seen) if seen else None
    async with client_of(Script(forever=poll)) as client:
        began = anyio.current_time()
        ended = await client.predictions._operations.wait(ID, AsyncWaitOptions(), state)
    assert ended["status"] == "succeeded"
    assert polled_at == pytest.approx([] if polled is None else [began + polled])


class TestAnswersToOtherQuestions:
    OTHER = "someone-elses"

    async def test_a_get_answered_with_another_prediction_is_an_error(self) -> None:
        async with client_of(Script(answer(id=self.OTHER))) as client:
            with pytest.raises(APIResponseError, match="another prediction, 'someone-elses'"):
                await client.predictions.async_get(ID)

    async def test_a_uuid_may_come_back_as_the_server_writes_it(self) -> None:
        async with client_of(Script(answer())) as client:
            assert (await client.predictions.async_get(ID.upper().replace("-", "")))["id"] == ID

    async def test_a_wait_never_returns_another_prediction_and_ends_in_an_error(self) -> None:
        async with client_of(Script(forever=answer(id=self.OTHER))) as client:
            began = anyio.current_time()
            with pytest.raises(APIResponseError, match="another prediction"):
                await client.predictions.async_wait(ID)
            assert 60 <= anyio.current_time() - began < 62

    async def test_a_wait_outlives_one_wrong_answer(self) -> None:
        async with client_of(Script(answer(id=self.OTHER), answer())) as client:
            assert (await client.predictions.async_wait(ID))["id"] == ID

    async def test_only_its_own_prediction_is_cancelled(self) -> None:
        options = AsyncWaitOptions(timeout=5, cancel_on_exit=True)
        script = Script(answer("started", 201), forever=answer("started", id=self.OTHER))
        async with client_of(script) as client:
            with pytest.raises(WaitTimeoutError):
                await client.predictions.async_create(HELLO, "o/n", wait=True, wait_options=options)
        assert [each for each in script.paths if "cancel" in each] == [f"POST /predictions/{ID}/cancel"]

    @pytest.mark.parametrize("odd", ["..", "a\nb", "\ud800", "x" * 600])
    async def test_a_create_answered_with_an_odd_id_has_an_unknown_outcome(self, odd: str) -> None:
        odd_answer = httpx.Response(201, content=json.dumps(prediction("started", id=odd)))
        async with client_of(Script(odd_answer)) as client:
            with pytest.raises(CreateOutcomeUnknown, match="cannot be one"):
                await create(client)

    @pytest.mark.parametrize("odd", ["..", "%2e%2e", "a%0ab", "%00"])
    async def test_an_odd_address_of_what_was_created_is_not_taken_for_its_id(self, odd: str) -> None:
        lost = httpx.Response(502, headers={"location": f"/v1/predictions/{odd}"})
        async with client_of(Script(lost)) as client:
            with pytest.raises(CreateOutcomeUnknown) as caught:
                await create(client)
        assert caught.value.prediction_id is None


async def test_an_error_after_a_create_names_its_prediction_and_one_of_an_unseen_prediction_does_not() -> None:
    async with client_of(Script(answer("started", 201), httpx.Response(401), httpx.Response(404))) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.predictions.async_create(HELLO, "o/n", wait=True)
        assert ID in getattr(caught.value, "__notes__")[0]  # noqa: B009 -- Python 3.10 does not know it
        with pytest.raises(NotFoundError) as caught_too:
            await client.predictions.async_wait(ID)
        assert not hasattr(caught_too.value, "__notes__")


class TestTheCloseOfTheClient:
    """As of a server that cancels its requests and ends its lifespan at the same moment."""

    async def test_lets_calls_that_are_left_cancel_their_predictions(self, caplog: pytest.LogCaptureFixture) -> None:
        script = Script(answer("started", 201), answer("started"), after(2, httpx.Response(204)))
        client = client_of(script)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(create, client)
            await anyio.sleep(0.09)
            tasks.cancel_scope.cancel()
            await client.aclose()
        assert script.paths[-1] == f"POST /predictions/{ID}/cancel"
        assert [each for each in caplog.records if each.levelname == "WARNING"] == []

    async def test_ends_calls_that_cancel_their_predictions(self, caplog: pytest.LogCaptureFixture) -> None:
        script = Script(answer("started", 201), answer("started"), after(2, httpx.Response(204)))
        client = client_of(script)

        async def call() -> None:
            with pytest.raises(RuntimeError, match="This client is closed"):
                await create(client)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await anyio.sleep(0.09)
            await client.aclose()
        assert script.paths[-1] == f"POST /predictions/{ID}/cancel"
        assert [each for each in caplog.records if each.levelname == "WARNING"] == []

    async def test_waits_for_a_create_that_is_left(self, caplog: pytest.LogCaptureFixture) -> None:
        script = Script(after(2, answer("started", 201)), after(2, httpx.Response(204)))
        client = client_of(script)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(create, client)
            await anyio.sleep(LEFT_AT)
            tasks.cancel_scope.cancel()
            await client.aclose()
        assert script.paths == ["POST /predictions", f"POST /predictions/{ID}/cancel"]
        assert [each for each in caplog.records if each.levelname == "WARNING"] == []

    @pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
    async def test_waits_for_a_create_of_a_batch_with_a_journal(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        script = Script(after(0.1, answer("started", 201)), httpx.Response(204))
        client = client_of(script)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(batch_with_a_journal, client, tmp_path / "journal")
            while not script.requests:
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
            await client.aclose()
        assert script.paths == ["POST /predictions", f"POST /predictions/{ID}/cancel"]
        assert [each for each in caplog.records if each.levelname == "WARNING"] == []

    async def test_takes_no_longer_than_leaving_does(self, caplog: pytest.LogCaptureFixture) -> None:
        client = client_of(Script(answer("started", 201), forever=never))
        began = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(create, client)
            await anyio.sleep(LEFT_AT)
            tasks.cancel_scope.cancel()
            await client.aclose()
            assert anyio.current_time() - began == pytest.approx(LEFT_AT + LONGEST_FINISH, abs=0.01)
        assert f"could not cancel prediction {ID}, which may still be running: it took longer than 5 s" in caplog.text

    async def test_begins_no_call_meanwhile_and_may_come_from_a_callback(self) -> None:
        client = client_of(Script(answer("started", 201), answer("started"), httpx.Response(204)))
        began = anyio.current_time()

        async def close(_: object) -> None:
            await client.aclose()
            with pytest.raises(RuntimeError, match="This client is closed"):
                await create(client)

        options = AsyncWaitOptions(on_poll=close, cancel_on_exit=True)
        with pytest.raises(RuntimeError, match="This client is closed"):
            await client.predictions.async_create(HELLO, "o/n", wait=True, wait_options=options)
        assert anyio.current_time() - began < 3

    @on_asyncio
    async def test_lets_tasks_that_asyncio_cancels_cancel_their_predictions(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        script = Script(answer("started", 201), answer("started"), after(2, httpx.Response(204)))
        client = client_of(script)
        task = asyncio.ensure_future(create(client))
        await anyio.sleep(0.09)
        task.cancel()
        await client.aclose()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert script.paths[-1] == f"POST /predictions/{ID}/cancel"
        assert [each for each in caplog.records if each.levelname == "WARNING"] == []
