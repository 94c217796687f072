"""The tools as an agent uses them: the SDK's own client, a server in this process, a sandbox over real HTTP."""

import base64
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.agents import agent, call
from tests.support.patience import PATIENCE, leave_when, until_async
from wriftai_anyio.mcp import Guards
from wriftai_anyio.sandbox import RateLimits, Sandbox

pytestmark = pytest.mark.anyio

PIXEL = base64.b64encode(b"\x89PNG pixel").decode()
NO_IMAGE = base64.b64encode(b"<html>").decode()


async def test_every_tool_says_what_it_is_for_and_what_it_may_do(sandbox: Sandbox, tmp_path: Path) -> None:
    async with agent(sandbox, folder=tmp_path) as connected:
        tools = {tool.name: tool for tool in (await connected.list_tools()).tools}
    assert sorted(tools) == [
        "cancel_prediction",
        "describe_model",
        "get_prediction",
        "list_predictions",
        "run_model",
        "save_output",
        "search_models",
        "start_prediction",
        "upload_file",
    ]
    for tool in tools.values():
        assert tool.description
        assert tool.annotations
        assert tool.annotations.read_only_hint is not None
        assert tool.output_schema
        assert tool.input_schema["additionalProperties"] is False
    assert "costs money" in str(tools["run_model"].description)
    hints = {name: tool.annotations for name, tool in tools.items()}
    reading = {"describe_model", "get_prediction", "list_predictions", "search_models"}
    assert {name for name, hint in hints.items() if hint and hint.read_only_hint} == reading
    assert {name for name, hint in hints.items() if hint and hint.idempotent_hint} == {*reading, "cancel_prediction"}
    assert {name for name, hint in hints.items() if hint and hint.destructive_hint} == {"cancel_prediction"}
    assert all(hint and hint.open_world_hint for hint in hints.values())


async def test_without_a_folder_no_tool_touches_files(sandbox: Sandbox) -> None:
    async with agent(sandbox) as connected:
        names = {tool.name for tool in (await connected.list_tools()).tools}
        assert not {"save_output", "upload_file"} & names
        assert await call(connected, "upload_file", path="x") == (True, {"error": "There is no tool 'upload_file'."})


async def test_running_a_model_returns_its_output(sandbox: Sandbox) -> None:
    async with agent(sandbox) as connected:
        failed, result = await call(connected, "run_model", model="sandbox/echo", input={"text": "hello"})
    assert not failed
    assert (result["status"], result["output"]) == ("succeeded", {"text": "hello"})
    assert result["prediction_id"] == sandbox.predictions[0]["id"]


async def test_failed_prediction_is_an_error_that_says_what_the_model_said(sandbox: Sandbox) -> None:
    async with agent(sandbox) as connected:
        failed, result = await call(connected, "run_model", model="sandbox/fail", input={"message": "no memory"})
    assert failed
    assert (result["status"], result["error"]["message"]) == ("failed", "no memory")


async def test_cancelled_request_cancels_the_prediction(sandbox: Sandbox) -> None:
    async with agent(sandbox) as connected:
        sleep = {"model": "sandbox/sleep", "input": {"seconds": 60}}
        await leave_when(lambda: sandbox.predictions, lambda: connected.call_tool("run_model", sleep))
        await until_async(lambda: [each["status"] for each in sandbox.predictions] == ["cancelled"])


async def test_start_that_is_cancelled_before_it_has_told_the_id_leaves_no_prediction(sandbox: Sandbox) -> None:
    sandbox.fail_next("delay", method="POST", path="/predictions", delay=0.2)
    async with agent(sandbox) as connected:
        sleep = {"model": "sandbox/sleep", "input": {"seconds": 60}}
        await leave_when(lambda: sandbox.requests, lambda: connected.call_tool("start_prediction", sleep))
        await until_async(lambda: [each["status"] for each in sandbox.predictions] == ["cancelled"])


async def test_timeout_is_an_error_with_the_prediction(sandbox: Sandbox) -> None:
    arguments = {"model": "sandbox/sleep", "input": {"seconds": 60}, "timeout": 0.3}
    async with agent(sandbox) as connected:
        failed, result = await call(connected, "run_model", **arguments)
    assert failed
    assert result["prediction_id"] == sandbox.predictions[0]["id"]
    assert "cancelled" in result["note"]


async def test_started_prediction_is_got_listed_and_cancelled(sandbox: Sandbox) -> None:
    async with agent(sandbox) as connected:
        _, started = await call(connected, "start_prediction", model="sandbox/sleep", input={"seconds": 60})
        named = {"prediction_id": started["prediction_id"]}
        _, listed = await call(connected, "list_predictions", limit=1, statuses=["pending", "starting", "started"])
        assert [entry["prediction_id"] for entry in listed["predictions"]] == [started["prediction_id"]]
        assert (await call(connected, "cancel_prediction", **named))[1]["cancel_requested"]
        with anyio.fail_after(PATIENCE):
            while (await call(connected, "get_prediction", **named))[1]["status"] != "cancelled":
                await anyio.sleep(0.01)


async def test_long_output_is_cut_and_can_be_read_on(sandbox: Sandbox) -> None:
    text = "".join(f"{number:05}" for number in range(10_000))
    async with agent(sandbox) as connected:
        _, result = await call(connected, "run_model", model="sandbox/echo", input=text)
        read = result["output"]
        assert result["output_characters"] == len(text)
        while "note" in result:
            offset = int(result["note"].partition("offset=")[2].split()[0])
            _, result = await call(connected, "get_prediction", prediction_id=result["prediction_id"], offset=offset)
            read += result["output"]
    assert read == text


async def test_small_images_of_an_output_are_images(sandbox: Sandbox) -> None:
    sandbox.models["me/picture"] = lambda _given: {
        "data": f"data:image/jpeg;base64,{PIXEL}",
        "false": f"data:image/png;base64,{NO_IMAGE}",
        "gone": "http://127.0.0.1:9/gone.png",
        "text": "no image",
    }
    async with agent(sandbox) as connected:
        ran: Any = await connected.call_tool("run_model", {"model": "me/picture", "input": None})
        named = {"prediction_id": ran.structured_content["prediction_id"]}
        got: Any = await connected.call_tool("get_prediction", named)
    for result in (ran, got):
        images = [content for content in result.content if content.type == "image"]
        # Of the kind that they are, not of the kind that the model says: language models refuse others.
        assert [(image.mime_type, image.data) for image in images] == [("image/png", PIXEL)]


async def test_model_is_described_by_the_fields_of_its_input(sandbox: Sandbox) -> None:
    async with agent(sandbox) as connected:
        _, described = await call(connected, "describe_model", model="sandbox/word-count")
        assert described["input_fields"] == [{"name": "text", "required": True, "type": "string"}]
        assert described["version"] == 1
        _, found = await call(connected, "search_models", query="word-count")
        assert found["models"][0]["model"] == "sandbox/word-count"


async def test_model_of_its_own_is_a_tool_with_its_input_as_arguments(sandbox: Sandbox) -> None:
    async with agent(sandbox, "sandbox/word-count", "sandbox/echo") as connected:
        tools = {tool.name: tool for tool in (await connected.list_tools()).tools}
        assert tools["sandbox_word-count"].input_schema["properties"]["text"] == {"type": "string"}
        _, counted = await call(connected, "sandbox_word-count", text="a b a")
        assert counted["output"] == {"a": 2, "b": 1}
        _, echoed = await call(connected, "sandbox_echo", input="plain")
        assert echoed["output"] == "plain"
        failed, refused = await call(connected, "sandbox_word-count", text=5)
        assert (failed, refused) == (True, {"error": "text: 5 is not of type 'string'"})


async def test_no_more_predictions_are_created_than_allowed_and_refusals_do_not_count(sandbox: Sandbox) -> None:
    async with agent(sandbox, max_predictions=2) as connected:
        for model in ("no/such-model", "not a model", "sandbox/echo", "sandbox/echo", "sandbox/echo"):
            failed, result = await call(connected, "run_model", model=model, input=1)
        assert failed
        assert "limit of 2 predictions is reached" in result["error"]
        assert len(sandbox.predictions) == 2


async def test_agents_are_told_the_limits_before_they_meet_them(sandbox: Sandbox) -> None:
    async with agent(sandbox, max_predictions=3, allow=["me/*"]) as connected:
        said = connected.instructions
    assert "no more than 3 predictions" in str(said)
    assert "only models like me/*" in str(said)


@pytest.mark.parametrize("model", ["you/thing", "me2/thing", "YOU/me/thing"])
async def test_models_that_no_pattern_allows_are_refused_before_anything_is_sent(sandbox: Sandbox, model: str) -> None:
    async with agent(sandbox, allow=["me/*", "sandbox/echo"]) as connected:
        for tool in ("run_model", "start_prediction"):
            failed, result = await call(connected, tool, model=model, input=1)
            assert failed
            assert "may not run" in result["error"]
        assert sandbox.requests == []
        assert not (await call(connected, "run_model", model="sandbox/echo:1", input=1))[0]


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "link", "folder/../../secret", "\x00"])
async def test_paths_outside_the_folder_are_refused(sandbox: Sandbox, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    async with agent(sandbox, folder=folder) as connected:
        failed, result = await call(connected, "upload_file", path=path)
        assert failed
        assert "outside the folder" in result["error"] or "not a path" in result["error"]
        failed, _ = await call(connected, "save_output", prediction_id="1", subfolder=path)
        assert failed
    assert sandbox.requests == []


async def test_files_go_from_the_folder_and_into_it(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("content")
    async with agent(sandbox, folder=tmp_path) as connected:
        _, uploaded = await call(connected, "upload_file", path="in.txt")
        _, result = await call(connected, "run_model", model="sandbox/echo", input={"file": uploaded["url"]})
        _, saved = await call(connected, "save_output", prediction_id=result["prediction_id"], subfolder="results")
    path = Path(saved["output"]["file"])
    assert await anyio.Path(path).read_text() == "content"
    assert path.parent == tmp_path / "results"


async def test_of_several_files_those_that_are_there_are_saved_and_the_others_named(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    given = {"cat": sandbox.add_file(b"cat", "image/png"), "dog": sandbox.base_url + "/missing"}
    async with agent(sandbox, folder=tmp_path) as connected:
        _, result = await call(connected, "run_model", model="sandbox/echo", input=given)
        failed, saved = await call(connected, "save_output", prediction_id=result["prediction_id"])
    assert not failed
    assert await anyio.Path(saved["output"]["cat"]).read_bytes() == b"cat"
    assert saved["output"]["dog"] == given["dog"]
    assert "answered 404" in saved["not_saved"][given["dog"]]


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("run_model", {"input": 1}, "'model' is a required property"),
        ("run_model", {"model": 5, "input": 1}, "model: 5 is not of type 'string'"),
        ("run_model", {"model": "o/n", "input": 1, "timeout": -1}, "timeout: -1"),
        ("list_predictions", {"limit": 1000}, "limit: 1000"),
        ("get_prediction", {"prediction_id": ""}, "prediction_id"),
        ("nonsense", {}, "There is no tool 'nonsense'."),
    ],
)
async def test_malformed_calls_are_errors_that_say_what_is_wrong(
    sandbox: Sandbox, tool: str, arguments: dict[str, Any], message: str
) -> None:
    async with agent(sandbox) as connected:
        failed, result = await call(connected, tool, **arguments)
    assert failed
    assert message in result["error"]
    assert sandbox.requests == []


async def test_lost_create_is_an_error_that_says_to_look_first(sandbox: Sandbox) -> None:
    sandbox.fail_next("drop_after", method="POST")
    async with agent(sandbox, max_predictions=1) as connected:
        failed, result = await call(connected, "run_model", model="sandbox/echo", input=1)
        assert failed
        assert "list_predictions" in result["note"]
        # It may have been created, so it counts.
        assert "limit of 1" in (await call(connected, "run_model", model="sandbox/echo", input=1))[1]["error"]


async def test_fifty_calls_at_once_all_get_their_own_result() -> None:
    with Sandbox(setup_time=0.0, rate_limits=RateLimits(creates=50, others=50)) as sandbox:
        results: dict[int, object] = {}

        async with agent(sandbox) as connected:

            async def run(number: int) -> None:
                _, result = await call(connected, "run_model", model="sandbox/echo", input=number)
                results[number] = result["output"]

            async with anyio.create_task_group() as tasks:
                for number in range(50):
                    tasks.start_soon(run, number)
        assert results == {number: number for number in range(50)}
        assert len(sandbox.predictions) == 50


@pytest.mark.parametrize("wrong", [{"max_predictions": -1}, {"folder": Path("/no/such/folder")}])
async def test_limits_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Guards(**wrong)
