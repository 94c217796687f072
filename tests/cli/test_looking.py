"""What only looks, and files: `get`, `list`, `models`, `model`, `upload`, `download`, help and completion."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from wriftai_anyio import Client
from wriftai_anyio.sandbox import Model, Sandbox

from .terminal import Ended

Run = Callable[..., Ended]

PREDICTIONS = ["run", "get", "wait", "stream", "cancel", "list", "watch"]
COMMANDS = [*PREDICTIONS, "batch", "models", "model", "types", "open", "upload", "download", "sandbox", "mcp"]


def predict(sandbox: Sandbox, model: str, *inputs: Any) -> list[str]:
    with Client(sandbox.access_token, sandbox.base_url) as client:
        return [client.predictions.create({"input": each}, model, wait=True)["id"] for each in inputs]


class TestGet:
    def test_it_shows_each_field_and_the_output(self, run: Run, sandbox: Sandbox) -> None:
        (name,) = predict(sandbox, "sandbox/echo", {"a": 1})
        ended = run("get", name)
        assert ended.code == 0
        assert [f"id         {name}", "status     succeeded", "model      sandbox/echo:1"] == ended.out.splitlines()[:3]
        assert ended.out.endswith('output:\n{\n  "a": 1\n}\n')

    def test_failed_prediction_is_shown_with_its_error_and_exits_with_0(self, run: Run, sandbox: Sandbox) -> None:
        (name,) = predict(sandbox, "sandbox/fail", {"message": "too dark"})
        ended = run("get", name)
        assert (ended.code, "error      too dark" in ended.out) == (0, True)
        assert run("get", name, "--json").lines[0]["error"]["message"] == "too dark"


class TestList:
    def test_elsewhere_than_in_a_terminal_each_is_a_line_of_cells(self, run: Run, sandbox: Sandbox) -> None:
        names = predict(sandbox, "sandbox/echo", 1, 2)
        rows = [line.split("\t") for line in run("list").out.splitlines()]
        assert [row[0] for row in rows] == names[::-1]
        assert [row[1:2] + row[3:] for row in rows] == [["succeeded", "sandbox/echo:1"]] * 2

    def test_status_and_limit_choose(self, run: Run, sandbox: Sandbox) -> None:
        predict(sandbox, "sandbox/echo", *range(7))
        (failed,) = predict(sandbox, "sandbox/fail", {})
        assert [each["id"] for each in run("list", "--status", "failed", "--json").lines] == [failed]
        assert len(run("list", "--limit", "6").out.splitlines()) == 6

    def test_status_that_there_is_not_exits_with_2(self, run: Run) -> None:
        ended = run("list", "--status", "done")
        assert (ended.code, "takes pending, starting" in ended.err, "not done." in ended.err) == (2, True, True)


class TestModels:
    def test_they_are_listed_and_found(self, run: Run) -> None:
        assert "sandbox/echo\t0\t\n" in run("models").out
        assert [each["name"] for each in run("models", "--search", "word", "--json").lines] == ["word-count"]

    @pytest.mark.parametrize("reference", ["me/draw", "me/draw:1"])
    def test_input_schema_is_a_table(self, run: Run, sandbox: Sandbox, reference: str) -> None:
        schema = {
            "type": "object",
            "required": ["text"],
            "properties": {
                "text": {"type": "string", "description": "What to\ndraw.", "maxLength": 9},
                "size": {"$ref": "#/$defs/size", "default": 512},
                "style": {"anyOf": [{"enum": ["ink", "oil"]}, {"type": "null"}]},
                "tags": {"type": "array", "items": {"type": "string"}},
                "frame": {"type": "object", "properties": {"color": {"type": "string"}}},
            },
            "$defs": {"size": {"type": "integer", "minimum": 64}},
        }
        sandbox.models["me/draw"] = Model(lambda given: given, schema)
        table = run("model", reference).out.partition("input:\n")[2]
        assert [line.split("\t") for line in table.splitlines()] == [
            ["text", "string, ≤ 9 characters", "yes", "", "What to draw."],
            ["size", "integer, ≥ 64", "no", "512", ""],
            ["style", '"ink" | "oil" | null', "no", "", ""],
            ["tags", "array of string", "no", "", ""],
            ["frame", "object", "no", "", ""],
            ["frame.color", "string", "no", "", ""],
        ]

    def test_schema_that_refers_to_itself_is_cut_off(self, run: Run, sandbox: Sandbox) -> None:
        node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
        sandbox.models["me/chain"] = Model(lambda given: given, {**node, "$defs": {"node": node}})
        assert run("model", "me/chain").out.splitlines()[-2:] == [
            "next\tobject\tno\t\t",
            "next.next\tobject\tno\t\t",
        ]

    def test_model_without_fields_says_so(self, run: Run) -> None:
        assert run("model", "sandbox/echo").out.endswith("input:\nany JSON\n")

    def test_json_is_the_whole_model(self, run: Run) -> None:
        assert run("model", "sandbox/echo", "--json").lines[0]["latest_version"]["number"] == 1


class TestFiles:
    def test_upload_prints_the_address_that_gives_the_file_back(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "poem.txt").write_text("to be")
        address = run("upload", str(tmp_path / "poem.txt")).out.strip()
        assert httpx.get(address).text == "to be"

    def test_file_that_is_missing_exits_with_2(self, run: Run, sandbox: Sandbox) -> None:
        ended = run("upload", "missing.txt")
        assert (ended.code, ended.err, sandbox.requests) == (2, "Error: missing.txt: No such file or directory\n", [])

    def test_download_takes_the_name_in_the_address_and_replaces_nothing(
        self, run: Run, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        address = sandbox.add_file(b"to be")
        ended = run("download", address)
        assert (ended.code, Path(ended.out.strip()).read_bytes()) == (0, b"to be")
        assert "/" not in ended.out
        again = run("download", address)
        assert (again.code, again.out.strip() != ended.out.strip()) == (0, True)
        assert len(list(tmp_path.iterdir())) == 2
        assert run("download", address, "--out", ended.out.strip()).code == 0
        assert len(list(tmp_path.iterdir())) == 2

    def test_download_goes_to_a_folder_which_is_made(self, run: Run, sandbox: Sandbox, tmp_path: Path) -> None:
        ended = run("download", sandbox.add_file(b"to be"), str(tmp_path / "new" / "folder"))
        written = Path(ended.out.strip())
        assert (ended.code, written.parent, written.read_bytes()) == (0, tmp_path / "new" / "folder", b"to be")

    def test_download_to_a_folder_and_a_file_exits_with_2(self, run: Run) -> None:
        ended = run("download", "http://127.0.0.1/x", "folder", "--out", "file")
        assert (ended.code, "not both" in ended.err) == (2, True)

    def test_download_is_never_hidden_nor_an_option(
        self, run: Run, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with respx.mock(assert_all_called=False) as router:
            router.get(url__startswith="https://store.example/").respond(200, content=b"x")
            for path in (".bash_profile", "%2e%2e%2f.envrc", "-rf", "a%0ab", "c%00d", "..%5cx"):
                assert run("download", f"https://store.example/x/{path}").code == 0
        assert {path.name for path in tmp_path.iterdir()} == {"bash_profile", "envrc", "rf", "a_b", "c_d", "x"}

    def test_address_without_a_name_gives_a_file_of_a_name_of_its_own(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with respx.mock(assert_all_called=False) as router:
            router.get("https://store.example/").respond(200, content=b"x")
            assert run("download", "https://store.example/").out == "file\n"


class TestHelp:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_each_command_has_an_example(self, command: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        ended = run(command, "--help")
        assert (ended.code, ended.err) == (0, "")
        assert f"wriftai-anyio {command}" in ended.out.partition("Example")[2]

    @pytest.mark.parametrize("columns", [40, 80])
    @pytest.mark.parametrize("command", ["run", "batch", "watch"])
    def test_it_fits_the_terminal_and_shows_no_types_of_python(
        self, command: str, columns: int, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", str(columns))
        text = run(command, "--help").out.partition("Example")[0]
        assert max(map(len, text.splitlines())) <= columns
        assert not any(sign in text for sign in ("{MODEL", "<str>", "x>=", "TEXT"))

    def test_what_commands_do_is_folded_and_not_cut(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        for columns in (40, 80):
            monkeypatch.setenv("COLUMNS", str(columns))
            commands = run("--help").out.partition("Commands:\n")[2].partition("\n\n")[0]
            assert max(map(len, commands.splitlines())) <= columns
            assert "..." not in commands
            assert "over the Model Context Protocol." in " ".join(commands.split())

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["list", "--limit", "x"], "Invalid value for '--limit': give a whole number."),
            (["list", "--limit", "0"], "Invalid value for '--limit': give 1 or more."),
            (["wait", "ID", "--timeout", "soon"], "Invalid value for '--timeout': give a number."),
            (["mcp", "--port", "70000"], "Invalid value for '--port': give 65535 or less."),
        ],
    )
    def test_a_wrong_value_is_named_in_plain_words(self, run: Run, arguments: list[str], sentence: str) -> None:
        ended = run(*arguments)
        assert ended.code == 2
        assert ended.err.endswith(f"Error: {sentence}\n")

    def test_it_names_all_commands_and_exit_codes(self, run: Run) -> None:
        text = run("--help").out
        assert [
            line.split()[0] for line in text.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
        ] == COMMANDS
        assert "124  --timeout has passed" in text

    def test_version(self, run: Run) -> None:
        from wriftai_anyio import __version__

        assert run("--version").out == f"wriftai-anyio {__version__}\n"

    def test_shells_complete_commands(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {
            "_WRIFTAI_ANYIO_COMPLETE": "complete_bash",
            "COMP_WORDS": "wriftai-anyio mo",
            "COMP_CWORD": "1",
        }.items():
            monkeypatch.setenv(name, value)
        assert run().out.split() == ["models", "model"]
