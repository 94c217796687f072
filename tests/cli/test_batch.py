"""`batch`: every result once, however often it is stopped."""

import csv
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.patience import PATIENCE, until
from wriftai_anyio.cli._saving import OUTPUTS_AT_ONCE
from wriftai_anyio.files import Files
from wriftai_anyio.sandbox import Model, RateLimits, Sandbox

from .terminal import Ended, Program

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
        assert "Go on with" not in ended.err
        assert outputs() == {}
        assert creates(sandbox) < 400

    def test_a_token_that_is_refused_can_be_corrected_and_the_command_goes_on(self, run: Run, sandbox: Sandbox) -> None:
        write_inputs(4)
        sandbox.fail_next(401, method="POST", times=4)
        ended = run(*command())
        assert ended.code == 3
        assert ended.err.endswith(f"Go on with: wriftai-anyio {' '.join(command())}\n")

    @pytest.mark.parametrize("status", [401, 402, 403, 404])
    def test_what_is_under_way_when_creates_are_refused_is_awaited_and_no_more_is_created(
        self, run: Run, sandbox: Sandbox, status: int
    ) -> None:
        def refused_and_polled() -> bool:
            refused = [request.answered_at for request in sandbox.requests if request.status == status]
            polled = [request.arrived_at for request in sandbox.requests if request.method == "GET"]
            return len(refused) == 4 and max(polled, default=0.0) > max(at or 0.0 for at in refused)

        def patient(given: Any) -> Any:
            until(refused_and_polled)
            return given

        sandbox.models["me/patient"] = patient
        write_inputs(1)
        sandbox.fail_next(status, method="POST")
        assert run(*command("me/patient")).code == 3
        write_inputs(4)
        sandbox.fail_next(status, method="POST", times=3)
        ended = run(*command("me/patient"))
        assert (ended.code, len(outputs()), len(sandbox.predictions)) == (3, 1, 1)
        assert ended.err.count(f"answered {status}") == 2
        assert ended.err.count("out.jsonl has 1 of 4 results.") == 1
        assert ended.err.endswith(f"Go on with: wriftai-anyio {' '.join(command('me/patient'))}\n")
        assert run(*command("me/patient")).code == 0
        assert outputs() == expected(4)
        assert len(sandbox.predictions) == 4

    def test_what_the_first_run_has_created_when_the_model_is_gone_is_awaited(self, run: Run, sandbox: Sandbox) -> None:
        write_inputs(2)
        # The other one is created while this is on its way.
        sandbox.fail_next(404, method="POST", delay=3.0)
        ended = run(*command())
        assert (ended.code, len(outputs())) == (3, 1)
        assert ended.err.endswith(f"Go on with: wriftai-anyio {' '.join(command())}\n")

    @pytest.mark.parametrize(
        ("out", "sentence"),
        [
            ("folder", "--out folder is a folder: give a file, such as folder/results.jsonl."),
            (
                os.devnull,
                f"--out {os.devnull} is a device or a pipe: give a file, which the next run reads to go on.",
            ),
            ("in.jsonl", "--out is in.jsonl, the file of the inputs: give another."),
            ("./in.jsonl", "--out is in.jsonl, the file of the inputs: give another."),
            ("none/out.jsonl", "There is no folder none for --out out.jsonl."),
        ],
    )
    def test_a_file_of_results_that_cannot_be_one_exits_with_2(
        self, run: Run, sandbox: Sandbox, out: str, sentence: str
    ) -> None:
        write_inputs(2)
        Path("folder").mkdir()
        before = Path("in.jsonl").read_bytes()
        ended = run("batch", "in.jsonl", "--model", "sandbox/echo", "--out", out)
        assert (ended.code, sandbox.requests, ended.err) == (2, [], f"Error: {sentence}\n")
        assert Path("in.jsonl").read_bytes() == before

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
        assert (ended.code, "belongs to other inputs or another model" in ended.err) == (2, True)
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
        assert (ended.code, "holds something other than results" in ended.err) == (2, True)
        assert Path("out.jsonl").read_text() == "precious\n"


def rows() -> list[dict[str, str]]:
    """The rows of the CSV file of results."""
    with Path("out.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def of_csv(*options: str, model: str = "sandbox/echo") -> list[str]:
    return ["batch", "in.csv", "--model", model, "--out", "out.csv", *options]


class TestCSV:
    def test_rows_become_inputs_and_results_become_rows(self, run: Run) -> None:
        Path("in.csv").write_text('text,n,note\n"to be\nor ""not""",3,\n∞,,=1\n\n', encoding="utf-8-sig")
        ended = run(*of_csv())
        assert (ended.code, ended.out) == (0, "2 inputs, results in out.csv: 2 succeeded\n")
        found = {row["index"]: row for row in rows()}
        assert list(found["0"]) == ["index", "id", "status", "output", "error", "setup_time", "execution_time"]
        assert json.loads(found["0"]["output"]) == {"text": 'to be\nor "not"', "n": 3}
        assert json.loads(found["1"]["output"]) == {"text": "∞", "note": "=1"}
        assert run(*of_csv()).code == 0
        assert len(rows()) == 2

    def test_cells_of_a_text_field_are_text_whatever_they_look_like(self, run: Run, sandbox: Sandbox) -> None:
        cells = ["007", "42", "true", "null", "1.10", "[1]", '"quoted"', "to be"]
        schema = {
            "type": "object",
            "$defs": {"Note": {"type": "string"}},
            "properties": {
                "text": {"type": "string"},
                "note": {"anyOf": [{"$ref": "#/$defs/Note"}, {"type": "null"}]},
                "n": {"type": ["integer", "string"]},
                "open": {},
            },
        }
        sandbox.models["me/say"] = Model(lambda given: given, schema)
        with Path("in.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("text", "note", "n", "open"), *((cell,) * 4 for cell in cells)])
        assert run(*of_csv(model="me/say")).code == 0
        found = {int(row["index"]): json.loads(row["output"]) for row in rows()}
        meant: list[Any] = ["007", 42, True, None, 1.1, [1], "quoted", "to be"]
        assert found == {
            number: {"text": cell, "note": cell, "n": value, "open": value}
            for number, (cell, value) in enumerate(zip(cells, meant, strict=True))
        }

    def test_of_a_model_whose_schema_is_not_known_cells_that_are_json_are(self, run: Run, sandbox: Sandbox) -> None:
        sandbox.fail_next(403, method="GET", path="/v1/models/*", times=5)
        Path("in.csv").write_text("text\n42\n")
        assert run(*of_csv()).code == 0
        assert json.loads(rows()[0]["output"]) == {"text": 42}

    def test_a_quoted_empty_cell_is_an_input_and_rows_of_empty_cells_are_left_out_aloud(
        self, run: Run, sandbox: Sandbox
    ) -> None:
        Path("in.csv").write_text('text\n""\n\nto be\n')
        ended = run(*of_csv())
        assert (ended.code, "left out" in ended.err) == (0, False)
        assert [json.loads(row["output"]) for row in sorted(rows(), key=lambda row: row["index"])] == [
            {"text": ""},
            {"text": "to be"},
        ]
        Path("out.csv").unlink()
        Path("in.csv").write_text("a,b\n1,\n,\n,2\n,\n")
        ended = run(*of_csv("--journal", "other"))
        assert (ended.code, len(rows())) == (0, 2)
        assert "in.csv: left out 2 rows of empty cells (line 3, 5)." in ended.err

    def test_formulas_in_outputs_are_harmless_and_numbers_stay(self, run: Run, sandbox: Sandbox) -> None:
        sandbox.models["me/say"] = lambda given: given["text"]
        Path("in.csv").write_text("text\n=1+1\n@SUM(A1)\n-2.5\nfine\n")
        run(*of_csv(model="me/say"))
        outputs = sorted(row["output"] for row in rows())
        assert outputs == ["'=1+1", "'@SUM(A1)", "-2.5", "fine"]

    def test_semicolons_and_tabs_separate_cells_too(self, run: Run) -> None:
        Path("in.csv").write_text("a;b\n1;x,y\n")
        run(*of_csv())
        assert json.loads(rows()[0]["output"]) == {"a": 1, "b": "x,y"}

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"", "The first line of in.csv must name the fields"),
            (b"a,\n1,2\n", "The first line of in.csv must name the fields"),
            (b"a,a\n1,2\n", "names a field twice"),
            (b"a,b\n1,2,3\n", "in.csv, line 2, has 3 cells for 2 fields."),
            (b'a\n"open\n', "is not CSV"),
            (b"a\n\xff\n", "in.csv is not text in UTF-8"),
        ],
    )
    def test_what_is_not_csv_exits_with_2_before_anything_is_sent(
        self, run: Run, sandbox: Sandbox, content: bytes, sentence: str
    ) -> None:
        Path("in.csv").write_bytes(content)
        ended = run(*of_csv())
        assert (ended.code, sandbox.requests) == (2, [])
        assert sentence in ended.err


class TestMoney:
    def test_failures_stop_it_and_only_what_failed_is_created_again(self, run: Run, sandbox: Sandbox) -> None:
        broken = True

        def fragile(given: Any) -> Any:
            if broken and given["text"] == "t1":
                raise ValueError("too dark")
            return given

        sandbox.models["me/fragile"] = fragile
        write_inputs(4)
        assert run(*command("me/fragile")).code == 1
        assert (len(outputs()), creates(sandbox)) == (4, 4)
        ended = run(*command("me/fragile"), "--retry-failed", "--max-failures", "1")
        assert (ended.code, creates(sandbox)) == (1, 5)
        assert "Error: The batch stopped because 1 inputs did not succeed (1 failed)" in ended.err
        assert "--retry-failed" in ended.err.splitlines()[-1]
        broken = False
        assert run(*command("me/fragile"), "--retry-failed").code == 0
        assert (outputs(), creates(sandbox)) == (expected(4), 6)

    def test_what_failed_is_tried_again_in_csv_too(self, run: Run, sandbox: Sandbox) -> None:
        broken = True

        def fragile(given: Any) -> Any:
            if broken:
                raise ValueError('too "dark"\nand more')
            return given

        sandbox.models["me/fragile"] = fragile
        Path("in.csv").write_text("a\n1\n2\n")
        ended = run(*of_csv(model="me/fragile"))
        assert (ended.code, "Add --retry-failed" in ended.err) == (1, True)
        assert [row["error"] for row in rows()] == ['too "dark"\nand more'] * 2
        broken = False
        assert run(*of_csv("--retry-failed", model="me/fragile")).code == 0
        assert [row["status"] for row in rows()] == ["succeeded"] * 2

    def test_equal_inputs_are_created_once(self, run: Run, sandbox: Sandbox) -> None:
        Path("in.jsonl").write_text('{"text": "t0"}\n' * 3)
        assert run(*command(), "--deduplicate").code == 0
        assert (len(outputs()), creates(sandbox)) == (3, 1)


class TestSave:
    def test_files_of_each_output_go_to_a_folder_of_its_number(self, run: Run, sandbox: Sandbox) -> None:
        sandbox.models["me/draw"] = lambda given: {"image": sandbox.add_file(given["text"].encode())}
        write_inputs(2)
        assert run(*command("me/draw"), "--save", "pictures").code == 0
        for index, output in outputs().items():
            path = Path(output["image"])
            assert (path.parent, path.read_text()) == (Path("pictures") / str(index), f"t{index}")
        assert run(*command("me/draw"), "--save", "pictures").code == 0
        assert len(list(Path("pictures").rglob("*.*"))) <= 2

    def test_files_of_several_outputs_come_at_once(
        self, run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        together = threading.Barrier(OUTPUTS_AT_ONCE, timeout=PATIENCE)
        save = Files.save

        def save_with_others(*arguments: Any) -> Any:
            together.wait()
            return save(*arguments)

        monkeypatch.setattr(Files, "save", save_with_others)
        sandbox.models["me/draw"] = lambda given: {"image": sandbox.add_file(given["text"].encode())}
        write_inputs(2 * OUTPUTS_AT_ONCE)
        assert run(*command("me/draw"), "--save", "pictures").code == 0
        assert [Path(output["image"]).parent.name for output in outputs().values()] == list(map(str, outputs()))

    def test_download_that_fails_is_tried_again_by_the_next_run(self, run: Run, sandbox: Sandbox) -> None:
        address = {"url": sandbox.base_url + "/missing"}
        sandbox.models["me/draw"] = lambda given: address["url"]
        write_inputs(1)
        ended = run(*command("me/draw"), "--save", "pictures")
        assert (ended.code, outputs()) == (1, {})
        assert "Input 0: Its files could not be downloaded: " in ended.err
        ended = run(*command("me/draw"))
        assert (ended.code, creates(sandbox), len(outputs())) == (0, 1, 1)

    def test_a_result_whose_files_are_partly_gone_keeps_those_that_are_there(self, run: Run, sandbox: Sandbox) -> None:
        sandbox.models["me/draw"] = lambda _: [sandbox.add_file(b"one"), sandbox.base_url + "/missing"]
        write_inputs(1)
        ended = run(*command("me/draw"), "--save", "pictures")
        assert (ended.code, ended.out) == (1, "1 inputs, results in out.jsonl: 1 incomplete\n")
        assert "1 of 2 files could not be saved" in ended.err
        assert "--retry-failed" not in ended.err
        path, address = outputs()[0]
        assert (Path(path).read_bytes(), address) == (b"one", sandbox.base_url + "/missing")
        assert run(*command("me/draw"), "--save", "pictures").code == 0
        assert len(list(Path("pictures").rglob("*.*"))) <= 1

    def test_files_that_may_come_yet_are_tried_again_by_the_next_run(self, run: Run, sandbox: Sandbox) -> None:
        addresses = [sandbox.add_file(content) for content in (b"one", b"two")]
        sandbox.models["me/draw"] = lambda _: addresses
        write_inputs(1)
        sandbox.fail_next(503, method="GET", path=urlsplit(addresses[1]).path.removeprefix("/v1"), times=3)
        ended = run(*command("me/draw"), "--save", "pictures")
        assert (ended.code, outputs()) == (1, {})
        assert "1 of 2 files could not be saved" in ended.err
        assert "Run the same command again" in ended.err
        assert run(*command("me/draw"), "--save", "pictures").code == 0
        assert sorted(Path(path).read_bytes() for path in outputs()[0]) == [b"one", b"two"]
        assert creates(sandbox) == 1


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

    def test_stopped_in_the_middle_of_downloads_it_ends_at_once(self) -> None:
        write_inputs(2 * OUTPUTS_AT_ONCE)
        with Sandbox() as sandbox, socket.create_server(("127.0.0.1", 0)) as silent:
            sandbox.models["me/draw"] = lambda _: f"http://127.0.0.1:{silent.getsockname()[1]}/cat.png"
            silent.settimeout(PATIENCE)
            program = Program(sandbox, *command("me/draw"), "--save", "pictures")
            connections = [silent.accept()[0] for _ in range(OUTPUTS_AT_ONCE)]
            program.send()
            began = time.monotonic()
            ended = program.end()
            for connection in connections:
                connection.close()
        assert (ended.code, outputs()) == (130, {})
        assert time.monotonic() - began < PATIENCE / 2
        assert [path for path in Path("pictures").rglob("*") if path.is_file()] == []
