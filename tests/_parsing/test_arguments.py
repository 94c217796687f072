"""Arguments of wrong kinds, wherever the public API takes one: a `ValueError` by name, before anything is sent."""

import inspect
import math
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from anyio import lowlevel

from tests.support.clients import Script, Spelling, client_of
from wriftai_anyio import Client, File
from wriftai_anyio._parsing.arguments import checked_path
from wriftai_anyio.predictions import AsyncWaitOptions, Predictions, WaitOptions
from wriftai_anyio.sandbox import Delivery, RateLimits, Sandbox, Streaming


async def takes_one(delta: int) -> None:
    """A callback that is called with two arguments."""


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


SANDBOX: list[tuple[Any, str, list[Any]]] = [
    *(
        (kind, name, ["30", timedelta(1), math.nan, -1, True, b"1", [1], 1j, Decimal(1), None, len])
        for kind, names in (
            (Sandbox, ["max_hold", "setup_time", "cancel_time", "time_scale"]),
            (Streaming, ["pace", "heartbeat", "idle"]),
            (Delivery, ["retry_delay"]),
        )
        for name in names
    ),
    *(
        (kind, name, ["3", timedelta(1), math.nan, math.inf, -1, 1.5, True, b"1", [1], 1j, Decimal(1), len])
        for kind, names in (
            (Sandbox, ["port", "part_size"]),
            (RateLimits, ["creates", "others"]),
            (Streaming, ["close_after_events"]),
            (Delivery, ["duplicates", "attempts"]),
        )
        for name in names
    ),
    (Sandbox, "time_scale", [0, math.inf]),
    (Sandbox, "port", [65_536]),
    (Sandbox, "access_token", [b"token", 5]),
    (Sandbox, "rate_limits", [15, {"creates": 15}]),
    (Sandbox, "streaming", [True, {}]),
    (Sandbox, "delivery", ["in order", {}]),
    (RateLimits, "window", ["buckets", ["bucket"], None]),
    (Streaming, "drop_in_event", ["no", 0]),
    (Delivery, "reorder", ["no", 1]),
]


@pytest.mark.parametrize(("kind", "name", "wrong"), SANDBOX)
def test_arguments_of_the_sandbox_are_checked_by_name(kind: Any, name: str, wrong: list[Any]) -> None:
    for value in wrong:
        with pytest.raises(ValueError, match=f"^{name} must be "):
            kind(**{name: value})


def test_so_are_those_of_a_sandbox_that_runs(sandbox: Sandbox) -> None:
    times: list[Any] = [0, 1.5, "3", math.nan, 10**30, True]
    for value in times:
        with pytest.raises(ValueError, match="times must be a whole number"):
            sandbox.fail_next(500, times=value)
    faults: list[Any] = [["drop"], None, "dropped"]
    for value in faults:
        with pytest.raises(ValueError, match="kind must be"):
            sandbox.fail_next(value)
    delays: list[Any] = ["1", math.nan, -1]
    for value in delays:
        with pytest.raises(ValueError, match="delay must be"):
            sandbox.fail_next("delay", delay=value)
    settings: Any = {"pace": 1}
    with pytest.raises(ValueError, match="streaming must be a Streaming"):
        sandbox.streaming = settings
    with pytest.raises(ValueError, match="delivery must be a Delivery"):
        sandbox.delivery = settings


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


@pytest.mark.parametrize("wrong", [lambda delta: None, lambda: None, lambda delta, size, more: None, takes_one])
def test_progress_is_told_to_a_function_of_two(spelling: Spelling, tmp_path: Path, wrong: Any) -> None:
    with client_of(Script(), backend=spelling.backend) as client:
        for name, argument in (("upload", File(b"x")), ("save", {}), ("download", "https://a.example/b")):
            path = () if name == "upload" else (tmp_path,)
            with pytest.raises(ValueError, match=r"on_progress must be a function of \(delta, size\)"):
                spelling.call(client.files, name, argument, *path, on_progress=wrong)


def test_a_coroutine_function_is_told_progress_too(spelling: Spelling, sandbox: Sandbox, tmp_path: Path) -> None:
    told: list[int] = []

    async def on_progress(delta: int, size: int | None) -> None:
        await lowlevel.checkpoint()
        told.append(delta)

    with Client(sandbox.access_token, sandbox.base_url, backend=spelling.backend) as client:
        uploaded = spelling.call(client.files, "upload", File(b"abc"), on_progress=on_progress)
        spelling.call(client.files, "download", uploaded["download_url"], tmp_path / "x", on_progress=on_progress)
    assert told == [3, 3]


def test_paths_of_all_kinds_are_taken() -> None:
    for path in ("a", Path("a"), Path()):
        assert checked_path(path, "journal") == path


@pytest.mark.parametrize("models", [{5: len}, {"me/x": 5}, {"x": len}, [1], 7, {"me/x": None}])
def test_the_sandbox_says_what_models_are_like(models: Any) -> None:
    with pytest.raises(ValueError, match=r"owner/name|function of the input"):
        Sandbox(models)
