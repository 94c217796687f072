"""Inputs of a batch with a journal, where answers or the disk do less than they promise."""

import json
import sqlite3
import threading
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio import fail_after

from tests.support.batches import QUICK, collected
from tests.support.clients import ID, Answer, Script, answer, client_of, prediction
from tests.support.patience import PATIENCE, until_async
from wriftai_anyio import BatchJournalError, CreateOutcomeUnknown
from wriftai_anyio._batch.journal import Change, Journal, created
from wriftai_anyio.batch import BatchResult
from wriftai_anyio.predictions import AsyncWaitOptions, CreatePredictionParams

pytestmark = pytest.mark.anyio


INPUTS: list[CreatePredictionParams] = [{"input": number} for number in range(3)]
OTHER = "5b6f1c3e-0000-4000-8000-000000000002"


@pytest.mark.parametrize("code", [502, 303])
@pytest.mark.parametrize("poll", [True, False])
async def test_a_prediction_that_only_its_address_names_is_followed_and_kept(
    tmp_path: Path, poll: bool, code: int
) -> None:
    lost = httpx.Response(code, headers={"location": f"/v1/predictions/{ID}"})

    async def run(*answers: Answer, options: AsyncWaitOptions = QUICK) -> tuple[BatchResult, list[str]]:
        script = Script(*answers)
        async with client_of(script) as client:
            [result] = await collected(
                client, [{"input": 1}], "o/n", journal=tmp_path / "journal", wait_options=options
            )
        assert [json.loads(body) for body in script.bodies if body] in ([], [{"model": "o/n", "input": 1}])
        return result, script.paths

    with fail_after(PATIENCE):
        seen = [] if poll else [answer("started")]
        first, sent = await run(lost, *seen, answer(), options=AsyncWaitOptions(0.02, poll=poll))
        assert sent == ["POST /predictions", f"GET /predictions/{ID}"]
        second, sent = await run(*([] if poll else [answer()]))
        assert sent == ([] if poll else [f"GET /predictions/{ID}"])
        third, sent = await run()
        assert sent == []
    assert first.prediction is not None
    assert first.prediction["status"] == ("succeeded" if poll else "started")
    assert second.prediction == third.prediction
    assert second.prediction is not None
    assert second.prediction["status"] == "succeeded"


async def test_after_a_change_that_was_not_written_none_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrived = 0
    failed: list[list[Change]] = []
    change = Journal.change

    async def together(_: httpx.Request) -> httpx.Response:
        nonlocal arrived
        arrived += 1
        while arrived < 2:  # as many as go out before the first answer
            await anyio.sleep(0.005)
        return answer("started", 201)

    def change_or_fail(self: Journal, changes: list[Change]) -> None:
        if failed or any(statement == created(0, ID)[0] for statement, _ in changes):
            failed.append(changes)
            raise BatchJournalError("The disk is full.")
        change(self, changes)

    monkeypatch.setattr(Journal, "change", change_or_fail)
    inputs = [{"input": number} for number in range(2)]
    async with client_of(Script(forever=together)) as client:
        with (
            fail_after(PATIENCE),
            pytest.raises(BatchJournalError, match=r"full\. No more predictions .*find_unknown=True"),
        ):
            await collected(client, inputs, "o/n", journal=tmp_path / "journal", max_in_flight=2)
    assert len(failed) == 1


async def run(script: Script, journal: Path, inputs: Iterable[CreatePredictionParams], **options: Any) -> list[Any]:
    """Runs a batch on a new client without retries, and returns the prediction or the error of each input, in order."""
    async with client_of(script, max_retries=0) as client:
        with fail_after(PATIENCE):
            results = await collected(client, inputs, "o/n", journal=journal, in_order=True, **options)
    return [result.prediction or result.error for result in results]


def listed(*predictions: dict[str, object]) -> httpx.Response:
    return httpx.Response(200, json={"items": predictions, "next_cursor": None, "previous_cursor": None})


def created_by_the_batch(given: object, status: str = "succeeded", **fields: object) -> dict[str, object]:
    model = {"owner": "o", "name": "n", "version_number": 1}
    return prediction(status, input=given, model=model, created_at="2999-01-01T00:00:00Z", **fields)


async def lose(journal: Path, count: int = 1) -> None:
    """Leaves a journal whose inputs may have been created."""
    await run(Script(forever=httpx.ReadError("broken")), journal, INPUTS[:count])


class TestUnknown:
    async def test_it_is_reported_by_its_input_with_what_to_do(self, journal: Path) -> None:
        await lose(journal, 2)
        script = Script()
        errors = await run(script, journal, INPUTS[:2])
        for number, error in enumerate(errors):
            assert isinstance(error, CreateOutcomeUnknown)
            unknown = f"the create for input {number} but got no answer, so the prediction may or may not exist"
            assert unknown in str(error)
            assert str(error).endswith(
                "predictions.list(); recreate_unknown=True creates it again, perhaps a second time."
            )
        assert script.requests == []

    async def test_what_was_looked_for_in_vain_is_reported_so(self, journal: Path) -> None:
        await lose(journal)
        [error] = await run(Script(listed()), journal, INPUTS[:1], find_unknown=True)
        assert "exist. It was not found among the newest predictions (find_unknown=True). Check with" in str(error)

    @pytest.mark.parametrize("again", [False, True])
    async def test_what_is_found_is_followed_and_noted_for_good(self, journal: Path, again: bool) -> None:
        await lose(journal, 2)
        ended = created_by_the_batch(1)
        running = created_by_the_batch(0, "started", id=OTHER)
        script = Script(
            listed(ended, running),
            httpx.Response(200, json=ended),
            httpx.Response(200, json=running),
            httpx.Response(200, json={**running, "status": "failed"}),
        )
        found = await run(script, journal, INPUTS[:2], find_unknown=True, recreate_unknown=again)
        assert [(each["id"], each["status"]) for each in found] == [(OTHER, "failed"), (ID, "succeeded")]
        # Looked at to compare its input; what has ended is not looked at again.
        assert script.paths[1:] == [f"GET /predictions/{each}" for each in (ID, OTHER, OTHER)]
        nothing = Script()
        assert await run(nothing, journal, INPUTS[:2], find_unknown=True, recreate_unknown=again) == found
        assert nothing.requests == []

    @pytest.mark.parametrize("refusal", [httpx.Response(403), httpx.ConnectError("refused")])
    async def test_what_may_exist_stays_so_where_creating_it_again_did_nothing(
        self, journal: Path, refusal: Answer
    ) -> None:
        await lose(journal)
        [error] = await run(Script(refusal), journal, INPUTS[:1], recreate_unknown=True)
        assert not isinstance(error, CreateOutcomeUnknown)
        [error] = await run(Script(), journal, INPUTS[:1])
        assert isinstance(error, CreateOutcomeUnknown)

    @pytest.mark.parametrize("refusal", [httpx.Response(403), httpx.ConnectError("refused")])
    async def test_what_was_certainly_not_created_is_by_the_next_run(self, journal: Path, refusal: Answer) -> None:
        await run(Script(refusal), journal, INPUTS[:1])
        script = Script(answer(code=201))
        [created] = await run(script, journal, INPUTS[:1])
        assert created["status"] == "succeeded"


class TestResults:
    async def test_what_did_not_succeed_is_kept_and_created_again_only_if_asked(self, journal: Path) -> None:
        for status in ("failed", "cancelled"):
            script = Script(answer(status, 201))
            [result] = await run(script, journal, INPUTS[:1], retry_failed=True)
            assert (result["status"], script.paths) == (status, ["POST /predictions"])
        [result] = await run(Script(), journal, INPUTS[:1])
        assert result["status"] == "cancelled"
        await run(Script(answer(code=201)), journal, INPUTS[:1], retry_failed=True)
        [result] = await run(Script(), journal, INPUTS[:1], retry_failed=True)
        assert result["status"] == "succeeded"

    @pytest.mark.parametrize(
        ("result", "problem"),
        [
            ("[1]", "the result of input 0: "),
            (
                json.dumps(prediction("started")),
                "the result stored for input 0 is not that of its finished prediction.",
            ),
            (json.dumps(prediction(id=OTHER)), "the result stored for input 0 is not that of its finished prediction."),
        ],
    )
    async def test_a_result_that_cannot_be_is_said_to_be_damaged(
        self, journal: Path, result: str, problem: str
    ) -> None:
        await run(Script(answer(code=201)), journal, INPUTS[:1])
        with closing(sqlite3.connect(journal)) as database, database:
            database.execute("UPDATE entries SET result = ?", (result,))
        with pytest.raises(BatchJournalError) as caught:
            await run(Script(), journal, INPUTS[:1])
        assert str(caught.value).startswith(f"The journal is damaged: {problem}")
        assert "None" not in str(caught.value)

    async def test_a_result_without_the_id_of_its_create_is_said_to_be_damaged(self, journal: Path) -> None:
        await run(Script(answer(code=201)), journal, INPUTS[:1])
        with closing(sqlite3.connect(journal)) as database, database:
            database.execute("UPDATE entries SET prediction_id = NULL")
        with pytest.raises(BatchJournalError, match="input 0 is not that of its finished prediction"):
            await run(Script(), journal, INPUTS[:1])


class TestLeaving:
    async def test_a_create_under_way_is_let_finish_and_noted(self, journal: Path) -> None:
        async def late(_: httpx.Request) -> httpx.Response:
            await anyio.sleep(0.05)
            return answer("started", 201)

        script = Script(late)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, script, journal, INPUTS[:1])
            await until_async(lambda: bool(script.requests))
            tasks.cancel_scope.cancel()
        script = Script(answer())
        [result] = await run(script, journal, INPUTS[:1])
        assert (result["id"], script.paths) == (ID, [f"GET /predictions/{ID}"])

    async def test_what_waits_for_the_disk_is_written_too(self, journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        is_free = threading.Event()
        change = Journal.change
        created_ids: list[object] = []

        def change_slowly(self: Journal, changes: list[Change]) -> None:
            ids = [values[0] for statement, values in changes if statement == created(0, ID)[0]]
            created_ids.extend(ids)
            if ids:
                assert is_free.wait(PATIENCE)
            change(self, changes)

        async def respond(request: httpx.Request) -> httpx.Response:
            # Both intents are written before an answer comes.
            await until_async(lambda: len(script.requests) == 2)
            return answer("started", 201, id=f"p{json.loads(request.content)['input']}")

        monkeypatch.setattr(Journal, "change", change_slowly)
        script = Script(forever=respond)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, script, journal, INPUTS[:2])
            await until_async(lambda: bool(created_ids))
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
            is_free.set()
        with closing(sqlite3.connect(journal)) as database:
            kept = database.execute("SELECT prediction_id FROM entries ORDER BY number").fetchall()
        assert kept == [("p0",), ("p1",)]
