"""Verbs of the client: run, stream and map, from an input to its output."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import fail_after
from pydantic import ValidationError

from tests.support.clients import Spelling
from tests.support.patience import PATIENCE, until_async
from tests.support.subprocesses import run_python
from wriftai_anyio import (
    BatchStoppedError,
    Client,
    NotFoundError,
    OutputTypeError,
    PredictionFailedError,
    Status,
    UnprocessableEntityError,
    WaitOptions,
    WaitTimeoutError,
)
from wriftai_anyio.sandbox import Sandbox

COUNT = "sandbox/word-count"


def double(value: Any) -> Any:
    if value == "bad":
        raise ValueError("bad input")
    return {"label": value, "day": "2026-05-01"}


@dataclass
class Row:
    label: int
    day: date


@pytest.fixture
def sandbox(sandbox: Sandbox) -> Sandbox:
    sandbox.models["me/double"] = double
    return sandbox


def client_of(sandbox: Sandbox, spelling: Spelling) -> Client:
    return Client(sandbox.access_token, sandbox.base_url, backend=spelling.backend)


class TestRun:
    def test_an_input_becomes_an_output(self, sandbox: Sandbox, spelling: Spelling) -> None:
        with client_of(sandbox, spelling) as client:
            assert spelling.call(client, "run", "sandbox/echo", {"a": [1, (2,)]}) == {"a": [1, [2]]}
        assert len(sandbox.predictions) == 1

    def test_an_output_may_be_of_a_type(self, sandbox: Sandbox, spelling: Spelling) -> None:
        with client_of(sandbox, spelling) as client:
            row = spelling.call(client, "run", "me/double", 7, output_type=Row)
            words = spelling.call(client, "run", COUNT, {"text": "to be"}, output_type=dict[str, int])
        assert row == Row(7, date(2026, 5, 1))
        assert words == {"to": 1, "be": 1}

    def test_one_that_does_not_fit_is_not_lost(self, sandbox: Sandbox, spelling: Spelling) -> None:
        with client_of(sandbox, spelling) as client:
            with pytest.raises(OutputTypeError, match=r"does not fit: label: .*integer") as error:
                spelling.call(client, "run", "me/double", "text", output_type=Row)
        assert error.value.prediction_id == sandbox.predictions[0]["id"]
        assert error.value.prediction["output"] == {"label": "text", "day": "2026-05-01"}
        assert [reason["loc"] for reason in error.value.reasons] == [["label"]]
        assert isinstance(error.value.__cause__, ValidationError)

    def test_a_failure_says_what_the_model_said(self, sandbox: Sandbox, spelling: Spelling) -> None:
        with client_of(sandbox, spelling) as client:
            with pytest.raises(PredictionFailedError, match=r"failed: .*bad input") as error:
                spelling.call(client, "run", "me/double", "bad")
        (prediction,) = sandbox.predictions
        assert error.value.prediction_id == error.value.prediction["id"] == prediction["id"]
        assert error.value.status == Status.failed
        assert error.value.source == prediction["error"]["source"]
        assert error.value.detail == prediction["error"]["detail"]

    def test_a_timeout_and_a_refusal_are_those_of_a_create(self, sandbox: Sandbox, spelling: Spelling) -> None:
        with client_of(sandbox, spelling) as client:
            with pytest.raises(WaitTimeoutError):
                options = spelling.options(timeout=0.1, cancel_on_exit=True)
                spelling.call(client, "run", "sandbox/sleep", {"seconds": 60}, wait_options=options)
            with pytest.raises((NotFoundError, UnprocessableEntityError)):
                spelling.call(client, "run", "nobody/nothing", 1)

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            ({"output_type": "no type of that name"}, "output_type cannot be"),
            ({"output_type": 7}, "output_type cannot be 7"),
            ({"wait_options": WaitOptions(poll=False)}, "poll=False gives no output"),
        ],
    )
    def test_wrong_arguments_are_refused_before_anything_is_sent(
        self, sandbox: Sandbox, spelling: Spelling, options: Any, problem: str
    ) -> None:
        with client_of(sandbox, spelling) as client:
            with pytest.raises(ValueError, match=problem):
                spelling.call(client, "run", "sandbox/echo", 1, **options)
            with pytest.raises(ValueError, match="is a set"):
                spelling.call(client, "run", "sandbox/echo", {1})
        assert sandbox.requests == []

    def test_without_pydantic_a_type_is_refused_and_the_extra_is_named(self, sandbox: Sandbox) -> None:
        program = f"""
import sys
sys.modules["pydantic"] = None
from wriftai_anyio import Client
client = Client({sandbox.access_token!r}, {sandbox.base_url!r})
print(client.run("sandbox/echo", "hello"))
try:
    client.run("sandbox/echo", 1, output_type=int)
except ImportError as error:
    print(error)
"""
        assert run_python(["-c", program]).splitlines() == [
            "hello",
            "output_type needs pydantic: install wriftai-anyio[pydantic], or leave output_type out.",
        ]
        assert len(sandbox.predictions) == 1

    @pytest.mark.anyio
    async def test_the_blocking_one_names_the_other_inside_an_event_loop(self, sandbox: Sandbox) -> None:
        async with Client(sandbox.access_token, sandbox.base_url) as client:
            with pytest.raises(RuntimeError, match="async_run"):
                client.run("sandbox/echo", 1)
            with pytest.raises(RuntimeError, match="async_map"):
                next(client.map("sandbox/echo", [1]))


class TestStream:
    def test_pieces_come_as_the_model_streams_them(self, sandbox: Sandbox, spelling: Spelling) -> None:
        with client_of(sandbox, spelling) as client:
            pieces = spelling.call(client, "stream", COUNT, {"text": "to be or"})
        assert len(pieces) > 1
        assert len(sandbox.predictions) == 1

    def test_the_finished_output_comes_once_where_no_piece_is_streamed(
        self, sandbox: Sandbox, spelling: Spelling
    ) -> None:
        with client_of(sandbox, spelling) as client:
            assert spelling.call(client, "stream", "me/double", 7) == [{"label": 7, "day": "2026-05-01"}]

    def test_it_comes_also_where_there_is_no_stream_at_all(self, sandbox: Sandbox, spelling: Spelling) -> None:
        with client_of(sandbox, spelling) as client:
            created = spelling.call(client.predictions, "create", {"input": 7}, "me/double", wait=True)
            spelling_stream = "stream" if spelling.blocking else "async_stream"
            events = getattr(client.predictions, spelling_stream)(created["id"])
            if spelling.blocking:
                assert list(events.outputs()) == [created["output"]]
            else:
                assert anyio.run(all_of, events.async_outputs(), backend=spelling.backend) == [created["output"]]

    def test_a_failure_is_raised(self, sandbox: Sandbox, spelling: Spelling) -> None:
        with client_of(sandbox, spelling) as client:
            with pytest.raises(PredictionFailedError, match="bad input"):
                spelling.call(client, "stream", "me/double", "bad")

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_leaving_early_frees_the_connection(self, sandbox: Sandbox, backend: str) -> None:
        with Client(sandbox.access_token, sandbox.base_url, backend=backend) as client:
            with client.stream(COUNT, {"text": "to be or"}) as pieces:
                first = next(pieces)
            assert first
            assert sandbox.predictions[0]["status"]

    def test_a_text_follows_the_same_rule(self, sandbox: Sandbox, spelling: Spelling) -> None:
        sandbox.models["me/text"] = lambda value: value
        with client_of(sandbox, spelling) as client:
            name = "create_stream" if spelling.blocking else "async_create_stream"
            events = getattr(client.predictions, name)({"input": "whole"}, "me/text")
            if spelling.blocking:
                assert events.text() == "whole"
            else:
                assert anyio.run(events.async_text, backend=spelling.backend) == "whole"


async def all_of(items: Any) -> list[Any]:
    return [each async for each in items]


def mapped(client: Client, spelling: Spelling, *args: Any, **options: Any) -> list[Any]:
    if spelling.blocking:
        with client.map(*args, **options) as outputs:
            return list(outputs)

    async def run() -> list[Any]:
        with fail_after(PATIENCE):
            async with client.async_map(*args, **options) as outputs:
                return [each async for each in outputs]

    return anyio.run(run, backend=spelling.backend)


class TestMap:
    def test_outputs_come_in_the_order_of_the_inputs(self, sandbox: Sandbox, spelling: Spelling) -> None:
        sleeps = [{"seconds": seconds} for seconds in (0.3, 0.0, 0.1, 0.0)]
        with client_of(sandbox, spelling) as client:
            slow = mapped(client, spelling, "sandbox/sleep", sleeps)
            assert mapped(client, spelling, "sandbox/echo", range(20)) == list(range(20))
        assert len(slow) == 4

    def test_they_may_be_of_a_type_and_errors_come_in_their_place(self, sandbox: Sandbox, spelling: Spelling) -> None:
        inputs = [1, "bad", "text", {1}, 2]
        with client_of(sandbox, spelling) as client:
            outputs = mapped(client, spelling, "me/double", inputs, output_type=Row, return_exceptions=True)
            assert [type(each) for each in outputs] == [
                Row, PredictionFailedError, OutputTypeError, ValueError, Row,
            ]  # fmt: skip
            with pytest.raises(PredictionFailedError, match="bad input"):
                mapped(client, spelling, "me/double", inputs)

    def test_a_slow_one_does_not_let_in_more_than_may_be_in_flight(self, sandbox: Sandbox, spelling: Spelling) -> None:
        taken: list[int] = []

        def inputs() -> Iterator[Any]:
            for number in range(50):
                taken.append(number)
                yield {"seconds": 0.3 if number == 0 else 0.0}

        with client_of(sandbox, spelling) as client:
            if spelling.blocking:
                with client.map("sandbox/sleep", inputs(), max_in_flight=5) as outputs:
                    next(outputs)
            else:

                async def first() -> None:
                    async with client.async_map("sandbox/sleep", inputs(), max_in_flight=5) as outputs:
                        await anext(outputs)

                anyio.run(first, backend=spelling.backend)
        assert len(taken) <= 6

    def test_inputs_may_be_async(self, sandbox: Sandbox, spelling: Spelling) -> None:
        async def inputs() -> AsyncIterator[int]:
            for number in range(5):
                await anyio.lowlevel.checkpoint()
                yield number

        if not spelling.blocking:
            with client_of(sandbox, spelling) as client:
                assert mapped(client, spelling, "sandbox/echo", inputs()) == list(range(5))

    def test_money_is_guarded(self, sandbox: Sandbox, spelling: Spelling, tmp_path: Path) -> None:
        journal = tmp_path / "journal"
        with client_of(sandbox, spelling) as client:
            with pytest.raises(BatchStoppedError):
                mapped(
                    client, spelling, "me/double", ["bad"] * 9, max_failures=2, return_exceptions=True, journal=journal
                )
            assert len(sandbox.predictions) == 2
            assert len(mapped(client, spelling, "sandbox/echo", [1] * 9, deduplicate=True)) == 9
            assert len(sandbox.predictions) == 3

    @pytest.mark.parametrize("one", ["text", b"bytes", {"text": "x"}])
    def test_one_input_in_place_of_many_is_refused(self, sandbox: Sandbox, spelling: Spelling, one: Any) -> None:
        with client_of(sandbox, spelling) as client:
            with pytest.raises(ValueError, match="inputs must be an iterable of inputs, such as"):
                mapped(client, spelling, "sandbox/echo", one)
        assert sandbox.requests == []

    @pytest.mark.anyio
    async def test_it_is_iterated_over_in_its_block(self, sandbox: Sandbox) -> None:
        async with Client(sandbox.access_token, sandbox.base_url) as client:
            with pytest.raises(RuntimeError, match=r"async with client\.async_map"):
                await anext(client.async_map("sandbox/echo", [1]))

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_a_script_needs_no_block_and_may_leave_early(self, sandbox: Sandbox, backend: str) -> None:
        closed: list[bool] = []

        def inputs() -> Iterator[int]:
            try:
                yield from range(1000)
            finally:
                closed.append(True)

        with Client(sandbox.access_token, sandbox.base_url, backend=backend) as client:
            assert list(client.map("sandbox/echo", range(3))) == [0, 1, 2]
            for output in client.map("sandbox/echo", inputs(), max_in_flight=3):
                assert output == 0
                break
            anyio.run(until_async, lambda: closed == [True])
            created = len(sandbox.predictions)
            anyio.run(until_async, lambda: client.rate_limits.creates.queued == 0)
            assert created < 20
