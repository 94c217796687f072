"""Arguments of wrong kinds, wherever the public API takes one: a `ValueError` by name, before anything is sent."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import Script, Spelling, client_of
from wriftai_anyio import Client, File
from wriftai_anyio._parsing.arguments import checked_path
from wriftai_anyio.predictions import AsyncWaitOptions, Predictions, WaitOptions
from wriftai_anyio.sandbox import Sandbox

MODEL = "owner/name"
CALLS: dict[str, tuple[Callable[[Client], Any], str, tuple[Any, ...]]] = {
    "create": (lambda client: client.predictions, "create", ({"input": 1}, MODEL)),
    "batch": (lambda client: client.predictions, "batch", ([], MODEL)),
    "map": (lambda client: client, "map", (MODEL, [])),
}


def flags_of(function: Any) -> list[str]:
    return [name for name, each in inspect.signature(function).parameters.items() if each.annotation is bool]


FLAGS = [
    (call, flag)
    for call, function in (("create", Predictions.create), ("batch", Predictions.batch), ("map", Client.map))
    for flag in flags_of(function)
]


def refused(spelling: Spelling, call: str, problem: str, **options: Any) -> None:
    script = Script()
    resource, name, args = CALLS[call]
    with client_of(script, backend=spelling.backend) as client:
        with pytest.raises(ValueError, match=problem):
            if call == "create":
                spelling.call(resource(client), name, *args, **options)
            else:
                getattr(resource(client), name if spelling.blocking else f"async_{name}")(*args, **options)
    assert script.requests == []


def test_there_are_flags() -> None:
    assert len(FLAGS) == 2 + 5 + 5


@pytest.mark.parametrize(("call", "flag"), FLAGS)
@pytest.mark.parametrize("value", ["no", 0, None])
def test_a_flag_is_true_or_false(spelling: Spelling, call: str, flag: str, value: Any) -> None:
    refused(spelling, call, f"{flag} must be True or False, not {value!r}", **{flag: value})


@pytest.mark.parametrize("kind", [WaitOptions, AsyncWaitOptions])
@pytest.mark.parametrize("flag", ["poll", "cancel_on_exit"])
def test_so_is_one_of_wait_options(kind: Any, flag: str) -> None:
    with pytest.raises(ValueError, match=f"{flag} must be True or False, not 'yes'"):
        kind(**{flag: "yes"})


@pytest.mark.parametrize("flag", ["hold", "sample_data"])
def test_so_is_one_of_the_sandbox(flag: str) -> None:
    options: Any = {flag: "no"}
    with pytest.raises(ValueError, match=f"{flag} must be True or False, not 'no'"):
        Sandbox(**options)


@pytest.mark.parametrize("call", ["batch", "map"])
@pytest.mark.parametrize("option", ["recreate_unknown", "find_unknown", "retry_failed"])
def test_what_is_about_an_earlier_run_needs_a_journal(spelling: Spelling, call: str, option: str) -> None:
    refused(spelling, call, f"{option} needs a journal", **{option: True})


@pytest.mark.parametrize("call", ["batch", "map"])
@pytest.mark.parametrize("journal", [5, b"x", "", True, "a\0b"])
def test_a_journal_is_a_path(spelling: Spelling, call: str, journal: Any) -> None:
    refused(spelling, call, "journal must be a path", journal=journal)


@pytest.mark.parametrize("call", ["batch", "map"])
@pytest.mark.parametrize("number", [0, "3", 1.5, True, None])
def test_max_in_flight_is_a_whole_number(spelling: Spelling, call: str, number: Any) -> None:
    refused(spelling, call, "max_in_flight must be a whole number from 1", max_in_flight=number)


@pytest.mark.parametrize("inputs", [3, None, 1.5, object(), "text", b"bytes", {"input": 1}])
def test_inputs_are_an_iterable(spelling: Spelling, inputs: Any) -> None:
    script = Script()
    with client_of(script, backend=spelling.backend) as client:
        prefix = "" if spelling.blocking else "async_"
        with pytest.raises(ValueError, match="inputs must be an iterable"):
            getattr(client, f"{prefix}map")(MODEL, inputs)
        with pytest.raises(ValueError, match="inputs must be an iterable"):
            getattr(client.predictions, f"{prefix}batch")(inputs, MODEL)
    assert script.requests == []


def test_a_blocking_call_is_given_no_async_iterable() -> None:
    async def inputs() -> Any:
        yield 1

    with client_of(Script()) as client:
        for call, args in ((client.map, (MODEL, inputs())), (client.predictions.batch, (inputs(), MODEL))):
            with pytest.raises(ValueError, match="async iterable"):
                call(*args)


@pytest.mark.parametrize("wait", ["x", 0, True, float("nan"), float("inf")])
def test_a_wait_of_a_stream_is_seconds(spelling: Spelling, wait: Any) -> None:
    with client_of(Script(), backend=spelling.backend) as client:
        prefix = "" if spelling.blocking else "async_"
        with pytest.raises(ValueError, match="wait must be seconds"):
            getattr(client, f"{prefix}stream")(MODEL, 1, wait=wait)


@pytest.mark.parametrize(
    ("name", "args"), [("save", ("https://a.example/b", 5)), ("download", ("https://a.example/b", b"x"))]
)
def test_files_are_put_at_a_path(spelling: Spelling, name: str, args: Any) -> None:
    with client_of(Script(), backend=spelling.backend) as client:
        with pytest.raises(ValueError, match=r"(folder|path) must be a path"):
            spelling.call(client.files, name, *args)


@pytest.mark.parametrize("mime_type", [5, b"image/png", "image", "a/b\r\nc: d"])
def test_a_mime_type_is_one(mime_type: Any) -> None:
    with pytest.raises(ValueError, match="mime_type must be like 'image/png'"):
        File(b"", mime_type)


def test_progress_is_told_to_a_function(spelling: Spelling, tmp_path: Path) -> None:
    with client_of(Script(), backend=spelling.backend) as client:
        for name in ("save", "download"):
            with pytest.raises(ValueError, match="on_progress must be a function"):
                spelling.call(client.files, name, "https://a.example/b", tmp_path, on_progress=5)


def test_paths_of_all_kinds_are_taken() -> None:
    for path in ("a", Path("a"), Path()):
        assert checked_path(path, "journal") == path


@pytest.mark.parametrize("models", [{5: len}, {"me/x": 5}, {"x": len}, [1], 7, {"me/x": None}])
def test_the_sandbox_says_what_models_are_like(models: Any) -> None:
    with pytest.raises(ValueError, match=r"owner/name|function of the input"):
        Sandbox(models)
