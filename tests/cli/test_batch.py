"""`batch`: every result once, however often it is stopped."""

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wriftai_anyio.sandbox import RateLimits, Sandbox

from .terminal import Ended, Program, until

Run = Callable[..., Ended]

needs_signals = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a process cannot be killed so here")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_inputs(count: int, *others: str) -> None:
    lines = [json.dumps({"text": f"t{number}"}) for number in range(count)]
    Path("in.jsonl").write_text("\n".join([*lines, *others]) + "\n", encoding="utf-8")


def command(model: str = "sandbox/echo") -> list[str]:
    return ["batch", "in.jsonl", "--model", model, "--out", "out.jsonl"]


def outputs() -> dict[int, Any]:
    """The outputs in the results file by index, none of which comes twice."""
    lines = [json.loads(line) for line in Path("out.jsonl").read_text(encoding="utf-8").splitlines()]
    found = {line["index"]: line["prediction"]["output"] for line in lines}
    assert len(found) == len(lines)
    return found


def expected(count: int) -> dict[int, Any]:
    return {number: {"text": f"t{number}"} for number in range(count)}


def creates(sandbox: Sandbox) -> int:
    return sum(request.method == "POST" for request in sandbox.requests)


class TestResults:
    def test_each_input_has_one_and_another_run_adds_none(self, run: Run, sandbox: Sandbox) -> None:
        write_inputs(12, "", '"∞"')
        ended = run(*command())
        assert (ended.code, ended.out) == (0, "13 inputs, results in out.jsonl: 13 succeeded\n")
        assert outputs() == {**expected(12), 12: "∞"}
        assert run(*command(), "--json").lines == [{"out": "out.jsonl", "inputs": 13, "succeeded": 13}]
        assert outputs() == {**expected(12), 12: "∞"}
        assert creates(sandbox) == 13

    @pytest.mark.parametrize("damage", ["cut", "gone"])
    def test_what_the_file_has_lost_comes_again_from_the_journal(self, run: Run, sandbox: Sandbox, damage: str) -> None:
        write_inputs(5)
        assert run(*command()).code == 0
        whole = Path("out.jsonl").read_bytes()
        if damage == "cut":
            Path("out.jsonl").write_bytes(whole[:-20])
        else:
            Path("out.jsonl").unlink()
        assert run(*command()).code == 0
        assert outputs() == expected(5)
        assert creates(sandbox) == 5

    def test_failed_prediction_is_a_result_and_exits_with_1(self, run: Run) -> None:
        write_inputs(2)
        ended = run(*command("sandbox/fail"), "--json")
        assert (ended.code, ended.lines) == (1, [{"out": "out.jsonl", "inputs": 2, "failed": 2}])
        assert len(outputs()) == 2

    def test_error_is_told_has_no_line_and_is_tried_again(self, run: Run, sandbox: Sandbox) -> None:
        write_inputs(3)
        sandbox.fail_next(422, method="POST")
        ended = run(*command())
        assert (ended.code, ended.out) == (1, "3 inputs, results in out.jsonl: 1 error, 2 succeeded\n")
        assert re.search(r"^Input \d: POST /v1/predictions was answered 422", ended.err, re.MULTILINE)
        assert "Run the same command again" in ended.err
        assert len(outputs()) == 2
        assert run(*command()).code == 0
        assert outputs() == expected(3)

    def test_what_was_created_though_its_answer_was_lost_is_found_by_the_next_run(
        self, run: Run, sandbox: Sandbox
    ) -> None:
        write_inputs(1)
        sandbox.fail_next("drop_after", method="POST")
        ended = run(*command())
        assert (ended.code, "the next run looks for it" in ended.err) == (1, True)
        assert run(*command()).code == 0
        assert len(sandbox.predictions) == 1

    def test_what_is_not_found_is_created_again_only_if_asked_for(self, run: Run, sandbox: Sandbox) -> None:
        write_inputs(1)
        sandbox.fail_next("drop", method="POST")
        for arguments, code, words in (
            ([], 1, "the next run looks for it"),
            ([], 1, "--recreate-unknown creates it again"),
            (["--recreate-unknown"], 0, ""),
        ):
            ended = run(*command(), *arguments)
            assert (ended.code, words in ended.err) == (code, True)
        assert len(sandbox.predictions) == 1


class TestRefusals:
    def test_what_would_refuse_every_input_stops_at_the_first(self, run: Run, sandbox: Sandbox) -> None:
        write_inputs(400)
        ended = run(*command("sandbox/none"))
        assert ended.code == 3
        assert "answered 404" in ended.err
        assert ended.err.endswith(f"Go on with: wriftai-anyio {' '.join(command('sandbox/none'))}\n")
        assert outputs() == {}
        assert creates(sandbox) < 400

    def test_line_that_is_not_json_exits_with_2_before_anything_is_sent(self, run: Run, sandbox: Sandbox) -> None:
        write_inputs(2, "{'text'}")
        ended = run(*command())
        assert (ended.code, sandbox.requests) == (2, [])
        assert ended.err.startswith("Error: in.jsonl, line 3, is not JSON: ")

    def test_inputs_that_are_no_file_exit_with_2(self, run: Run, sandbox: Sandbox) -> None:
        ended = run(*command())
        assert (ended.code, sandbox.requests) == (2, [])
        assert ended.err.startswith("Error: There is no file in.jsonl")

    def test_journal_of_other_inputs_exits_with_2(self, run: Run) -> None:
        write_inputs(2)
        assert run(*command()).code == 0
        Path("in.jsonl").write_text("1\n2\n")
        ended = run(*command())
        assert (ended.code, "is that of other inputs" in ended.err) == (2, True)
        assert outputs() == expected(2)

    def test_results_whose_journal_is_gone_are_left_alone(self, run: Run, sandbox: Sandbox) -> None:
        write_inputs(2)
        Path("out.jsonl").write_text('{"index": 0}\n')
        ended = run(*command())
        assert (ended.code, sandbox.requests) == (2, [])
        assert "out.jsonl.journal" in ended.err

    def test_file_of_something_else_is_left_as_it_is(self, run: Run) -> None:
        write_inputs(2)
        assert run(*command(), "--journal", "jobs").code == 0
        Path("out.jsonl").write_text("precious\n")
        ended = run(*command(), "--journal", "jobs")
        assert (ended.code, "holds something else than results" in ended.err) == (2, True)
        assert Path("out.jsonl").read_text() == "precious\n"


@needs_signals
class TestStops:
    def test_stopped_and_killed_it_ends_with_each_result_once_and_no_input_created_twice(self) -> None:
        write_inputs(60)
        with Sandbox(setup_time=0.0, rate_limits=RateLimits(creates=50, others=50)) as sandbox:
            for number, enough in (signal.SIGINT, 10), (signal.SIGKILL, 25), (signal.SIGTERM, 40):
                program = Program(sandbox, *command())
                until(lambda: len(sandbox.predictions) >= enough)  # noqa: B023 -- called at once
                program.send(number)
                ended = program.end()
                assert ended.code == (-number if number == signal.SIGKILL else 128 + number), ended.err
                if number != signal.SIGKILL:
                    assert ended.err.endswith(f"of 60 results.\nGo on with: wriftai-anyio {' '.join(command())}\n")
            # What was killed right before its create went out cannot be found.
            ended = Program(sandbox, *command(), "--recreate-unknown").end()
            given = [prediction["input"]["text"] for prediction in sandbox.predictions]
        assert ended.code == 0, ended.err
        assert len(set(given)) == len(given) == 60
        assert outputs() == expected(60)
