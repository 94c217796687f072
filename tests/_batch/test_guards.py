"""What guards money in a batch: equal inputs are created once, what failed is tried again."""

from pathlib import Path
from typing import Any

import pytest
from anyio import fail_after

from tests.support.batches import MODEL, QUICK, client_of, collected, expected, outputs, texts
from tests.support.patience import PATIENCE
from wriftai_anyio import CreateOutcomeUnknown, File
from wriftai_anyio.sandbox import Sandbox

BAD: Any = {"input": {"text": "bad"}}


@pytest.mark.anyio
class TestRetryFailed:
    async def test_what_failed_is_created_again_and_the_rest_is_kept(self, sandbox: Sandbox, journal: Path) -> None:
        inputs = [BAD, *texts(3)[1:]]
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                await collected(client, inputs, journal=journal)
                assert len(sandbox.predictions) == 3
                kept = await collected(client, inputs, journal=journal)
                assert {each.index: each.failure for each in kept} == {0: "failed", 1: None, 2: None}
                assert len(sandbox.predictions) == 3
                sandbox.models[MODEL] = lambda value: value["text"].upper()
                for _ in range(2):
                    again = await collected(client, inputs, journal=journal, retry_failed=True)
                    assert outputs(again) == {0: "BAD", 1: "T1", 2: "T2"}
        assert len(sandbox.predictions) == 4

    async def test_what_was_cancelled_is_created_again(self, sandbox: Sandbox, journal: Path) -> None:
        inputs: Any = [{"input": {"seconds": 60}}]
        async with client_of(sandbox) as client:
            with fail_after(PATIENCE):
                batch = client.predictions.async_batch(inputs, "sandbox/sleep", journal=journal, wait_options=QUICK)
                async with batch as results:
                    while not sandbox.predictions:
                        await moment()
                    await client.predictions.async_cancel(sandbox.predictions[0]["id"])
                    assert (await anext(results)).failure == "cancelled"
                again = client.predictions.async_batch(
                    inputs, "sandbox/sleep", journal=journal, wait_options=QUICK, retry_failed=True
                )
                async with again:
                    while len(sandbox.predictions) < 2:
                        await moment()

    async def test_one_whose_answer_is_lost_when_it_is_tried_again_is_unknown(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                await collected(client, [BAD], journal=journal)
                sandbox.fail_next("drop_after", method="POST")
                for _ in range(2):
                    (result,) = await collected(client, [BAD], journal=journal, retry_failed=True)
                    assert isinstance(result.error, CreateOutcomeUnknown)
        assert len(sandbox.predictions) == 2

    async def test_it_needs_a_journal(self, sandbox: Sandbox) -> None:
        async with client_of(sandbox) as client:
            with pytest.raises(ValueError, match="journal"):
                client.predictions.async_batch([], MODEL, retry_failed=True)


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def depth_of(value: Any) -> int:
    depth = 0
    while isinstance(value, list):
        depth, value = depth + 1, value[0] if value else None
    return depth


async def moment() -> None:
    import anyio

    await anyio.sleep(0.005)


@pytest.mark.anyio
class TestDeduplicate:
    @pytest.mark.parametrize("journaled", [False, True])
    async def test_equal_inputs_are_created_once_and_each_gets_the_result(
        self, sandbox: Sandbox, journal: Path, journaled: bool
    ) -> None:
        inputs: Any = [*texts(3), {"input": {"text": "t0"}, "validate_input": None}, *texts(3), BAD, BAD]
        inputs[3].pop("validate_input")
        path = journal if journaled else None
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                for _ in range(1 + journaled):
                    results = await collected(client, inputs, deduplicate=True, journal=path, max_in_flight=2)
                    assert outputs(results) == {
                        **expected(3), 3: "T0", 4: "T0", 5: "T1", 6: "T2", 7: None, 8: None,
                    }  # fmt: skip
        assert len(sandbox.predictions) == 4

    async def test_each_result_is_its_own(self, sandbox: Sandbox) -> None:
        sandbox.models["me/list"] = lambda value: [value]
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                batch = client.predictions.async_batch(
                    [{"input": 1}] * 3, "me/list", deduplicate=True, max_in_flight=1, wait_options=QUICK
                )
                async with batch as results:
                    async for each in results:
                        assert each.prediction is not None
                        assert each.prediction["output"] == [1]
                        each.prediction["output"].append("mine")

    async def test_a_deeply_nested_result_is_given_to_each(self, sandbox: Sandbox) -> None:
        sandbox.models["me/deep"] = lambda _: nested(600)
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                results = await collected(client, [{"input": 1}] * 2, "me/deep", deduplicate=True, max_in_flight=1)
        assert [depth_of(each.prediction["output"]) for each in results if each.prediction] == [600, 600]

    async def test_an_error_is_that_of_all(self, sandbox: Sandbox) -> None:
        sandbox.fail_next("drop_after", method="POST")
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                results = await collected(client, texts(1) * 3, deduplicate=True)
        assert [type(each.error) for each in results] == [CreateOutcomeUnknown] * 3
        assert len(sandbox.predictions) == 1

    async def test_files_are_told_apart_and_streams_equal_nothing(self, sandbox: Sandbox, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"x")
        with (tmp_path / "file").open("rb") as stream:
            inputs: Any = [{"input": each} for each in (File(b"a"), File(b"a"), File(b"b"), tmp_path / "file")]
            inputs += [{"input": tmp_path / "file"}, {"input": stream}, {"input": stream}]
            with fail_after(PATIENCE):
                async with client_of(sandbox) as client:
                    results = await collected(client, inputs, "sandbox/echo", deduplicate=True, max_in_flight=1)
        assert [each.error for each in results] == [None] * 7
        assert len(sandbox.predictions) == 5


class TestRows:
    def test_one_is_flat_and_in_seconds(self, sandbox: Sandbox) -> None:
        sandbox.models["me/rows"] = lambda value: {"label": value}
        inputs: Any = [{"input": "é"}, {"input": {1}}]
        with client_of(sandbox) as client:
            with client.predictions.batch(inputs, "me/rows") as results:
                rows = {row["index"]: row for row in (each.to_row() for each in results)}
        good, bad = rows[0], rows[1]
        assert good["id"] == sandbox.predictions[0]["id"]
        assert (good["status"], good["output"], good["error"]) == ("succeeded", '{"label": "é"}', None)
        assert isinstance(good["execution_time"], float)
        assert good.keys() == bad.keys()
        assert (bad["id"], bad["status"], bad["output"]) == (None, "error", None)
        assert "is a set" in str(bad["error"])

    def test_one_of_a_failure_has_its_message(self, sandbox: Sandbox) -> None:
        with client_of(sandbox) as client:
            with client.predictions.batch([BAD], MODEL) as results:
                (row,) = [each.to_row() for each in results]
        assert row["status"] == "failed"
        assert "bad input" in str(row["error"])
