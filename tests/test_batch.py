"""Batches: results as they end, inputs as they are needed, leaving early."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import create_task_group, fail_after, get_running_tasks, move_on_after

from tests.support.batches import MODEL, QUICK, SLEEPS, client_of, collected, expected, outputs, texts, upper
from tests.support.clients import threads_named
from tests.support.patience import PATIENCE, until_async
from wriftai_anyio import WaitTimeoutError
from wriftai_anyio.batch import BatchResult
from wriftai_anyio.predictions import AsyncWaitOptions, CreatePredictionParams, WaitOptions
from wriftai_anyio.sandbox import Sandbox

BLOCKING = WaitOptions(poll_interval=QUICK.poll_interval)


@pytest.fixture
def sandbox(sandbox: Sandbox) -> Sandbox:
    sandbox.models[MODEL] = upper
    return sandbox


@pytest.mark.anyio
@pytest.mark.parametrize("deduplicate", [False, True])
async def test_outputs_with_long_integers_are_inputs_of_other_models(
    sandbox: Sandbox, tmp_path: Path, deduplicate: bool
) -> None:
    sandbox.models["me/power"] = lambda given: {"power": 10**given}
    options: dict[str, Any] = {"journal": tmp_path / "journal", "deduplicate": deduplicate}
    async with client_of(sandbox) as client:
        with fail_after(PATIENCE):
            powers = outputs(await collected(client, [{"input": 5000}, {"input": 5000}, {"input": 6000}], "me/power"))
            inputs = [{"input": powers[index]} for index in range(3)]
            for _ in range(2):
                assert outputs(await collected(client, inputs, "sandbox/echo", **options)) == powers
    assert powers[2] == {"power": 10**6000}
    assert len(sandbox.predictions) == 3 + (2 if deduplicate else 3)


class Source:
    """Inputs that a generator makes, which notes how many were taken and that it was closed."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.inputs = texts(count)
        self.error = error
        self.taken = 0
        self.closed = 0

    def iterate(self) -> Iterator[CreatePredictionParams]:
        try:
            for params in self.inputs:
                self.taken += 1
                yield params
            if self.error is not None:
                raise self.error
        finally:
            self.closed += 1

    async def async_iterate(self) -> AsyncIterator[CreatePredictionParams]:
        try:
            with move_on_after(60):
                for params in self.inputs:
                    await anyio.lowlevel.checkpoint()
                    self.taken += 1
                    yield params
            if self.error is not None:
                raise self.error
        finally:
            self.closed += 1

    def of_kind(self, kind: str) -> Any:
        return self.async_iterate() if kind == "async" else self.iterate()


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["sync", "async"])
class TestInputs:
    async def test_they_are_taken_in_only_as_results_are_taken_out(self, sandbox: Sandbox, kind: str) -> None:
        source = Source(1000)
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                batch = client.predictions.async_batch(source.of_kind(kind), MODEL, max_in_flight=5, wait_options=QUICK)
                async with batch as results:
                    for taken_out in range(3):
                        await until_async(lambda taken_out=taken_out: source.taken == 5 + taken_out)  # type: ignore[misc]
                        await anyio.sleep(0.01)
                        assert source.taken == 5 + taken_out
                        await anext(results)

    async def test_their_error_is_raised_by_itself_after_the_results_of_all_before(
        self, sandbox: Sandbox, kind: str
    ) -> None:
        source = Source(5, error=KeyError("no more"))
        results: list[BatchResult] = []
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                with pytest.raises(KeyError, match="no more"):
                    async with client.predictions.async_batch(source.of_kind(kind), MODEL, wait_options=QUICK) as batch:
                        async for each in batch:
                            results.append(each)  # noqa: PERF401 -- the iteration raises
        assert outputs(results) == expected(5)

    async def test_their_generator_is_closed_when_the_block_is_left_early(self, sandbox: Sandbox, kind: str) -> None:
        source = Source(1000)
        inputs = source.of_kind(kind)
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                async with client.predictions.async_batch(
                    inputs, MODEL, max_in_flight=5, wait_options=QUICK
                ) as results:
                    await anext(results)
        assert source.closed == 1

    async def test_one_may_be_a_batch_itself(self, sandbox: Sandbox, kind: str) -> None:
        async with client_of(sandbox) as client:

            async def outer() -> AsyncIterator[CreatePredictionParams]:
                async with client.predictions.async_batch(Source(4).of_kind(kind), MODEL, wait_options=QUICK) as inner:
                    async for each in inner:
                        assert each.prediction is not None
                        yield {"input": {"text": f"{each.prediction['output']}x"}}

            with fail_after(PATIENCE):
                results = await collected(client, outer())
        assert sorted(outputs(results).values()) == ["T0X", "T1X", "T2X", "T3X"]


@pytest.mark.anyio
class TestResults:
    async def test_every_input_gets_its_result(self, sandbox: Sandbox) -> None:
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                assert outputs(await collected(client, texts(30))) == expected(30)
        assert len(sandbox.predictions) == 30

    async def test_they_come_as_they_end_with_the_index_and_the_params_of_their_input(self, sandbox: Sandbox) -> None:
        inputs: list[CreatePredictionParams] = [{"input": {"seconds": seconds}} for seconds in (0.4, 0.2, 0.0)]
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                results = await collected(client, inputs, "sandbox/sleep")
        assert [each.index for each in results] == [2, 1, 0]
        assert all(each.params == inputs[each.index] for each in results)

    @pytest.mark.parametrize("kind", ["sync", "async"])
    async def test_each_input_is_what_it_was_when_it_was_yielded(self, sandbox: Sandbox, kind: str) -> None:
        def reused() -> Iterator[CreatePredictionParams]:
            row: dict[str, Any] = {"n": None}
            for number in range(20):
                row["n"] = number
                yield {"input": row}

        async def async_reused() -> AsyncIterator[CreatePredictionParams]:
            for params in reused():
                yield params

        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                results = await collected(client, async_reused() if kind == "async" else reused(), "sandbox/echo")
        assert {each.index: each.params["input"]["n"] for each in results} == {n: n for n in range(20)}
        assert {index: output["n"] for index, output in outputs(results).items()} == {n: n for n in range(20)}

    @pytest.mark.parametrize("bare", ["hello", {"text": "hello"}, ["hello"], 7, {"inputs": 1}])
    async def test_a_bare_input_is_refused_by_the_right_form_and_nothing_is_created(
        self, sandbox: Sandbox, bare: Any
    ) -> None:
        with fail_after(PATIENCE), pytest.raises(ValueError, match='"input"'):
            async with client_of(sandbox) as client:
                await collected(client, [bare] * 3)
        assert sandbox.requests == []

    async def test_one_failure_does_not_stop_the_others(self, sandbox: Sandbox) -> None:
        inputs: list[Any] = [{"input": {"text": "bad"}}, {"input": {"text": "good"}}, {}, {"input": object()}]
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                by_index = {each.index: each for each in await collected(client, inputs)}
        assert by_index[0].prediction is not None
        assert by_index[0].prediction["status"] == "failed"
        assert outputs(by_index.values())[1] == "GOOD"
        assert isinstance(by_index[2].error, ValueError)
        assert isinstance(by_index[3].error, ValueError)

    async def test_a_timeout_is_that_of_each_prediction(self, sandbox: Sandbox) -> None:
        inputs: list[CreatePredictionParams] = [{"input": {"seconds": seconds}} for seconds in (0, 60)]
        options = AsyncWaitOptions(poll_interval=0.02, timeout=0.5)
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                ended, late = await collected(client, inputs, "sandbox/sleep", wait_options=options)
        assert ended.prediction is not None
        assert isinstance(late.error, WaitTimeoutError)
        assert [late.error.prediction_id] == [
            each["id"] for each in sandbox.predictions if each["status"] != "succeeded"
        ]

    async def test_several_tasks_may_share_them(self, sandbox: Sandbox) -> None:
        results: list[BatchResult] = []
        async with client_of(sandbox) as client:
            with fail_after(PATIENCE):
                async with (
                    client.predictions.async_batch(texts(20), MODEL, wait_options=QUICK) as batch,
                    create_task_group() as tasks,
                ):

                    async def take() -> None:
                        results.extend([each async for each in batch])

                    tasks.start_soon(take)
                    tasks.start_soon(take)
        assert outputs(results) == expected(20)
        assert len(results) == 20


@pytest.mark.anyio
class TestLeaving:
    async def test_an_error_of_the_block_is_raised_by_itself(self, sandbox: Sandbox) -> None:
        with fail_after(PATIENCE), pytest.raises(ZeroDivisionError):
            async with client_of(sandbox) as client, client.predictions.async_batch(texts(5), MODEL):
                raise ZeroDivisionError

    @pytest.mark.parametrize("cancel_on_exit", [False, True])
    async def test_it_is_quick_and_cancels_on_the_server_only_if_asked(
        self, sandbox: Sandbox, cancel_on_exit: bool
    ) -> None:
        options = AsyncWaitOptions(cancel_on_exit=cancel_on_exit)
        async with client_of(sandbox) as client:
            with fail_after(PATIENCE):
                async with client.predictions.async_batch(SLEEPS, "sandbox/sleep", wait_options=options):
                    await until_async(lambda: len(sandbox.predictions) == 3)
                cancels = [each for each in sandbox.requests if each.path.endswith("/cancel")]
                assert len(cancels) == (3 if cancel_on_exit else 0)

    @pytest.mark.parametrize("journaled", [False, True])
    async def test_a_cancel_scope_ends_it_and_nothing_outlives_it(
        self, sandbox: Sandbox, tmp_path: Path, journaled: bool
    ) -> None:
        before = {task.id for task in get_running_tasks()}
        journal = tmp_path / "journal" if journaled else None
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                with move_on_after(0.05) as scope:
                    await collected(client, SLEEPS, "sandbox/sleep", journal=journal)
                assert scope.cancelled_caught
                assert {task.id for task in get_running_tasks()} == before
                assert threads_named("wriftai_anyio files") == set()
                assert client.rate_limits.creates.queued == 0

    async def test_a_cancel_scope_around_the_next_result_loses_none(self, sandbox: Sandbox) -> None:
        results: list[BatchResult] = []
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                async with client.predictions.async_batch(texts(20), MODEL, wait_options=QUICK) as batch:
                    while len(results) < 20:
                        with move_on_after(0.002):
                            results.append(await anext(batch))
        assert outputs(results) == expected(20)

    @pytest.mark.parametrize("anyio_backend", ["asyncio"])
    async def test_asyncio_s_own_timeout_ends_it_and_nothing_outlives_it(self, sandbox: Sandbox) -> None:
        before = asyncio.all_tasks()
        async with client_of(sandbox) as client:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(collected(client, SLEEPS, "sandbox/sleep"), 0.05)
            assert asyncio.all_tasks() == before

    async def test_it_runs_once_and_is_iterated_over_in_its_block(self, sandbox: Sandbox) -> None:
        async with client_of(sandbox) as client:
            batch = client.predictions.async_batch(texts(1), MODEL)
            with pytest.raises(RuntimeError, match="inside the block"):
                await anext(batch)
            with fail_after(PATIENCE):
                async with batch as results:
                    assert len([each async for each in results]) == 1
            with pytest.raises(RuntimeError, match="runs once"):
                async with batch:
                    pass


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
class TestBatch:
    def test_a_script_gets_every_result(self, sandbox: Sandbox, backend: str) -> None:
        source = Source(30)
        with (
            client_of(sandbox, backend=backend) as client,
            client.predictions.batch(source.iterate(), MODEL, wait_options=BLOCKING) as results,
        ):
            assert outputs(results) == expected(30)

    def test_an_error_of_the_inputs_is_raised_after_the_results_of_all_before(
        self, sandbox: Sandbox, backend: str
    ) -> None:
        source = Source(5, error=KeyError("no more"))
        found: list[BatchResult] = []
        with client_of(sandbox, backend=backend) as client, pytest.raises(KeyError, match="no more"):
            with client.predictions.batch(source.iterate(), MODEL, wait_options=BLOCKING) as results:
                for each in results:
                    found.append(each)  # noqa: PERF402 -- the iteration raises
        assert outputs(found) == expected(5)

    def test_a_generator_is_closed_when_the_block_is_left_early(self, sandbox: Sandbox, backend: str) -> None:
        source = Source(1000)
        inputs = source.iterate()
        with client_of(sandbox, backend=backend) as client:
            with client.predictions.batch(inputs, MODEL, max_in_flight=5, wait_options=BLOCKING) as results:
                next(results)
        assert source.taken <= 6
        assert source.closed == 1

    def test_each_input_is_what_it_was_when_it_was_yielded(self, sandbox: Sandbox, backend: str) -> None:
        def reused() -> Iterator[CreatePredictionParams]:
            row: dict[str, Any] = {"n": None}
            for number in range(20):
                row["n"] = number
                yield {"input": row}

        with client_of(sandbox, backend=backend) as client:
            with client.predictions.batch(reused(), "sandbox/echo", wait_options=BLOCKING) as results:
                assert {index: output["n"] for index, output in outputs(results).items()} == {n: n for n in range(20)}

    def test_one_may_take_its_inputs_from_another(self, sandbox: Sandbox, backend: str) -> None:
        with client_of(sandbox, backend=backend) as client:

            def outer() -> Iterator[CreatePredictionParams]:
                with client.predictions.batch(texts(4), MODEL, wait_options=BLOCKING) as inner:
                    for each in inner:
                        assert each.prediction is not None
                        yield {"input": {"text": f"{each.prediction['output']}x"}}

            with client.predictions.batch(outer(), MODEL, wait_options=BLOCKING) as results:
                assert sorted(outputs(results).values()) == ["T0X", "T1X", "T2X", "T3X"]

    def test_leaving_early_cancels_on_the_server_if_asked(self, sandbox: Sandbox, backend: str) -> None:
        options = WaitOptions(cancel_on_exit=True)
        inputs: list[CreatePredictionParams] = [{"input": {"seconds": 0.3}}, *SLEEPS]
        with client_of(sandbox, backend=backend) as client:
            with client.predictions.batch(inputs, "sandbox/sleep", wait_options=options) as results:
                next(results)
            assert len([each for each in sandbox.requests if each.path.endswith("/cancel")]) == 3

    def test_several_threads_may_share_the_results(self, sandbox: Sandbox, backend: str) -> None:
        with client_of(sandbox, backend=backend) as client:
            with (
                client.predictions.batch(texts(20), MODEL, wait_options=BLOCKING) as results,
                ThreadPoolExecutor(3) as threads,
            ):
                found = [each for part in threads.map(lambda _: list(results), range(3)) for each in part]
        assert len(found) == 20
        assert outputs(found) == expected(20)

    def test_callbacks_run_in_the_thread_that_takes_the_results(self, sandbox: Sandbox, backend: str) -> None:
        threads: set[int] = set()
        options = WaitOptions(
            poll_interval=QUICK.poll_interval, duration=0, on_poll=lambda _: threads.add(threading.get_ident())
        )
        with client_of(sandbox, backend=backend) as client:
            with client.predictions.batch(texts(3), MODEL, wait_options=options) as results:
                assert outputs(results) == expected(3)
        assert threads == {threading.get_ident()}


def test_wrong_arguments_are_refused_at_once(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        for batch in (client.predictions.batch, client.predictions.async_batch):
            with pytest.raises(ValueError, match="max_in_flight"):
                batch(texts(1), MODEL, max_in_flight=0)
            with pytest.raises(ValueError, match="owner"):
                batch(texts(1), "no model")
            with pytest.raises(ValueError, match="iterable"):
                batch(7, MODEL)  # type: ignore[arg-type]
    assert sandbox.requests == []


@pytest.mark.parametrize("zeros", [0, 5000])
def test_a_result_is_shown_whatever_its_integers(zeros: int) -> None:
    prediction: Any = {"id": "a", "output": [10**zeros]}
    shown = repr(BatchResult(3, {"input": 1}, prediction, None)).replace("'", '"')
    output = f"[1{'0' * zeros}]"
    expected_prediction = f'{{"id": "a", "output": {output}}}'
    assert shown == f'BatchResult(index=3, params={{"input": 1}}, prediction={expected_prediction}, error=None)'
