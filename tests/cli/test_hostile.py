"""Answers of random shapes and with hostile text: what is missing is shown so, and nothing commands the terminal."""

import re
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fuzzing import fuzzed
from wriftai_anyio.json_codec import encode_json
from wriftai_anyio.sandbox import Model, Sandbox

from .terminal import Ended, run_here

Run = Callable[..., Ended]

EVIL = "x\x1b]0;owned\x07\x1b[2J\x9b31m\r\nError: all is well\u202e"
COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
ID = "018f5c1e-7a3b-7c7e-9a43-000000000000"

PREDICTION = {
    "id": ID, "status": "succeeded", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:01Z",
    "setup_time": "PT1S", "execution_time": "PT1S", "model": {"owner": "o", "name": "m", "version_number": 1},
    "input": 1, "output": None, "error": None, "metrics": None, "stream": False,
}  # fmt: skip
VERSION = {
    "number": 1, "created_at": "2026-01-01T00:00:00Z", "release_notes": "first",
    "schemas": {"prediction": {"input": {
        "properties": {"a": {"type": "string", "anyOf": [{"enum": [1]}], "description": "A", "maxLength": 3}, "b": {}},
        "required": ["a"], "$defs": {"n": {"type": "object"}},
    }, "output": {}}},
}  # fmt: skip
MODEL = {
    "id": "1", "name": "m", "owner": {"name": "o"}, "visibility": "public", "description": "d", "source_url": None,
    "paper_url": None, "license_url": None, "predictions_count": 1, "created_at": "x", "latest_version": VERSION,
}  # fmt: skip

HUGE = 10**5000
LONG_SCHEMA = {"properties": {
    "a": {"type": HUGE, "default": HUGE, "enum": [HUGE], "description": HUGE, "format": HUGE},
    "b": {"type": [HUGE], "maximum": HUGE, "format": HUGE},
}}  # fmt: skip

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", EVIL, "=1+1", "2026", "2026-01-01T00:00:00+99:99", "PT", "#/$defs/n", "succeeded"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["name", "message", "properties", "$ref", "enum", EVIL]), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, whole: Any, share: float = 0.25) -> Any:
    """An answer with some of its parts left out or replaced by anything."""
    if draw(st.floats(0, 1)) < share:
        return draw(json_values)
    if isinstance(whole, dict):
        kept = {name: value for name, value in whole.items() if draw(st.floats(0, 1)) > share / 2}
        return {name: draw(damaged(value, share)) for name, value in kept.items()}
    if isinstance(whole, list):
        return [draw(damaged(value, share)) for value in whole]
    return whole


@pytest.fixture(params=[False, True], ids=["pipe", "terminal"])
def against(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the program against an API that answers everything alike, in a terminal or not."""
    monkeypatch.setenv("WRIFTAI_API_BASE_URL", "https://api.example/v1")
    monkeypatch.setenv("WRIFTAI_ACCESS_TOKEN", "token")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: request.param)

    def run(answer: Any, *arguments: str, status: int = 200) -> Ended:
        with respx.mock(assert_all_called=False) as router:
            router.route(host="api.example").mock(
                side_effect=lambda _: httpx.Response(status, content=encode_json(answer).encode())
            )
            return run_here(capsys, *arguments)

    return run


def check(ended: Ended) -> None:
    assert ended.code in {0, 1, 3, 5, 124}, ended
    assert "defect" not in ended.err
    assert not COMMANDS.search(ended.err)
    assert not any(line.startswith("Error: all is well") for line in ended.err.splitlines())


class TestShapes:
    @fuzzed(12)
    @given(answer=damaged(PREDICTION))
    @pytest.mark.parametrize("command", [["get", ID], ["run", "o/m", "--no-wait"], ["wait", ID, "--timeout", "0"]])
    def test_of_a_prediction(self, against: Run, command: list[str], answer: Any) -> None:
        check(against(answer, *command))

    @fuzzed(12)
    @given(
        items=st.lists(
            damaged(PREDICTION, 0.1) | damaged({**PREDICTION, "id": ID, "status": "failed"}, 0.3), max_size=3
        )
    )
    def test_of_a_list(self, against: Run, items: Any) -> None:
        check(against({"items": items, "next_cursor": None}, "list"))

    @fuzzed(12)
    @given(answer=damaged(MODEL))
    @pytest.mark.parametrize("command", [["model", "o/m"], ["run", "o/m", "--timeout", "0"]])
    def test_of_a_model(self, against: Run, command: list[str], answer: Any) -> None:
        check(against(answer, *command))

    @fuzzed(12)
    @given(answer=damaged(VERSION))
    def test_of_a_version(self, against: Run, answer: Any) -> None:
        check(against(answer, "model", "o/m:1"))

    @fuzzed(12)
    @given(answer=damaged({"items": [MODEL, MODEL], "next_cursor": None}))
    def test_of_models(self, against: Run, answer: Any) -> None:
        check(against(answer, "models"))


class TestLongIntegers:
    """Python refuses to write integers of more than 4,300 digits; they are read, and must be shown."""

    @pytest.mark.parametrize("command", [["get", ID], ["get", ID, "--json"], ["run", "o/m", "--timeout", "9"]])
    @pytest.mark.parametrize("output", [HUGE, {"a": [HUGE, 1.5]}, [[-HUGE]]], ids=["number", "object", "list"])
    def test_in_an_output(self, against: Run, command: list[str], output: Any) -> None:
        ended = against({**PREDICTION, "output": output}, *command)
        check(ended)
        assert ended.code == 0
        assert "1" + "0" * 5000 in ended.out

    @pytest.mark.parametrize(
        ("command", "answer"),
        [
            (["list"], {"items": [{**PREDICTION, "model": {"owner": HUGE, "name": HUGE, "version_number": HUGE}}]}),
            (["models"], {"items": [{**MODEL, "predictions_count": HUGE, "owner": {"name": HUGE}}]}),
            (["model", "o/m:1"], {**VERSION, "number": HUGE, "schemas": {"prediction": {"input": LONG_SCHEMA}}}),
            (["wait", ID], {**PREDICTION, "status": "failed", "error": {"message": HUGE, "detail": [HUGE]}}),
            (["get", ID], {**PREDICTION, "status": "failed", "error": HUGE}),
        ],
    )
    def test_elsewhere(self, against: Run, command: list[str], answer: Any) -> None:
        check(against(answer, *command))


class TestText:
    @pytest.mark.parametrize(
        "command", [["get", ID], ["list"], ["models"], ["run", "o/m"], ["cancel", ID], ["model", "o/m"]]
    )
    def test_of_an_error_is_one_harmless_line(self, against: Run, command: list[str]) -> None:
        ended = against({"message": f"bad {EVIL}"}, *command, status=400)
        assert (ended.code, len(ended.err.splitlines())) == (3, 1)
        check(ended)

    def test_of_an_error_fits_a_screen(self, against: Run) -> None:
        assert len(against({"message": "bad " * 10_000}, "get", ID, status=400).err) <= 1001

    @pytest.mark.parametrize("command", [["get", ID], ["wait", ID], ["list"]])
    def test_of_a_prediction_is_harmless(self, against: Run, command: list[str]) -> None:
        prediction = {
            **PREDICTION, "status": "failed", "output": EVIL, "error": {"message": EVIL, "detail": {EVIL: EVIL}},
            "created_at": EVIL, "model": {"owner": EVIL, "name": EVIL, "version_number": EVIL},
        }  # fmt: skip
        ended = against({"items": [prediction]} if command == ["list"] else prediction, *command)
        check(ended)
        if sys.stdout.isatty():
            assert not COMMANDS.search(re.sub(r"\x1b\[[\d;]*m", "", ended.out))  # bold headings are our own

    @pytest.mark.parametrize("command", [["get", ID, "--json"], ["list", "--json"]])
    def test_as_json_stays_the_same_json(self, against: Run, command: list[str]) -> None:
        prediction = {**PREDICTION, "output": EVIL}
        ended = against({"items": [prediction]} if "list" in command else prediction, *command)
        assert ended.lines[0]["output"] == EVIL
        assert not COMMANDS.search(ended.out)

    def test_that_is_nested_deeply_is_printed(self, against: Run) -> None:
        output: Any = "deep"
        for _ in range(900):
            output = [output]
        assert "deep" in against({**PREDICTION, "output": output}, "get", ID).out


def test_schema_that_explodes_is_a_short_table(run: Run, sandbox: Sandbox) -> None:
    many = {f"p{number}": {"$ref": "#/$defs/n"} for number in range(60)}
    node = {"type": "object", "properties": many}
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": node}}
    sandbox.models["me/many"] = Model(lambda given: given, schema)
    assert len(run("model", "me/many").out.splitlines()) == 5 + 61
    wide = {"properties": {f"f{number}": {"enum": list(range(500))} for number in range(250)}}
    sandbox.models["me/wide"] = Model(lambda given: given, wide)
    ended = run("model", "me/wide")
    assert "more than 200 fields: see --json" in ended.out
    assert len(ended.out) < 200 * 500
