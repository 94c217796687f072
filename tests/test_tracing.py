"""The span of each prediction: where it begins, what it tells, and that it always ends."""

import pickle
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import anyio
import httpx
import pytest
from anyio import create_task_group, fail_after, move_on_after
from opentelemetry.context import Context
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import StatusCode

from tests.support.clients import ID, Answer, Script, Spelling, answer, client_of, never, prediction
from tests.support.event_server import events as stream_events
from tests.support.event_server import streams
from tests.support.patience import PATIENCE
from tests.support.spans import Spans, attributes, events, is_child
from tests.support.subprocesses import run_python
from wriftai_anyio import Client, CreateOutcomeUnknown, UnprocessableEntityError, WaitTimeoutError
from wriftai_anyio.predictions import AsyncWaitOptions, PredictionWithIO, WaitOptions
from wriftai_anyio.sandbox import Sandbox
from wriftai_anyio.tracing import PredictionTracer

pytestmark = pytest.mark.anyio

MODEL = "sandbox/echo"
PARAMS: Any = {"input": "hello"}
AT_ONCE = AsyncWaitOptions(poll_interval=0.0)
"""Seconds."""


@pytest.fixture
def spans() -> Spans:
    return Spans()


def traced(spans: Spans, *answers: Answer, **options: Any) -> Client:
    return client_of(Script(*answers), tracer=spans.tracer, **options)


class Stall:
    """An answer that never comes, to leave whoever waits for it."""

    def __init__(self) -> None:
        self._reached = anyio.Event()

    async def __call__(self, _: httpx.Request) -> httpx.Response:
        self._reached.set()
        return await never(_)

    async def leave(self, call: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Makes a call, and leaves it when it waits for this answer."""
        with fail_after(PATIENCE):
            async with create_task_group() as tasks:
                tasks.start_soon(call)
                await self._reached.wait()
                tasks.cancel_scope.cancel()


class TestOnePrediction:
    def test_a_held_create_is_one_span_below_that_of_its_caller(self, spelling: Spelling, spans: Spans) -> None:
        script = Script(answer())
        params = {"input": "hello", "validate_input": True}
        with spelling.client(script, tracer=spans.tracer) as client:
            with spans.provider.get_tracer("test").start_as_current_span("caller"):
                spelling.call(client.predictions, "create", params, MODEL, wait=True)
        span = spans.only
        assert is_child(span, spans.all[-1])
        assert attributes(span) == {
            "model": MODEL,
            "model.version": 1,
            "prediction.id": ID,
            "prediction.status": "succeeded",
            "validate_input": True,
            "stream": False,
            "webhook": False,
        }
        assert (events(span), span.status.status_code) == (["succeeded"], StatusCode.UNSET)

    def test_each_status_is_one_event_at_the_time_when_it_was_seen(self, spelling: Spelling, spans: Spans) -> None:
        answers = [answer(status) for status in ("pending", "pending", "starting", "started", "started", "succeeded")]
        times: list[int] = []
        options = spelling.options(lambda _: times.append(time.time_ns()))
        with spelling.client(Script(*answers), tracer=spans.tracer) as client:
            spelling.call(client.predictions, "create", PARAMS, MODEL, wait=True, wait_options=options)
        span = spans.only
        assert events(span) == ["pending", "starting", "started", "succeeded"]
        assert [event.name for event in span.events] == ["status"] * 4
        assert span.events[1].timestamp < times[1] < span.events[2].timestamp

    def test_a_create_and_a_later_wait_are_one_span(self, spelling: Spelling, spans: Spans) -> None:
        with spelling.client(Script(answer("pending"), answer("started"), answer()), tracer=spans.tracer) as client:
            spelling.call(client.predictions, "create", PARAMS, MODEL)
            assert spans.all == ()
            spelling.call(client.predictions, "wait", ID, spelling.options())
            assert events(spans.only) == ["pending", "started", "succeeded"]
        assert len(spans.all) == 1

    async def test_a_look_at_the_ended_prediction_ends_its_span(self, spans: Spans) -> None:
        client = traced(spans, answer("pending"), answer("started"), answer())
        await client.predictions.async_create(PARAMS, MODEL)
        await client.predictions.async_get(ID)
        assert spans.all == ()
        await client.predictions.async_get(ID)
        assert events(spans.only) == ["pending", "started", "succeeded"]

    async def test_a_list_tells_statuses_too(self, spans: Spans) -> None:
        page = httpx.Response(200, json={"items": [prediction("started"), prediction(id="other")]})
        client = traced(spans, answer("pending"), page, answer())
        await client.predictions.async_create(PARAMS, MODEL)
        await client.predictions.async_list()
        await client.predictions.async_wait(ID)
        assert events(spans.only) == ["pending", "started", "succeeded"]

    async def test_a_webhook_tells_statuses_and_the_end(self, spans: Spans) -> None:
        client = traced(spans, answer("pending"))
        await client.predictions.async_create({"input": 1, "webhook": {"url": "https://me.example"}}, MODEL)
        for status in ("started", "succeeded", "succeeded", "started"):
            client.predictions.notify(cast("PredictionWithIO", prediction(status)))
        assert events(spans.only) == ["pending", "started", "succeeded"]
        assert attributes(spans.only)["webhook"] is True

    async def test_the_wait_for_a_prediction_created_elsewhere_is_its_span(self, spans: Spans) -> None:
        await traced(spans, answer("started"), answer()).predictions.async_wait(ID, AT_ONCE)
        assert events(spans.only) == ["started", "succeeded"]
        assert attributes(spans.only) == {
            "model": MODEL,
            "model.version": 1,
            "prediction.id": ID,
            "prediction.status": "succeeded",
        }

    async def test_a_look_at_a_prediction_created_elsewhere_is_no_span(self, spans: Spans) -> None:
        await traced(spans, answer()).predictions.async_get(ID)
        assert spans.all == ()

    async def test_a_wait_for_a_prediction_that_has_ended_is_no_second_span(self, spans: Spans) -> None:
        client = traced(spans, answer(), answer())
        await client.predictions.async_create(PARAMS, MODEL, wait=True)
        await client.predictions.async_wait(ID)
        assert len(spans.all) == 1

    @pytest.mark.parametrize(
        ("status", "code"),
        [("failed", StatusCode.ERROR), ("abandoned", StatusCode.ERROR), ("cancelled", StatusCode.UNSET)],
    )
    async def test_a_failure_is_an_error_of_the_span_without_its_text(
        self, status: str, code: StatusCode, spans: Spans
    ) -> None:
        error = {"source": "external", "message": "s3cr3t", "detail": "s3cr3t"}
        await traced(spans, answer(status, error=error)).predictions.async_create(PARAMS, MODEL, wait=True)
        span = spans.only
        assert span.status.status_code is code
        assert attributes(span).get("error.type") == (status if code is StatusCode.ERROR else None)
        assert "s3cr3t" not in span.to_json()

    async def test_a_prediction_of_a_status_and_shape_that_are_unknown_is_told_as_it_is(self, spans: Spans) -> None:
        answers = [httpx.Response(200, json={"id": ID, "status": status}) for status in ("resting", "failed")]
        await traced(spans, *answers).predictions.async_create(PARAMS, f"{MODEL}:7", wait=True, wait_options=AT_ONCE)
        assert events(spans.only) == ["resting", "failed"]
        assert attributes(spans.only)["model"] == f"{MODEL}:7"


class TestLeaving:
    async def test_a_create_that_is_refused_is_an_error_with_its_request_id(self, spans: Spans) -> None:
        with pytest.raises(UnprocessableEntityError):
            await traced(spans, httpx.Response(422, headers={"x-request-id": "r1"})).predictions.async_create(
                PARAMS, MODEL
            )
        assert spans.only.status.status_code is StatusCode.ERROR
        assert attributes(spans.only)["error.type"] == "UnprocessableEntityError"
        assert attributes(spans.only)["request.id"] == "r1"

    async def test_a_create_of_unknown_outcome_tells_the_id_that_may_exist(self, spans: Spans) -> None:
        lost = httpx.Response(500, headers={"location": f"/v1/predictions/{ID}"})
        with pytest.raises(CreateOutcomeUnknown):
            await traced(spans, lost).predictions.async_create(PARAMS, MODEL, wait=True)
        assert attributes(spans.only)["prediction.id"] == ID
        assert attributes(spans.only)["error.type"] == "CreateOutcomeUnknown"

    async def test_a_wait_that_is_cancelled_ends_the_span(self, spans: Spans) -> None:
        stall = Stall()
        predictions = traced(spans, answer("started"), stall).predictions
        await stall.leave(partial(predictions.async_create, PARAMS, MODEL, wait=True, wait_options=AT_ONCE))
        assert events(spans.only) == ["started", "cancelled"]
        assert spans.only.events[-1].name == "left"
        assert spans.only.status.status_code is StatusCode.UNSET

    def test_a_wait_that_times_out_ends_the_span_after_its_cancel(self, spelling: Spelling, spans: Spans) -> None:
        cancels: list[int] = []

        def run(request: httpx.Request) -> httpx.Response:
            if not request.url.path.endswith("/cancel"):
                return answer("started")
            cancels.append(time.time_ns())
            return httpx.Response(202, json=None)

        options = spelling.options(timeout=0.2, cancel_on_exit=True, poll_interval=60.0)
        with spelling.client(Script(forever=run), tracer=spans.tracer) as client:
            with pytest.raises(WaitTimeoutError):
                spelling.call(client.predictions, "create", PARAMS, MODEL, wait=True, wait_options=options)
        assert events(spans.only) == ["started", "timeout"]
        assert cancels[0] < cast("int", spans.only.end_time)

    async def test_a_callback_that_fails_is_an_error(self, spans: Spans) -> None:
        async def on_poll(_: PredictionWithIO) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await traced(spans, answer("started")).predictions.async_wait(ID, AsyncWaitOptions(on_poll=on_poll))
        assert attributes(spans.only)["error.type"] == "ZeroDivisionError"

    async def test_another_wait_after_one_was_left_is_a_span_of_its_own(self, spans: Spans) -> None:
        stall = Stall()
        client = traced(spans, stall, answer())
        await stall.leave(partial(client.predictions.async_wait, ID))
        await client.predictions.async_wait(ID)
        assert [events(span) for span in spans.predictions] == [["cancelled"], ["succeeded"]]

    async def test_one_of_two_waits_that_is_left_does_not_end_the_span(self, spans: Spans) -> None:
        first_is_left = anyio.Event()

        async def ended(_: httpx.Request) -> httpx.Response:
            await first_is_left.wait()
            return answer()

        client = client_of(Script(forever=ended), tracer=spans.tracer)
        with fail_after(PATIENCE):
            async with create_task_group() as tasks:
                tasks.start_soon(client.predictions.async_wait, ID, AT_ONCE)
                with move_on_after(0.01):
                    await client.predictions.async_wait(ID, AT_ONCE)
                assert spans.all == ()
                first_is_left.set()
        assert events(spans.only) == ["succeeded"]

    async def test_a_prediction_that_nobody_follows_ends_with_the_client_as_of_what_was_seen(
        self, spans: Spans
    ) -> None:
        async with traced(spans, answer("pending")) as client:
            await client.predictions.async_create(PARAMS, MODEL)
            created = time.time_ns()
        assert events(spans.only) == ["pending", "left"]
        assert cast("int", spans.only.end_time) <= created

    async def test_a_create_that_is_not_polled_is_kept_for_a_later_wait(self, spans: Spans) -> None:
        client = traced(spans, answer("started"), answer())
        options = AsyncWaitOptions(poll=False)
        await client.predictions.async_create(PARAMS, MODEL, wait=True, wait_options=options)
        assert spans.all == ()
        await client.predictions.async_wait(ID)
        assert events(spans.only) == ["started", "succeeded"]


class TestStreams:
    @pytest.mark.parametrize(
        ("last", "statuses", "code"),
        [("done", ["started", "succeeded"], StatusCode.UNSET), ("error", ["started", "failed"], StatusCode.ERROR)],
    )
    def test_a_stream_tells_statuses_and_the_end(
        self, last: str, statuses: list[str], code: StatusCode, spelling: Spelling, spans: Spans
    ) -> None:
        with spelling.client(Script(streams(*stream_events(last=last))), tracer=spans.tracer) as client:
            spelling.call(client.predictions, "create_stream", PARAMS, MODEL)
            assert events(spans.only) == statuses
            assert spans.only.status.status_code is code
            assert attributes(spans.only)["stream"] is True

    async def test_a_stream_that_connects_again_is_one_span(self, spans: Spans) -> None:
        first, *rest = stream_events()
        client = traced(spans, streams(first), streams(*rest))
        assert len([event async for event in client.predictions.async_stream(ID)]) == 1 + len(rest)
        assert events(spans.only) == ["started", "succeeded"]

    async def test_a_stream_that_is_left_early_ends_the_span(self, spans: Spans) -> None:
        client = traced(spans, streams(stream_events()[0], 60.0))
        async with client.predictions.async_create_stream(PARAMS, MODEL) as stream:
            await anext(stream)
            assert spans.all == ()
        assert events(spans.only) == ["started", "left"]

    def test_a_blocking_stream_that_is_left_early_ends_the_span(self, spans: Spans) -> None:
        with Client("t", transport=Script(streams(stream_events()[0], 60.0)), tracer=spans.tracer) as client:
            with client.predictions.create_stream(PARAMS, MODEL) as stream:
                next(stream)
            assert events(spans.only)[0] == "started"
            assert spans.only.events[-1].name == "left"

    async def test_a_create_whose_stream_breaks_before_its_first_event_is_an_error(self, spans: Spans) -> None:
        with pytest.raises(CreateOutcomeUnknown):
            await anext(traced(spans, streams()).predictions.async_create_stream(PARAMS, MODEL))
        assert attributes(spans.only)["error.type"] == "CreateOutcomeUnknown"


@pytest.fixture
def requests_traced(spans: Spans) -> Iterator[None]:
    """Has the instrumentation of httpx make a span of each request."""
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=spans.provider)
    yield
    instrumentor.uninstrument()


@pytest.mark.usefixtures("requests_traced")
class TestOverHttp:
    def test_every_request_for_a_prediction_is_seen_and_lies_below_its_span(
        self, spelling: Spelling, spans: Spans, sandbox: Sandbox
    ) -> None:
        options = spelling.options(lambda _: None, poll_interval=0.01, duration=0)
        with Client(sandbox.access_token, sandbox.base_url, backend=spelling.backend, tracer=spans.tracer) as client:
            call = partial(spelling.call, client.predictions)
            call("create", {"input": {"seconds": 0.02}}, "sandbox/sleep", wait=True, wait_options=options)
            call("create_stream", {"input": {"text": "to be"}}, "sandbox/word-count")
        polled, streamed = spans.predictions
        assert spans.children(polled)[0] == spans.children(streamed)[0] == "POST"
        assert set(spans.children(polled)[1:]) == {"GET"}
        assert len(spans.all) == 2 + len(sandbox.requests)

    async def test_many_at_once_have_each_their_own_span_and_requests(self, spans: Spans, sandbox: Sandbox) -> None:
        caller = spans.provider.get_tracer("test")
        client = Client(sandbox.access_token, sandbox.base_url, tracer=spans.tracer)

        async def run(number: int) -> None:
            with caller.start_as_current_span(f"caller {number}"):
                created = await client.predictions.async_create({"input": number}, MODEL)
                await client.predictions.async_wait(created["id"], AT_ONCE)

        async with client, create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(run, number)
        assert len({attributes(span)["prediction.id"] for span in spans.predictions}) == 20
        assert {events(span)[-1] for span in spans.predictions} == {"succeeded"}
        assert all(spans.children(span).count("POST") == 1 for span in spans.predictions)
        callers = [span for span in spans.all if span.name.startswith("caller")]
        assert [spans.children(span) for span in callers] == [["prediction"]] * 20

    @pytest.mark.parametrize("journal", [False, True])
    def test_a_batch_has_a_span_for_each_prediction(
        self, journal: bool, spans: Spans, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        path = tmp_path / "journal" if journal else None
        options = WaitOptions(poll_interval=0.01)
        inputs: list[Any] = [{"input": number} for number in range(8)]
        with (
            Client(sandbox.access_token, sandbox.base_url, tracer=spans.tracer) as client,
            spans.provider.get_tracer("test").start_as_current_span("caller"),
            client.predictions.batch(inputs, MODEL, journal=path, wait_options=options) as results,
        ):
            assert all(result.error is None for result in results)
        caller = spans.all[-1]
        assert spans.children(caller) == ["prediction"] * 8
        assert {events(span)[-1] for span in spans.predictions} == {"succeeded"}


class Failing(SpanProcessor):
    """A processor that raises."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        raise ZeroDivisionError

    def on_end(self, span: ReadableSpan) -> None:
        raise ZeroDivisionError


async def test_tracing_that_fails_loses_no_prediction(caplog: pytest.LogCaptureFixture) -> None:
    client = traced(Spans(Failing()), answer("pending"), answer(), answer("pending", id="other"))
    await client.predictions.async_create(PARAMS, MODEL)
    assert (await client.predictions.async_wait(ID))["status"] == "succeeded"
    await client.predictions.async_create(PARAMS, MODEL)
    await client.aclose()
    assert "Tracing raised an error, which was ignored" in caplog.text


async def test_without_a_provider_of_ones_own_the_global_one_is_used() -> None:
    client = client_of(Script(answer()), tracer=PredictionTracer())
    assert (await client.predictions.async_create(PARAMS, MODEL, wait=True))["status"] == "succeeded"


def test_a_tracer_is_pickled_with_the_client() -> None:
    client = pickle.loads(pickle.dumps(Client("t", tracer=PredictionTracer())))
    assert client._api.config.tracer == PredictionTracer()


def test_what_is_no_tracer_is_refused(spans: Spans) -> None:
    wrong: Any = spans.provider
    with pytest.raises(ValueError, match="tracer must be a PredictionTracer"):
        Client("t", tracer=wrong)


def test_without_a_tracer_opentelemetry_is_not_imported() -> None:
    code = "import sys, wriftai_anyio; wriftai_anyio.Client('t'); print('opentelemetry' in sys.modules)"
    assert run_python(["-c", code]) == "False\n"


def test_without_opentelemetry_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['opentelemetry'] = None; import wriftai_anyio.tracing"
    with pytest.raises(AssertionError, match=r"ImportError: .*wriftai-anyio\[otel\]"):
        run_python(["-c", code])
