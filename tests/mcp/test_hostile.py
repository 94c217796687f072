"""What models and their authors may write: it commands no terminal, stops no server, and breaks no list of tools."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import jsonschema
import pytest

from tests.support.agents import agent, call
from tests.support.clients import TOKEN, Script, client_of, never
from tests.support.patience import PATIENCE
from wriftai_anyio.mcp import _results
from wriftai_anyio.mcp._results import LARGEST_IMAGE, MOST_FETCHED, images_of, result_of
from wriftai_anyio.mcp._schemas import has_references, input_fields, shown, validator_of
from wriftai_anyio.models import ModelsResource
from wriftai_anyio.sandbox import Model, Sandbox

pytestmark = pytest.mark.anyio

EVIL = "x\x1b]0;owned\x07\x9b31m\u202ename"
COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
TREE = {"type": "object", "properties": {"parts": {"type": "array", "items": {"$ref": "#"}}}}


def doubling(levels: int) -> dict[str, Any]:
    """A schema that takes twice as long with each level."""
    parts = {str(level): {"allOf": [{"$ref": f"#/$defs/{level + 1}"}] * 2} for level in range(levels)}
    return {"type": "object", "$defs": {**parts, str(levels): {}}, "properties": {"a": {"$ref": "#/$defs/0"}}}


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


UNUSABLE: dict[str, Any] = {
    "not valid": {"type": "object", "properties": {"text": {"type": "nonsense"}}},
    "huge": {"type": "object", "properties": {f"field{number}": {"type": "string"} for number in range(5_000)}},
    "deep": deep(300),
    "refers to a server": {"type": "object", "properties": {"text": {"$ref": "http://127.0.0.1:9/schema"}}},
}
ENDLESS: dict[str, Any] = {
    "recursive": TREE,
    "endless": {"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}},
    "doubling": doubling(60),
    "slow pattern": {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}},
    "slow names": {"type": "object", "patternProperties": {"^(a+)+$": {}}, "additionalProperties": False},
}
NOT_ARGUMENTS: dict[str, Any] = {
    "choice": {"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
    "name with a blank": {"type": "object", "properties": {"your name": {"type": "string"}}},
    "no object": {"type": "string", "maxLength": 5},
}


def model_with(schema: dict[str, Any], output: object = "ran") -> Model:
    return Model(lambda _given: output, schema)


@pytest.mark.parametrize("kind", UNUSABLE)
async def test_model_whose_schema_cannot_be_used_is_a_tool_that_takes_any_input(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    get = ModelsResource.async_get

    async def get_strange(models: ModelsResource, name: str) -> Any:
        found: Any = await get(models, name)
        if name == "me/strange":  # whose schema the sandbox would not take
            found["latest_version"]["schemas"]["prediction"]["input"] = UNUSABLE[kind]
        return found

    monkeypatch.setattr(ModelsResource, "async_get", get_strange)
    sandbox.models["me/strange"] = lambda _given: "ran"
    async with agent(sandbox, "me/strange", "sandbox/echo") as connected:
        tools = {tool.name: tool for tool in (await connected.list_tools()).tools}
        offered = tools["me_strange"].input_schema
        jsonschema.Draft202012Validator.check_schema(offered)
        assert len(json.dumps(offered)) < 500
        assert (await call(connected, "me_strange", input={"a": 1}))[1]["output"] == "ran"
        failed, described = await call(connected, "describe_model", model="me/strange")
    assert not failed
    assert described["input_schema"] is None
    assert len(json.dumps(described)) < 50_000


@pytest.mark.parametrize("kind", ENDLESS)
async def test_schema_that_could_take_for_ever_is_left_to_the_api(sandbox: Sandbox, kind: str) -> None:
    sandbox.models["me/strange"] = model_with(ENDLESS[kind])
    async with agent(sandbox, "me/strange") as connected:
        failed, result = await call(connected, "me_strange", a="a" * 60 + "b", **{"a" * 60 + "b": 1})
    assert not failed, result


@pytest.mark.parametrize("kind", NOT_ARGUMENTS)
async def test_schema_that_language_models_do_not_take_for_arguments_is_that_of_one(
    sandbox: Sandbox, kind: str
) -> None:
    sandbox.models["me/strange"] = model_with(NOT_ARGUMENTS[kind])
    async with agent(sandbox, "me/strange") as connected:
        tools = {tool.name: tool for tool in (await connected.list_tools()).tools}
        assert tools["me_strange"].input_schema["properties"] == {"input": NOT_ARGUMENTS[kind]}
        assert not (await call(connected, "me_strange", input={"a": 1} if kind != "no object" else "short"))[0]


async def test_model_named_like_a_tool_does_not_take_its_place(sandbox: Sandbox) -> None:
    sandbox.models["run/model"] = lambda _given: "mine"
    async with agent(sandbox, "run/model") as connected:
        names = [tool.name for tool in (await connected.list_tools()).tools]
        assert {"run_model", "run_model_2"} <= set(names)
        assert (await call(connected, "run_model", model="sandbox/echo", input="echo"))[1]["output"] == "echo"


async def test_text_of_strangers_commands_no_terminal(sandbox: Sandbox) -> None:
    schema = {"type": "object", "properties": {"a": {"description": EVIL, "default": EVIL, "enum": [EVIL]}}}
    sandbox.models["me/evil"] = model_with(schema, {EVIL: EVIL})
    async with agent(sandbox, "me/evil") as connected:
        tools = (await connected.list_tools()).tools
        results: list[Any] = [
            await connected.call_tool("describe_model", {"model": "me/evil"}),
            await connected.call_tool("run_model", {"model": "me/evil", "input": {}}),
            await connected.call_tool("run_model", {"model": "sandbox/fail", "input": {"message": EVIL}}),
            await connected.call_tool("run_model", {"model": EVIL, "input": {}}),
        ]
    assert not COMMANDS.search(" ".join(strings(tools[-1].model_dump())))
    for result in results:
        assert not COMMANDS.search(result.content[0].text)
    assert results[1].structured_content["output"] == {EVIL: EVIL}  # whole, as data
    for result in (results[0], *results[2:]):
        assert not COMMANDS.search(" ".join(strings(result.structured_content)))


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for entry in [*value.keys(), *value.values()] for text in strings(entry)]
    if isinstance(value, list):
        return [text for entry in value for text in strings(entry)]
    return [value] if isinstance(value, str) else []


async def test_endless_messages_are_cut(sandbox: Sandbox) -> None:
    said = {"message": "m" * 100_000, "detail": ["d" * 100_000]}
    async with agent(sandbox) as connected:
        failed, result = await call(connected, "run_model", model="sandbox/fail", input=said)
    assert failed
    assert result["error"]["message"].startswith("mmm")
    assert len(json.dumps(result)) < 10_000


def test_outputs_that_have_no_place_in_a_message_are_text() -> None:
    nested: Any = 1
    for _ in range(400):
        nested = [nested]
    result = result_of({"output": [float("nan"), "\ud800", 10**5000, nested]})
    assert result.model_dump_json()  # which fails beyond 255 levels, and with half a character
    assert result.structured_content
    assert result.structured_content["output"][:3] == ["nan", "\N{REPLACEMENT CHARACTER}", "1" + "0" * 5000]


def test_fields_are_described_whatever_stands_in_their_places() -> None:
    assert input_fields(None) == []
    assert input_fields({"properties": [1], "required": 5}) == []
    fields = input_fields({"properties": {"a": 5, "b": {"enum": ["x" * 1_000], "description": "y" * 1_000}}})
    assert fields[0] == {"name": "a", "required": False}
    assert fields[1]["enum"] == "…"
    assert len(fields[1]["description"]) < 500


def test_recursive_schema_is_shown_but_not_followed() -> None:
    assert shown(TREE) == TREE
    assert shown(["type"]) is None
    assert has_references(TREE)
    assert validator_of(TREE) is None


PICTURE = b"\x89PNG" + bytes(100)


def addresses(count: int) -> list[str]:
    return [f"https://store.example/{number}.png" for number in range(count)]


class TestImages:
    """A model chooses the addresses that its output holds."""

    async def test_only_so_many_addresses_are_asked(self) -> None:
        host = Script(forever=httpx.Response(404))
        async with client_of(host) as client:
            assert await images_of(client, addresses(1000)) == []
        assert len(host.requests) == MOST_FETCHED

    async def test_host_that_never_answers_takes_only_so_long_and_costs_no_other_image(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_results, "LONGEST_FETCH", 0.3)
        host = Script(httpx.Response(200, content=PICTURE), forever=never)
        with anyio.fail_after(PATIENCE):
            async with client_of(host) as client:
                assert len(await images_of(client, addresses(4))) == 1

    @pytest.mark.parametrize("stated", [True, False])
    async def test_image_that_is_too_large_is_not_read_to_its_end(self, stated: bool) -> None:
        sent = 0

        async def body() -> AsyncIterator[bytes]:
            nonlocal sent
            while True:
                sent += 65_536
                await anyio.lowlevel.checkpoint()
                yield bytes(65_536)

        headers = {"content-length": str(10**9)} if stated else {}
        host = Script(forever=lambda _: httpx.Response(200, headers=headers, content=body()))
        async with client_of(host) as client:
            assert await images_of(client, addresses(1)) == []
        assert sent < 5 * LARGEST_IMAGE
        assert len(host.requests) == 1

    async def test_token_goes_nowhere_and_no_redirect_leads_from_https_to_http(self) -> None:
        host = Script(
            httpx.Response(302, headers={"location": "http://169.254.169.254/1.png"}),
            httpx.Response(302, headers={"location": "https://elsewhere.example/2.png"}),
            httpx.Response(200, content=PICTURE),
        )
        async with client_of(host) as client:
            assert len(await images_of(client, addresses(2))) == 1
        assert [request.url.host for request in host.requests] == [
            "store.example",
            "store.example",
            "elsewhere.example",
        ]
        assert not any(TOKEN in str(request.headers.raw) for request in host.requests)

    async def test_what_is_no_image_is_not_shown_whatever_its_address_says(self) -> None:
        host = Script(forever=httpx.Response(200, content=b"the secrets of another server"))
        async with client_of(host) as client:
            assert await images_of(client, addresses(1)) == []
