"""Batches: results as they end, a journal that survives, leaving early."""

import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from wriftai_anyio import BatchJournalError, Client, CreateOutcomeUnknown
from wriftai_anyio.batch import BatchResult
from wriftai_anyio.predictions import AsyncWaitOptions, CreatePredictionParams, WaitOptions
from wriftai_anyio.sandbox import Sandbox

QUICK = AsyncWaitOptions(poll_interval=0.02)


def upper(value: Any) -> str:
    if value["text"] == "bad":
        raise ValueError("bad input")
    text: str = value["text"].upper()
    return text


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(models={"me/upper": upper}) as running:
        yield running


def client_of(sandbox: Sandbox, **options: Any) -> Client:
    return Client(sandbox.access_token, sandbox.base_url, **options)


def texts(count: int) -> list[CreatePredictionParams]:
    return [{"input": {"text": f"t{number}"}} for number in range(count)]


def outputs(results: list[BatchResult]) -> dict[int, Any]:
    return {each.index: each.prediction["output"] for each in results if each.prediction is not None}


def expected(count: int) -> dict[int, str]:
    return {number: f"T{number}" for number in range(count)}


@pytest.mark.anyio
class TestAsyncBatch:
    @pytest.mark.parametrize("journaled", [False, True])
    async def test_every_input_gets_its_result(self, sandbox: Sandbox, tmp_path: Path, journaled: bool) -> None:
        journal = tmp_path / "journal" if journaled else None
        with anyio.fail_after(30):
            async with client_of(sandbox) as client:
                batch = client.predictions.async_batch(texts(30), "me/upper", journal=journal, wait_options=QUICK)
                async with batch as results:
                    assert outputs([each async for each in results]) == expected(30)
        assert len(sandbox.predictions) == 30

    async def test_inputs_are_taken_in_only_as_results_are_taken_out(self, sandbox: Sandbox) -> None:
        taken = 0

        async def inputs() -> AsyncIterator[CreatePredictionParams]:
            nonlocal taken
            for params in texts(1000):
                taken += 1
                yield params

        with anyio.fail_after(30):
            async with (
                client_of(sandbox) as client,
                client.predictions.async_batch(inputs(), "me/upper", max_in_flight=5) as results,
            ):
                for _ in range(3):
                    await anext(results)
                await anyio.sleep(0.2)
                assert taken <= 8

    async def test_one_failure_does_not_stop_the_others(self, sandbox: Sandbox) -> None:
        inputs: list[CreatePredictionParams] = [{"input": {"text": "bad"}}, {"input": {"text": "good"}}, {}]  # type: ignore[typeddict-item]
        with anyio.fail_after(30):
            async with client_of(sandbox) as client, client.predictions.async_batch(inputs, "me/upper") as results:
                by_index = {each.index: each async for each in results}
        assert by_index[0].prediction is not None
        assert by_index[0].prediction["status"] == "failed"
        assert outputs(list(by_index.values()))[1] == "GOOD"
        assert isinstance(by_index[2].error, ValueError)

    async def test_an_error_of_the_inputs_is_raised_by_itself(self, sandbox: Sandbox) -> None:
        def inputs() -> Iterator[CreatePredictionParams]:
            yield from texts(1)
            raise KeyError("no more")

        with anyio.fail_after(30), pytest.raises(KeyError, match="no more"):
            async with client_of(sandbox) as client, client.predictions.async_batch(inputs(), "me/upper") as results:
                async for _ in results:
                    pass

    async def test_an_error_of_the_block_is_raised_by_itself(self, sandbox: Sandbox) -> None:
        with anyio.fail_after(30), pytest.raises(ZeroDivisionError):
            async with client_of(sandbox) as client, client.predictions.async_batch(texts(5), "me/upper"):
                raise ZeroDivisionError

    async def test_leaving_early_is_quick_and_cancels_on_the_server_if_asked(self, sandbox: Sandbox) -> None:
        inputs: list[CreatePredictionParams] = [{"input": {"seconds": 60}}] * 3
        options = AsyncWaitOptions(cancel_on_exit=True)
        async with client_of(sandbox) as client:
            with anyio.fail_after(10):
                async with client.predictions.async_batch(inputs, "sandbox/sleep", wait_options=options):
                    while len(sandbox.predictions) < 3:
                        await anyio.sleep(0.01)
                while any(each["status"] != "cancelled" for each in sandbox.predictions):
                    await anyio.sleep(0.01)

    async def test_a_journal_goes_on_where_a_run_stopped(self, sandbox: Sandbox, tmp_path: Path) -> None:
        journal = tmp_path / "journal"
        with anyio.fail_after(30):
            async with client_of(sandbox) as client:
                predictions = client.predictions
                async with predictions.async_batch(
                    texts(40), "me/upper", journal=journal, max_in_flight=5, wait_options=QUICK
                ) as results:
                    for _ in range(10):
                        await anext(results)
                async with predictions.async_batch(texts(40), "me/upper", journal=journal, wait_options=QUICK) as again:
                    assert outputs([each async for each in again]) == expected(40)
        assert len(sandbox.predictions) == 40

    async def test_what_was_just_created_is_polled_only_after_an_interval(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        options = AsyncWaitOptions(poll_interval=0.2)
        with anyio.fail_after(30):
            async with client_of(sandbox) as client:
                batch = client.predictions.async_batch(
                    texts(10), "me/upper", journal=tmp_path / "journal", wait_options=options
                )
                async with batch as results:
                    assert outputs([each async for each in results]) == expected(10)
        assert len([each for each in sandbox.requests if each.path.startswith("/v1/predictions/")]) == 10

    async def test_without_polls_a_journaled_batch_gives_what_it_created_and_does_not_create_it_again(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        inputs: list[CreatePredictionParams] = [{"input": {"seconds": 60}}] * 3
        found: list[dict[int, str]] = []
        with anyio.fail_after(30):
            async with client_of(sandbox) as client:
                for _ in range(2):
                    batch = client.predictions.async_batch(
                        inputs, "sandbox/sleep", journal=tmp_path / "journal", wait_options=AsyncWaitOptions(poll=False)
                    )
                    async with batch as results:
                        ended = [each async for each in results]
                    found.append({each.index: each.prediction["id"] for each in ended if each.prediction})
        assert found[0] == found[1]
        assert sorted(found[0].values()) == sorted(each["id"] for each in sandbox.predictions)

    async def test_what_may_have_been_created_is_reported_or_created_again(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        journal = tmp_path / "journal"
        sandbox.fail_next("drop_after", method="POST")
        with anyio.fail_after(30):
            async with client_of(sandbox) as client:
                for again, kind in ((False, CreateOutcomeUnknown), (False, CreateOutcomeUnknown), (True, type(None))):
                    async with client.predictions.async_batch(
                        texts(1), "me/upper", journal=journal, wait_options=QUICK, recreate_unknown=again
                    ) as results:
                        assert [type(each.error) async for each in results] == [kind]
        assert len(sandbox.predictions) == 2

    async def test_a_create_that_was_refused_is_tried_again_by_the_next_run(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        journal = tmp_path / "journal"
        sandbox.fail_next(403, method="POST")
        with anyio.fail_after(30):
            async with client_of(sandbox) as client:
                for succeeds in (False, True):
                    async with client.predictions.async_batch(
                        texts(1), "me/upper", journal=journal, wait_options=QUICK
                    ) as results:
                        assert [each.error is None async for each in results] == [succeeds]

    async def test_a_journal_of_other_inputs_is_refused_and_left_as_it_was(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        journal = tmp_path / "journal"
        with anyio.fail_after(30):
            async with client_of(sandbox) as client:
                async with client.predictions.async_batch(
                    texts(2), "me/upper", journal=journal, wait_options=QUICK
                ) as results:
                    assert len([each async for each in results]) == 2
                before = journal.read_bytes()
                with pytest.raises(BatchJournalError, match="other inputs"):
                    async with client.predictions.async_batch(
                        texts(3)[1:], "me/upper", journal=journal, wait_options=QUICK
                    ) as results:
                        async for _ in results:
                            pass
        assert journal.read_bytes() == before

    @pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\x00" + bytes(200)])
    async def test_a_file_that_is_no_journal_is_refused_and_left_as_it_was(
        self, sandbox: Sandbox, tmp_path: Path, content: bytes
    ) -> None:
        journal = tmp_path / "journal"
        journal.write_bytes(content)
        async with client_of(sandbox) as client:
            with pytest.raises(BatchJournalError):
                async with client.predictions.async_batch(texts(1), "me/upper", journal=journal):
                    pass
        assert journal.read_bytes() == content

    async def test_another_database_is_refused_and_left_as_it_was(self, sandbox: Sandbox, tmp_path: Path) -> None:
        journal = tmp_path / "journal"
        database = sqlite3.connect(journal)
        database.execute("CREATE TABLE mine (x)")
        database.commit()
        database.close()
        content = journal.read_bytes()
        async with client_of(sandbox) as client:
            with pytest.raises(BatchJournalError, match="not the journal"):
                async with client.predictions.async_batch(texts(1), "me/upper", journal=journal):
                    pass
        assert journal.read_bytes() == content

    async def test_a_journal_in_use_is_refused(self, sandbox: Sandbox, tmp_path: Path) -> None:
        journal = tmp_path / "journal"
        with anyio.fail_after(30):
            async with client_of(sandbox) as client:
                async with client.predictions.async_batch(texts(1), "me/upper", journal=journal):
                    with pytest.raises(BatchJournalError, match="in use"):
                        async with client.predictions.async_batch(texts(1), "me/upper", journal=journal):
                            pass


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
class TestBatch:
    def test_a_script_gets_every_result(self, sandbox: Sandbox, backend: str) -> None:
        with (
            client_of(sandbox, backend=backend) as client,
            client.predictions.batch((each for each in texts(30)), "me/upper") as results,
        ):
            assert outputs(list(results)) == expected(30)

    def test_an_error_of_the_inputs_is_raised(self, sandbox: Sandbox, backend: str) -> None:
        def inputs() -> Iterator[CreatePredictionParams]:
            yield from texts(1)
            raise KeyError("no more")

        with (
            client_of(sandbox, backend=backend) as client,
            pytest.raises(KeyError, match="no more"),
            client.predictions.batch(inputs(), "me/upper", wait_options=WaitOptions(poll_interval=0.02)) as results,
        ):
            list(results)

    def test_a_journal_in_use_is_refused(self, sandbox: Sandbox, backend: str, tmp_path: Path) -> None:
        journal = tmp_path / "journal"
        with client_of(sandbox, backend=backend) as client:
            with (
                client.predictions.batch(texts(1), "me/upper", journal=journal),
                pytest.raises(BatchJournalError, match="in use"),
                client.predictions.batch(texts(1), "me/upper", journal=journal),
            ):
                pass


KILLED = """
import sys
from wriftai_anyio import Client
from wriftai_anyio.predictions import WaitOptions

url, token, journal = sys.argv[1:]
inputs = ({"input": {"text": f"t{number}"}} for number in range(60))
with Client(token, url) as client:
    options = WaitOptions(poll_interval=0.02)
    batch = client.predictions.batch(inputs, "me/upper", journal=journal, max_in_flight=10, wait_options=options)
    with batch as results:
        for result in results:
            print(result.index, type(result.error).__name__, flush=True)
"""


def test_a_batch_survives_being_killed(sandbox: Sandbox, tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", KILLED, sandbox.base_url, sandbox.access_token, str(tmp_path / "journal")]
    for lines in (3, 20):
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(lines):
                process.stdout.readline()
            process.kill()
    run = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
    ended = dict(line.split() for line in run.stdout.splitlines())
    assert sorted(map(int, ended)) == list(range(60))
    unknown = {number for number, error in ended.items() if error == "CreateOutcomeUnknown"}
    assert set(ended.values()) <= {"NoneType", "CreateOutcomeUnknown"}
    created = [each["input"]["text"] for each in sandbox.predictions]
    assert len(created) == len(set(created))
    assert len(set(created)) >= 60 - len(unknown)
