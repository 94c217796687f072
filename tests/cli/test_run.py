"""`run`, `wait` and `stream`: inputs, outputs, and how they end."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from wriftai_anyio import Client
from wriftai_anyio.json_codec import decode_json
from wriftai_anyio.sandbox import Model, Sandbox

from .terminal import Ended

Run = Callable[..., Ended]


def given(sandbox: Sandbox) -> Any:
    """The input of the only create."""
    (create,) = [request for request in sandbox.requests if request.method == "POST"]
    body: Any = decode_json(create.body)
    return body["input"]


def created(sandbox: Sandbox, model: str, given: object, *, stream: bool = False) -> str:
    with Client(sandbox.access_token, sandbox.base_url) as client:
        return client.predictions.create({"input": given}, model, stream=stream)["id"]  # type: ignore[typeddict-item]


class TestInput:
    def test_value_that_is_json_is_taken_as_json_and_any_other_as_text(self, run: Run, sandbox: Sandbox) -> None:
        values = ["n=3", "t=[1, 2]", "s=to be", 'q="3"', "b=true", "e=", "nan=NaN", "url=http://x/?a=b", "none=null"]
        assert run("run", "sandbox/echo", "--no-wait", *values).code == 0
        assert given(sandbox) == {
            "n": 3, "t": [1, 2], "s": "to be", "q": "3", "b": True, "e": "", "nan": "NaN", "url": "http://x/?a=b",
            "none": None,
        }  # fmt: skip

    def test_long_integers_are_numbers(self, run: Run, sandbox: Sandbox, tmp_path: Path) -> None:
        number, source = 7 * 10**5000, tmp_path / "input.json"
        source.write_text(f'{{"n": 7{"0" * 5000}}}', encoding="utf-8")
        assert f"7{'0' * 5000}" in run("run", "sandbox/echo", f"a=7{'0' * 5000}", "--input", str(source)).out
        assert given(sandbox) == {"n": number, "a": number}

    def test_fields_go_over_those_of_the_file(self, run: Run, sandbox: Sandbox, tmp_path: Path) -> None:
        source = tmp_path / "input.json"
        source.write_text('{"a": 1, "b": 2}', encoding="utf-8-sig")
        assert run("run", "sandbox/echo", "--no-wait", "--input", str(source), "b=3").code == 0
        assert given(sandbox) == {"a": 1, "b": 3}

    def test_input_may_be_any_json_from_standard_input(
        self, run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO('["to", "be"]'))
        assert run("run", "sandbox/echo", "--input", "-").out == '[\n  "to",\n  "be"\n]\n'
        assert given(sandbox) == ["to", "be"]

    def test_field_takes_what_a_file_or_standard_input_holds(
        self, run: Run, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "poem.txt").write_bytes("to be\nor not ∞".encode("utf-8-sig"))
        (tmp_path / "n.json").write_text("[1, 2]")
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("né".encode()), "latin-1"))
        values = [f"text=@{tmp_path / 'poem.txt'}", f"n=@{tmp_path / 'n.json'}", "x=-", "at=@@home", "both=@@@"]
        assert run("run", "sandbox/echo", "--no-wait", *values).code == 0
        assert given(sandbox) == {"text": "to be\nor not ∞", "n": [1, 2], "x": "né", "at": "@home", "both": "@@"}

    def test_a_create_whose_stream_is_gone_is_told_how_to_go_on_with(self, run: Run, sandbox: Sandbox) -> None:
        sandbox.fail_next(404, method="GET", path="/predictions/*/stream")
        ended = run("run", "sandbox/word-count", "text=a", "--stream")
        assert ended.code == 3
        assert ended.err.endswith(f"Go on with: wriftai-anyio wait {sandbox.predictions[0]['id']}\n")

    @pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
    def test_output_is_json_whatever_the_encoding(
        self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, run: Run, encoding: str
    ) -> None:
        written = io.BytesIO()
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding))
        run("run", "sandbox/echo", "text=∞ é 😀")
        assert json.loads(written.getvalue().decode(encoding)) == {"text": "∞ é 😀"}

    def test_input_is_checked_by_the_server_if_asked_for(self, run: Run, sandbox: Sandbox) -> None:
        sandbox.models["me/strict"] = Model(lambda given: given, {"required": ["text"]})
        ended = run("run", "me/strict", "a=1", "--validate")
        assert (ended.code, "answered 422" in ended.err, sandbox.predictions) == (3, True, [])

    def test_file_is_uploaded_and_its_address_given(self, run: Run, tmp_path: Path) -> None:
        poem = tmp_path / "poem.txt"
        poem.write_text("to be")
        ended = run("run", "sandbox/echo", "language=en", "--file", f"text={poem}", "--json")
        (prediction,) = ended.lines
        assert prediction["output"]["language"] == "en"
        assert httpx.get(prediction["output"]["text"]).text == "to be"
        assert "poem.txt: 5 B/5 B" in ended.err

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["text"], "Error: Write key=value, not 'text'."),
            (["=x"], "Error: Write key=value, not '=x'."),
            (["a=1", "a=2"], "Error: a is given twice."),
            (["a=1", "--file", "a=poem.txt"], "Error: a is given as a value and as a file."),
            (["--file", "a=missing.txt"], "Error: There is no file missing.txt."),
            (["--file", "poem.txt"], "Error: Write --file key=PATH, not 'poem.txt'."),
            (["--input", "missing.json"], "Error: missing.json: No such file or directory"),
            (["--input", "poem.txt"], "Error: poem.txt is not JSON: Expecting value: line 1 column 1 (char 0)."),
            (["--input", "list.json", "a=1"], "Error: list.json is not a JSON object, which a could be added to."),
            (
                ["a=@missing.txt"],
                "There is no file missing.txt. If the text itself begins with @, write two: a=@@missing",
            ),
            (["a=@cat.png"], "Error: cat.png is not text in UTF-8. To upload it as a file, write --file a=cat.png"),
            (["--input", "cat.png"], "Error: cat.png is not text in UTF-8"),
            (["--input", "-", "a=-"], "Standard input can be read once"),
            (["--timeout", "-1"], "Invalid value for '--timeout'"),
            (["--nonsense"], "No such option: --nonsense"),
        ],
    )
    def test_input_that_cannot_be_right_exits_with_2_before_anything_is_sent(
        self, run: Run, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str],
        sentence: str,
    ) -> None:  # fmt: skip
        monkeypatch.chdir(tmp_path)
        Path("poem.txt").write_text("to be")
        Path("list.json").write_text("[1]")
        Path("cat.png").write_bytes(b"\x89PNG\xff")
        ended = run("run", "sandbox/echo", *arguments)
        assert (ended.code, ended.out, sandbox.requests) == (2, "", [])
        assert sentence in ended.err


class TestOutput:
    def test_text_is_printed_as_it_is(self, run: Run, sandbox: Sandbox) -> None:
        sandbox.models["me/upper"] = lambda given: given["text"].upper()
        assert run("run", "me/upper", "text=to be ∞").out == "TO BE ∞\n"

    def test_json_is_the_whole_prediction_on_one_line(self, run: Run) -> None:
        (prediction,) = run("run", "sandbox/word-count", "text=to be or not to be", "--json").lines
        assert (prediction["status"], prediction["output"]["to"]) == ("succeeded", 2)

    def test_no_wait_prints_the_id_alone(self, run: Run, sandbox: Sandbox) -> None:
        ended = run("run", "sandbox/echo", "--no-wait")
        assert (ended.code, ended.out, ended.err) == (0, sandbox.predictions[0]["id"] + "\n", "")
        (prediction,) = run("run", "sandbox/echo", "--no-wait", "--json").lines
        assert prediction["id"] == sandbox.predictions[1]["id"]

    def test_id_is_known_at_once_since_the_create_is_not_held(self, run: Run, sandbox: Sandbox) -> None:
        ended = run("run", "sandbox/echo")
        (prediction,) = sandbox.predictions
        assert ended.err.splitlines()[0] == f"Created {prediction['id']}"
        assert f"{prediction['id']}: succeeded" in ended.err
        assert "prefer" not in sandbox.requests[0].headers

    def test_stream_is_printed_as_text(self, run: Run) -> None:
        ended = run("run", "sandbox/word-count", "text=to be\nor not", "--stream")
        assert (ended.code, ended.out) == (0, "to be\nor not\n")

    def test_streamed_events_are_lines_of_json(self, run: Run) -> None:
        events = run("run", "sandbox/word-count", "text=to be", "--stream", "--json").lines
        assert [event["event"] for event in events] == ["init", "output", "output", "done"]
        assert events[-1]["data"]["output"] == {"to": 1, "be": 1}

    def test_stream_of_json_is_one_value_a_line(self, run: Run, sandbox: Sandbox) -> None:
        def pairs(given: object) -> Iterator[list[int]]:
            yield [1, 2]
            yield [3]

        sandbox.models["me/pairs"] = pairs
        assert run("run", "me/pairs", "--stream").lines == [[1, 2], [3]]

    def test_stream_that_fails_in_a_line_ends_the_line(self, run: Run, sandbox: Sandbox) -> None:
        def broken(given: object) -> Iterator[str]:
            yield "to be "
            raise ValueError("or not")

        sandbox.models["me/broken"] = broken
        ended = run("run", "me/broken", "--stream")
        assert (ended.code, ended.out) == (1, "to be \n")
        assert "Error: The prediction failed: or not" in ended.err

    def test_stream_command_follows_what_was_created_before(self, run: Run, sandbox: Sandbox) -> None:
        prediction_id = created(sandbox, "sandbox/word-count", {"text": "to be"}, stream=True)
        assert run("stream", prediction_id).out == "to be\n"

    def test_wait_prints_the_output_of_what_was_created_before(self, run: Run, sandbox: Sandbox) -> None:
        assert run("wait", created(sandbox, "sandbox/echo", "to be")).out == "to be\n"


class TestSave:
    @pytest.mark.parametrize("options", [[], ["--stream"]])
    def test_files_of_the_output_are_downloaded_and_their_paths_printed(
        self, run: Run, sandbox: Sandbox, tmp_path: Path, options: list[str]
    ) -> None:
        sandbox.models["me/draw"] = lambda given: [{"image": sandbox.add_file(b"cat")}]
        folder = tmp_path / "pictures"
        ended = run("run", "me/draw", "--save", str(folder), *options)
        (path,) = folder.iterdir()
        assert (ended.code, json.loads(ended.out)) == (0, [{"image": str(path)}])
        assert path.read_bytes() == b"cat"
        (prediction,) = run("wait", sandbox.predictions[0]["id"], "--save", str(folder), "--json").lines
        assert Path(prediction["output"][0]["image"]).parent == folder

    def test_of_several_files_those_that_are_there_are_saved(self, run: Run, sandbox: Sandbox, tmp_path: Path) -> None:
        dead = sandbox.base_url + "/missing"
        sandbox.models["me/draw"] = lambda _: [dead, sandbox.add_file(b"cat", "image/png")]
        ended = run("run", "me/draw", "--save", str(tmp_path))
        (path,) = tmp_path.iterdir()
        assert (ended.code, json.loads(ended.out)) == (3, [dead, str(path)])
        assert path.read_bytes() == b"cat"
        assert "1 of 2 files could not be saved; the others are." in ended.err

    def test_download_that_fails_prints_the_output_and_how_to_go_on(
        self, run: Run, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        address = sandbox.base_url + "/missing"
        sandbox.models["me/draw"] = lambda given: address
        ended = run("run", "me/draw", "--save", str(tmp_path))
        assert (ended.code, ended.out) == (3, address + "\n")
        name = sandbox.predictions[0]["id"]
        assert ended.err.splitlines()[-1] == f"Go on with: wriftai-anyio wait {name} --save {tmp_path}"


class TestStreamByDefault:
    @pytest.mark.parametrize(("kind", "streams"), [("string", True), ("array", False)])
    def test_in_a_terminal_if_the_model_gives_text(
        self, run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str, streams: bool
    ) -> None:
        version = {"schemas": {"prediction": {"input": {}, "output": {}, "stream_output": {"type": kind}}}}
        monkeypatch.setattr("wriftai_anyio.models.ModelsResource.get", lambda *_: {"latest_version": version})
        monkeypatch.setattr("wriftai_anyio.model_versions.ModelVersions.get", lambda *_: version)
        for model, options, expected in (
            ("sandbox/word-count", [], False),
            ("sandbox/word-count", ["--stream"], True),
            ("sandbox/word-count", ["--no-stream"], False),
        ):
            run("run", model, "text=to be", *options)
            create = [request for request in sandbox.requests if request.method == "POST"][-1]
            assert json.loads(create.body).get("stream", False) is expected
        for model, options, expected in (
            ("sandbox/word-count", [], streams),
            ("sandbox/word-count:1", [], streams),
            ("sandbox/word-count", ["--no-stream"], False),
            ("sandbox/word-count", ["--json"], False),
        ):
            with monkeypatch.context() as patched:
                patched.setattr("sys.stdout.isatty", lambda: True)
                run("run", model, "text=to be", *options)
            create = [request for request in sandbox.requests if request.method == "POST"][-1]
            assert json.loads(create.body).get("stream", False) is expected

    def test_model_that_cannot_be_asked_for_is_not_streamed(
        self, run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sandbox.fail_next(404, method="GET")
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        assert run("run", "sandbox/echo", "a=1").code == 0


class TestEnd:
    @pytest.mark.parametrize("option", ["--json", "--stream", None])
    def test_failed_prediction_exits_with_1_and_its_reason(self, run: Run, option: str | None) -> None:
        detail = 'detail={"at": 3}'
        ended = run("run", "sandbox/fail", "message=too dark", detail, *([option] if option else []))
        assert ended.code == 1
        assert ended.err.splitlines()[-1] == 'Error: The prediction failed: too dark ({"at": 3})'

    def test_cancelled_prediction_exits_with_1(self, run: Run, sandbox: Sandbox) -> None:
        prediction_id = created(sandbox, "sandbox/sleep", {"seconds": 60})
        assert run("cancel", prediction_id).code == 0
        ended = run("wait", prediction_id)
        assert (ended.code, ended.out) == (1, "")
        assert ended.err.endswith("Error: The prediction was cancelled\n")

    @pytest.mark.parametrize("arguments", [["--timeout", "0.2"], ["--timeout", "0.2", "--stream"]])
    def test_timeout_exits_with_124_and_says_how_to_go_on(
        self, run: Run, sandbox: Sandbox, arguments: list[str]
    ) -> None:
        ended = run("run", "sandbox/sleep", "seconds=60", *arguments)
        name = sandbox.predictions[0]["id"]
        assert ended.code == 124
        assert ended.err.splitlines()[-2:] == [
            f"Error: Prediction {name} has not ended in time.",
            f"Go on with: wriftai-anyio wait {name}",
        ]

    @pytest.mark.parametrize("arguments", [[], ["--stream"]])
    def test_what_is_left_early_is_cancelled_if_asked_for(
        self, run: Run, sandbox: Sandbox, arguments: list[str]
    ) -> None:
        ended = run("run", "sandbox/sleep", "seconds=60", "--timeout", "0.2", "--cancel-on-exit", *arguments)
        name = sandbox.predictions[0]["id"]
        assert ended.code == 124
        assert f"Asked the server to cancel {name}." in ended.err
        assert "Go on with" not in ended.err
        with Client(sandbox.access_token, sandbox.base_url) as client:
            assert client.predictions.wait(name)["status"] == "cancelled"

    def test_cancel_that_fails_is_told(self, run: Run, sandbox: Sandbox) -> None:
        sandbox.fail_next(403, method="POST", path="/predictions/*/cancel")
        ended = run("run", "sandbox/sleep", "seconds=60", "--timeout", "0.2", "--cancel-on-exit")
        assert (ended.code, "could not be cancelled, and may run on: POST" in ended.err) == (124, True)

    def test_network_that_breaks_while_it_waits_says_how_to_go_on(self, run: Run, sandbox: Sandbox) -> None:
        sandbox.fail_next(401, method="GET")
        ended = run("run", "sandbox/sleep", "seconds=60")
        assert ended.code == 3
        assert ended.err.splitlines()[-1] == f"Go on with: wriftai-anyio wait {sandbox.predictions[0]['id']}"


class TestErrors:
    @pytest.mark.parametrize(
        ("fault", "command", "code", "words"),
        [
            (401, ["get", "x"], 3, "answered 401"),
            (404, ["wait", "x"], 3, "answered 404"),
            ("html", ["get", "x"], 3, "not"),
            (422, ["run", "sandbox/echo"], 3, "answered 422"),
            ("drop_after", ["run", "sandbox/echo"], 5, "Check with `wriftai-anyio list` before you run this again."),
            (500, ["run", "sandbox/echo"], 5, "the request was not sent again"),
            (403, ["upload", __file__], 3, "answered 403"),
        ],
    )
    def test_what_the_api_says_is_one_sentence_with_an_exit_code(
        self, run: Run, sandbox: Sandbox, fault: Any, command: list[str], code: int, words: str
    ) -> None:
        sandbox.fail_next(fault)
        ended = run(*command)
        assert (ended.code, ended.out) == (code, "")
        assert ended.err.startswith("Error: ")
        assert words in ended.err
        assert len(ended.err.splitlines()) == 1

    def test_network_exits_with_4(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WRIFTAI_API_BASE_URL", "http://127.0.0.1:1/v1")
        ended = run("run", "sandbox/echo")
        assert (ended.code, ended.err.startswith("Error: "), len(ended.err.splitlines())) == (4, True, 1)

    def test_token_that_cannot_be_one_exits_with_2_and_is_not_shown(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WRIFTAI_ACCESS_TOKEN", "s3cr3t\n")
        ended = run("list")
        assert (ended.code, "s3cr3t" in ended.err) == (2, False)

    def test_defect_is_one_sentence_too(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(client: Client) -> None:
            raise KeyError("missing")

        monkeypatch.setattr(Client, "close", broken)
        ended = run("list")
        assert (ended.code, ended.err) == (70, "Error: KeyError: 'missing' (a defect; --debug shows where)\n")

    def test_debug_shows_the_traceback_and_the_log(self, run: Run, sandbox: Sandbox) -> None:
        sandbox.fail_next(401)
        logger = logging.getLogger("wriftai_anyio")
        level = logger.level
        try:
            ended = run("--debug", "get", "x")
        finally:
            logger.setLevel(level)
        assert ended.code == 3
        assert "Traceback (most recent call last)" in ended.err
        assert sandbox.access_token not in ended.err


def test_a_stream_without_pieces_prints_the_finished_output(run: Run) -> None:
    assert run("run", "sandbox/echo", "a=1", "--stream").out == '{"a": 1}\n'
