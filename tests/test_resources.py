"""What each call of the plain resources sends, and what it makes of the answer."""

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.support.clients import Script, Spelling
from wriftai_anyio import (
    APIResponseError,
    APIStatusError,
    ModelsSortBy,
    ModelVisibility,
    NotFoundError,
    SortDirection,
    UsersSortBy,
)

MODEL = {"id": "m1", "name": "echo", "visibility": "public", "newer_field": {"kept": True}}
VERSION = {"number": 3, "release_notes": "first", "newer_field": 1}
CONFIGURATION = {"hardware_identifier": "cpu", "variable_names": ["a"]}
USER = {"account_id": "u1", "name": "lewis", "newer_field": None}
VARIABLE = {"name": "v", "key": "V", "value": "", "secret": True}
HARDWARE = {"name": "CPU", "identifier": "cpu", "gpus": 0}
CATEGORY = {"name": "Text", "slug": "text", "description": "words"}

CREATED_VERSION = {
    "release_notes": "first",
    "schemas": {"prediction": {"input": {"type": "object"}, "output": {}}},
    "container_image_digest": "sha256:0",
}


@dataclass(frozen=True)
class Call:
    """A call, the request that it sends, and the answer that it gets."""

    method: str
    args: tuple[Any, ...]
    request: str
    answer: Any = None
    body: Any = None
    query: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    @property
    def resource(self) -> str:
        return self.method.partition(".")[0]

    @property
    def name(self) -> str:
        return self.method.partition(".")[2]

    def __str__(self) -> str:
        return f"{self.method}{self.args}"[:60]


def page(*items: object) -> dict[str, object]:
    return {"items": list(items), "next_cursor": None, "previous_cursor": None}


GETS = [
    Call("models.get", ("lewis/echo",), "GET /models/lewis/echo", MODEL),
    Call("model_versions.get", ("lewis/echo:3",), "GET /models/lewis/echo/versions/3", VERSION),
    Call(
        "model_versions.get_configuration",
        ("lewis/echo:3",),
        "GET /models/lewis/echo/versions/3/configuration",
        CONFIGURATION,
    ),
    Call("users.get", ("lewis",), "GET /users/lewis", USER),
    Call("authenticated_user.get", (), "GET /user", USER),
]
CHANGES = [
    Call("models.create", ({"name": "echo"},), "POST /models", MODEL, {"name": "echo"}),
    Call("models.update", ("lewis/echo", {"overview": None}), "PATCH /models/lewis/echo", MODEL, {"overview": None}),
    Call("model_versions.create", ("a/b", CREATED_VERSION), "POST /models/a/b/versions", VERSION, CREATED_VERSION),
    Call(
        "model_versions.update_configuration",
        ("a/b:1", {"variable_names": []}),
        "PATCH /models/a/b/versions/1/configuration",
        CONFIGURATION,
        {"variable_names": []},
    ),
    Call("authenticated_user.update", ({"bio": "ü"},), "PATCH /user", USER, {"bio": "ü"}),
    Call("variables.create", (VARIABLE,), "POST /variables", VARIABLE, VARIABLE),
    Call("variables.update", ("v", {"value": "x"}), "PATCH /variables/v", VARIABLE, {"value": "x"}),
]
DELETES = [
    Call("models.delete", ("lewis/echo",), "DELETE /models/lewis/echo"),
    Call("model_versions.delete", ("lewis/echo:3",), "DELETE /models/lewis/echo/versions/3"),
    Call("variables.delete", ("v",), "DELETE /variables/v"),
]
SORTED_MODELS = {
    "page_size": 5,
    "sort_by": ModelsSortBy.PREDICTIONS_COUNT,
    "sort_direction": SortDirection.DESC,
    "category_slugs": ["text", "image"],
}
SORTED_MODELS_QUERY = [
    ("page_size", "5"),
    ("sort_by", "predictions_count"),
    ("sort_direction", "desc"),
    ("category_slugs", "text"),
    ("category_slugs", "image"),
]
SORTED_USERS = {"sort_by": UsersSortBy.CREATED_AT, "sort_direction": SortDirection.ASC}
LISTS = [
    Call("models.list", (), "GET /models", MODEL),
    Call("models.list", (SORTED_MODELS,), "GET /models", MODEL, query=SORTED_MODELS_QUERY),
    Call("models.list", (None, "lewis"), "GET /models/lewis", MODEL),
    Call(
        "models.search",
        ("a b&c", {"cursor": "x"}),
        "GET /search/models",
        MODEL,
        query=[("cursor", "x"), ("q", "a b&c")],
    ),
    Call("model_versions.list", ("lewis/echo",), "GET /models/lewis/echo/versions", VERSION),
    Call("hardware.list", (), "GET /hardware", HARDWARE),
    Call(
        "users.list", (SORTED_USERS,), "GET /users", USER, query=[("sort_by", "created_at"), ("sort_direction", "asc")]
    ),
    Call("users.search", ("lew",), "GET /search/users", USER, query=[("q", "lew")]),
    Call("authenticated_user.models", (), "GET /user/models", MODEL),
    Call("variables.list", ({"page_size": 9},), "GET /variables", VARIABLE, query=[("page_size", "9")]),
    Call("model_categories.list", (), "GET /model_categories", CATEGORY),
]
ITERATIONS = {"list": "iterate", "search": "iterate_search", "models": "iterate_models"}


def run(spelling: Spelling, call: Call, script: Script, name: str | None = None) -> Any:
    return spelling.call(getattr(spelling.client(script), call.resource), name or call.name, *call.args)


def request_of(script: Script) -> tuple[str, list[tuple[str, str]]]:
    [request] = script.requests
    return script.paths[0], request.url.params.multi_items()


@pytest.mark.parametrize("call", [*GETS, *CHANGES], ids=str)
def test_a_call_sends_its_request_and_returns_the_answer_with_all_its_fields(spelling: Spelling, call: Call) -> None:
    script = Script(httpx.Response(200, json=call.answer))
    assert run(spelling, call, script) == call.answer
    assert request_of(script) == (call.request, [])
    assert script.bodies == [b"" if call.body is None else httpx.Request("POST", "http://x", json=call.body).content]


@pytest.mark.parametrize(
    "answer", [httpx.Response(204), httpx.Response(200, json={"deleted": True})], ids=["empty", "JSON"]
)
@pytest.mark.parametrize("call", DELETES, ids=str)
def test_a_delete_returns_nothing_whatever_the_answer_holds(
    spelling: Spelling, call: Call, answer: httpx.Response
) -> None:
    script = Script(answer)
    assert run(spelling, call, script) is None
    assert request_of(script) == (call.request, [])


@pytest.mark.parametrize("call", LISTS, ids=str)
def test_a_list_sends_its_options_and_returns_a_page(spelling: Spelling, call: Call) -> None:
    script = Script(httpx.Response(200, json={**page(call.answer), "next_cursor": "n"}))
    found = run(spelling, call, script)
    assert (found.items, found.next_cursor, found.previous_cursor) == ([call.answer], "n", None)
    assert request_of(script) == (call.request, call.query)


@pytest.mark.parametrize("call", LISTS, ids=str)
def test_beside_each_list_there_is_an_iteration_over_all_its_pages(spelling: Spelling, call: Call) -> None:
    first = httpx.Response(200, json={**page(call.answer), "next_cursor": "n"})
    script = Script(first, httpx.Response(200, json=page(call.answer)))
    assert run(spelling, call, script, ITERATIONS[call.name]) == [call.answer, call.answer]
    assert script.paths == [call.request] * 2
    queries = [request.url.params.multi_items() for request in script.requests]
    assert sorted(queries[1]) == sorted([*(each for each in call.query if each[0] != "cursor"), ("cursor", "n")])


@pytest.mark.parametrize("call", [*GETS, *CHANGES, *LISTS], ids=str)
def test_answers_of_another_shape_are_errors(call: Call) -> None:
    wrong_ones: list[object] = [{}, [], "text", None, {"items": [{}]}]
    for wrong in wrong_ones:
        with pytest.raises(APIResponseError):
            run(Spelling("async-asyncio"), call, Script(httpx.Response(200, json=wrong)))


@pytest.mark.parametrize("call", [*GETS, *CHANGES, *DELETES, *LISTS], ids=str)
def test_a_refusal_is_the_error_of_its_status(call: Call) -> None:
    with pytest.raises(NotFoundError, match="no such thing"):
        run(Spelling("async-trio"), call, Script(httpx.Response(404, json={"message": "no such thing"})))


@pytest.mark.parametrize("call", CHANGES, ids=str)
def test_a_change_is_not_sent_again_when_the_server_fails(call: Call) -> None:
    script = Script(httpx.Response(500))
    with pytest.raises(APIStatusError):
        run(Spelling("async-asyncio"), call, script)
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    "call", [each for each in [*GETS, *CHANGES, *DELETES, *LISTS] if "lewis/echo" in str(each)], ids=str
)
def test_wrong_identifiers_are_refused_before_anything_is_sent(call: Call) -> None:
    script = Script()
    for identifier in ("", "o", "o/", "/n", "o/n:", "o/n:x", "a/b/c", "../b", "o/n\r\n", 7, None):
        changed = Call(call.method, (identifier, *call.args[1:]), call.request)
        with pytest.raises(ValueError, match="identifier"):
            run(Spelling("async-asyncio"), changed, script)
    assert script.requests == []


@pytest.mark.parametrize(
    "call",
    [
        Call("models.get", ("a/b:1",), ""),
        Call("models.delete", ("a/b:1",), ""),
        Call("model_versions.list", ("a/b:1",), ""),
        Call("model_versions.get", ("a/b",), ""),
        Call("model_versions.delete", ("a/b",), ""),
    ],
    ids=str,
)
def test_an_identifier_with_or_without_its_version_is_not_taken_for_the_other(call: Call) -> None:
    with pytest.raises(ValueError, match="identifier must be"):
        run(Spelling("async-asyncio"), call, Script())


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (Call("users.get", ("../models",), ""), "/v1/users/..%2Fmodels"),
        (Call("variables.delete", ("x?y=1",), ""), "/v1/variables/x%3Fy%3D1"),
        (Call("models.get", ("o/n#m",), ""), "/v1/models/o/n%23m"),
        (Call("models.list", (None, "a/b"), ""), "/v1/models/a%2Fb"),
    ],
    ids=str,
)
def test_a_name_stays_one_segment_of_the_path(call: Call, path: str) -> None:
    script = Script(httpx.Response(404))
    with pytest.raises(NotFoundError):
        run(Spelling("async-asyncio"), call, script)
    assert script.requests[0].url.raw_path.decode() == path


@pytest.mark.parametrize("call", CHANGES, ids=str)
@pytest.mark.parametrize("wrong", [None, "text", [("name", "x")]])
def test_params_that_are_no_mapping_are_refused_before_anything_is_sent(call: Call, wrong: object) -> None:
    script = Script()
    with pytest.raises(ValueError, match="must be a mapping"):
        run(Spelling("async-asyncio"), Call(call.method, (*call.args[:-1], wrong), ""), script)
    assert script.requests == []


@pytest.mark.parametrize(("told", "kind"), [("private", ModelVisibility), ("invite-only", str)])
def test_a_visibility_is_a_member_if_it_is_known_and_the_text_that_it_is_otherwise(
    spelling: Spelling, told: str, kind: type
) -> None:
    script = Script(httpx.Response(200, json={**MODEL, "visibility": told}))
    visibility = spelling.call(spelling.client(script).models, "get", "lewis/echo")["visibility"]
    assert visibility == told
    assert type(visibility) is kind


def test_a_model_without_a_visibility_stays_without(spelling: Spelling) -> None:
    script = Script(httpx.Response(200, json=page({"id": "1"}, {"id": "2", "visibility": None})))
    found = spelling.call(spelling.client(script).models, "list")
    assert found.items == [{"id": "1"}, {"id": "2", "visibility": None}]
