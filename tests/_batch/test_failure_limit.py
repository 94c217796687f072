"""A batch stops after too many failures, and until one input has succeeded few are under way."""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio import fail_after

from tests.support.batches import MODEL, QUICK, client_of, collected, texts
from tests.support.patience import PATIENCE
from wriftai_anyio import BatchStoppedError
from wriftai_anyio.batch import BatchResult
from wriftai_anyio.predictions import WaitOptions
from wriftai_anyio.sandbox import Sandbox

BAD: Any = {"input": {"text": "bad"}}


async def until_stopped(client: Any, inputs: Any, **options: Any) -> tuple[list[BatchResult], BatchStoppedError]:
    results: list[BatchResult] = []
    with pytest.raises(BatchStoppedError) as stopped:
        async with client.predictions.async_batch(inputs, MODEL, wait_options=QUICK, **options) as batch:
            async for each in batch:
                results.append(each)  # noqa: PERF401 -- the iteration raises
    return results, stopped.value


@pytest.mark.anyio
class TestMaxFailures:
    @pytest.mark.parametrize("journaled", [False, True])
    async def test_where_all_fail_no_more_are_created_than_may(
        self, sandbox: Sandbox, journal: Path, journaled: bool
    ) -> None:
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                results, error = await until_stopped(
                    client, [BAD] * 100, max_failures=3, journal=journal if journaled else None
                )
        assert len(results) == len(sandbox.predictions) == 3
        assert (error.failures, error.succeeded) == ({"failed": 3}, 0)
        assert "3 failed" in str(error)

    async def test_after_a_success_all_run_at_once_and_what_is_under_way_ends(self, sandbox: Sandbox) -> None:
        taken = Counter[str]()

        def inputs() -> Iterator[Any]:
            for params in [*texts(1), *[BAD] * 5, *texts(200)]:
                taken[params["input"]["text"]] += 1
                yield params

        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                results, error = await until_stopped(client, inputs(), max_failures=2, max_in_flight=4)
        assert error.failures["failed"] >= 2
        assert error.succeeded >= 1
        assert len(results) == len(sandbox.predictions) < 20
        assert taken.total() <= len(results) + 1

    async def test_errors_count_too(self, sandbox: Sandbox) -> None:
        sandbox.fail_next(403, method="POST", times=100)
        inputs: Any = [{"input": {1}}, *texts(50)]
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                _, error = await until_stopped(client, inputs, max_failures=3)
        assert error.failures == {"ValueError": 1, "PermissionDeniedError": 2}
        assert len(sandbox.requests) == 2

    async def test_fewer_do_not_stop_it(self, sandbox: Sandbox) -> None:
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                results = await collected(client, [BAD, *texts(20)], max_failures=2)
        assert len(results) == 21

    @pytest.mark.parametrize("journaled", [False, True])
    async def test_of_equal_inputs_that_are_created_once_one_failure_counts(
        self, sandbox: Sandbox, journal: Path, journaled: bool
    ) -> None:
        inputs = [*[BAD] * 30, *texts(5), {"input": {"text": "bad", "more": 1}}, *texts(40)[5:]]
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                results, error = await until_stopped(
                    client,
                    inputs,
                    max_failures=2,
                    deduplicate=True,
                    max_in_flight=4,
                    journal=journal if journaled else None,
                )
        assert error.failures == {"failed": 2}
        assert sum(each.failure is not None for each in results) == 31
        assert sum(each["status"] == "failed" for each in sandbox.predictions) == 2

    async def test_with_the_journal_it_goes_on(self, sandbox: Sandbox, journal: Path) -> None:
        inputs = [*[BAD] * 3, *texts(10)]
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                await until_stopped(client, inputs, max_failures=3, journal=journal)
                assert len(sandbox.predictions) == 3
                results = await collected(client, inputs, max_failures=3, journal=journal)
        assert len(results) == 13
        assert len(sandbox.predictions) == 13

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_a_script_is_told_so(self, sandbox: Sandbox, backend: str) -> None:
        options = WaitOptions(poll_interval=0.02)
        with client_of(sandbox, backend=backend) as client:
            with client.predictions.batch([BAD] * 9, MODEL, max_failures=2, wait_options=options) as results:
                assert [next(results).failure, next(results).failure] == ["failed", "failed"]
                with pytest.raises(BatchStoppedError, match="2 failed"):
                    next(results)

    @pytest.mark.parametrize("wrong", [0, -1, 1.5, "3", True, math.inf])
    async def test_what_is_no_number_is_refused(self, sandbox: Sandbox, wrong: Any) -> None:
        async with client_of(sandbox) as client:
            with pytest.raises(ValueError, match="max_failures must be a whole number from 1"):
                client.predictions.async_batch([], MODEL, max_failures=wrong)
