"""Inputs of a batch with a journal whose answers tell less than they promise."""

from pathlib import Path

import httpx
import pytest
from anyio import fail_after

from tests.support.batches import QUICK, collected
from tests.support.clients import ID, Answer, Script, answer, client_of
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
        return result, script.paths

    with fail_after(30):
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
