"""Params are checked before anything is sent: by their form, their keys and their values."""

import json
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.clients import Script, Spelling, answer, client_of
from wriftai_anyio import Client, WriftAIError
from wriftai_anyio._predictions.params import taken
from wriftai_anyio.sandbox import Sandbox

MODEL = "o/n"


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ("hello", r"write {\"input\": 'hello'}, not the bare input"),
        ({"text": "hello"}, r"write {\"input\": {'text': 'hello'}}, not the bare input"),
        ({"inputs": "hello"}, "write it for 'inputs'"),
        (None, "not the bare input"),
        (["x" * 1000], "not the bare input"),
        ({"input": 1, "webhok": {}}, "no key 'webhok'. Did you mean 'webhook'"),
        ({"input": 1, "priority": 1}, "no key 'priority'.*goes into 'extra_body'"),
        ({"input": 1, "webhook": "https://me"}, "webhook.*must be like"),
        ({"input": 1, "webhook": {"secret": "s"}}, "webhook.*must be like"),
        ({"input": 1, "webhook": {"url": "me.example/hook"}}, "webhook.*must be like"),
        ({"input": 1, "webhook": {"url": "https://me.example", "secret": 7}}, "secret.*must be a string, not a int"),
        ({"input": 1, "webhook": {"url": "https://me", "secrets": "s"}}, "Did you mean 'secret'"),
        ({"input": 1, "validate_input": "yes"}, "validate_input.*True or False, not 'yes'"),
        ({"input": 1, "stream": 1}, "stream.*True or False, not 1"),
        ({"input": 1, "extra_body": [1]}, "extra_body.*must be a dictionary"),
        ({"input": 1, "extra_body": {"input": 1}}, "'input' is known"),
        ({"input": 1, "extra_body": {"x": {1}}}, r"extra_body\.x is a set"),
        ({"input": 1, "model": "o/other"}, "for the model 'o/other', not for 'o/n'"),
    ],
)
def test_wrong_ones_are_refused_before_anything_is_sent(params: Any, problem: str, spelling: Spelling) -> None:
    transport = Script()
    with spelling.client(transport) as client:
        for name in ("create", "create_stream"):
            with pytest.raises(ValueError, match=problem) as refused:
                spelling.call(client.predictions, name, params, MODEL)
            assert len(str(refused.value)) < 300
    assert transport.requests == []


@pytest.mark.parametrize(
    "params",
    [
        {"input": 1, "webhook": {"secret": "hunter2"}},
        {"input": 1, "webhook": {"url": 5, "secret": "hunter2"}},
        {"input": 1, "webhook": ["https://me", "hunter2"]},
        {"webhook": {"url": "https://me", "secret": "hunter2"}},
    ],
)
def test_secret_of_a_webhook_is_in_no_refusal(params: Any) -> None:
    with pytest.raises(ValueError, match="Nothing was sent") as refused:
        taken(params)
    assert "hunter2" not in str(refused.value)


def test_value_of_a_variable_is_in_no_refusal(spelling: Spelling) -> None:
    with spelling.client(Script()) as client, pytest.raises(ValueError, match="must be a mapping") as refused:
        spelling.call(client.variables, "update", "KEY", "hunter2")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("params", "body"),
    [
        ({"input": date(2026, 5, 1), "extra_body": {"priority": 1}}, {"input": "2026-05-01", "priority": 1}),
        ({"input": None, "model": MODEL, "webhook": None, "stream": False}, {"input": None}),
        ({"input": 1, "stream": True}, {"input": 1, "stream": True}),
    ],
)
def test_right_ones_are_sent(params: Any, body: dict[str, Any], spelling: Spelling) -> None:
    transport = Script(answer("pending", 201))
    with spelling.client(transport) as client:
        spelling.call(client.predictions, "create", params, MODEL)
    assert json.loads(transport.bodies[0]) == {"model": MODEL, **body}


def test_what_a_caller_does_with_them_later_changes_nothing() -> None:
    params: Any = {"input": {"n": 1}, "webhook": {"url": "https://me"}}
    snapshot = taken(params)
    params["input"]["n"] = params["webhook"]["url"] = "changed"
    assert snapshot.value == {"input": {"n": 1}, "webhook": {"url": "https://me"}}


def test_a_stream_is_created_with_what_its_params_were_when_it_was_made() -> None:
    transport = Script(answer("pending", 201), forever=httpx.Response(404))
    with client_of(transport) as client:
        params: Any = {"input": {"n": 1}}
        stream = client.predictions.create_stream(params, MODEL)
        params["input"]["n"] = 2
        with stream, suppress(WriftAIError):
            list(stream)
    assert json.loads(transport.bodies[0])["input"] == {"n": 1}


def test_paths_and_open_files_are_uploaded(sandbox: Sandbox, spelling: Spelling, tmp_path: Path) -> None:
    path = tmp_path / "poem.txt"
    path.write_text("to be")
    with (
        path.open("rb") as stream,
        Client(sandbox.access_token, sandbox.base_url, backend=spelling.backend) as client,
    ):
        created = spelling.call(
            client.predictions, "create", {"input": {"a": [path], "b": stream, "c": path}}, "sandbox/echo"
        )
        assert len([each for each in sandbox.requests if each.path == "/v1/uploads"]) == 2
    assert created["input"]["a"][0] == created["input"]["c"] != created["input"]["b"]
