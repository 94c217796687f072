"""Inputs of a batch with a journal, where answers or the disk do less than they promise."""

import json
from pathlib import Path

import anyio
import httpx
import pytest
from anyio import fail_after

from tests.support.batches import QUICK, collected
from tests.support.clients import ID, Answer, Script, answer, client_of
from tests.support.patience import PATIENCE
from wriftai_anyio import BatchJournalError
from wriftai_anyio._batch.journal import Change, Journal, created
from wriftai_anyio.batch import BatchResult
from wriftai_anyio.predictions import AsyncWaitOptions

pytestmark = pytest.mark.anyio

LOST = httpx.Response(502, headers={"location": f"/v1/predictions/{ID}"})


@pytest.mark.parametrize("poll", [True, False])
async def test_a_prediction_that_only_its_address_names_is_followed_and_kept(tmp_path: Path, poll: bool) -> None:
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
        first, sent = await run(LOST, *seen, answer(), options=AsyncWaitOptions(0.02, poll=poll))
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
        while arrived < 3:
            await anyio.sleep(0.005)
        return answer("started", 201)

    def change_or_fail(self: Journal, changes: list[Change]) -> None:
        if failed or any(statement == created(0, ID)[0] for statement, _ in changes):
            failed.append(changes)
            raise BatchJournalError("The disk is full.")
        change(self, changes)

    monkeypatch.setattr(Journal, "change", change_or_fail)
    inputs = [{"input": number} for number in range(3)]
    async with client_of(Script(forever=together)) as client:
        with fail_after(PATIENCE), pytest.raises(BatchJournalError, match="full"):
            await collected(client, inputs, "o/n", journal=tmp_path / "journal", max_in_flight=3)
    assert len(failed) == 1
