from typing import Any

import httpx
import pytest

from wriftai_anyio.sandbox import Model, Sandbox

from .helpers import Connect, poll

SCHEMAS: dict[str, Any] = {"prediction": {"input": {"required": ["text"]}, "output": {}}}
VERSION = {"release_notes": "First.", "schemas": SCHEMAS, "container_image_digest": "sha256:0"}


@pytest.fixture
def model(http: httpx.Client) -> str:
    """Create a model through the API and return its path."""
    assert http.post("/models", json={"name": "fresh"}).status_code == 201
    return "/models/me/fresh"


def names(http: httpx.Client, path: str) -> list[str]:
    items = http.get(path, params={"page_size": 50}).json()["items"]
    return [f"{item['owner']['name']}/{item['name']}" for item in items]


def test_functions_that_are_registered_are_models(sandbox: Sandbox, http: httpx.Client) -> None:
    schema = {"type": "object", "required": ["text"]}
    sandbox.models["you/strict"] = Model(lambda given: given, input_schema=schema)
    shown = http.get("/models/you/strict").json()
    assert shown["owner"]["name"] == "you"
    assert shown["latest_version"]["number"] == 1
    assert shown["latest_version"]["schemas"]["prediction"]["input"] == schema
    assert names(http, "/models/you") == ["you/strict"]
    assert http.get("/users/you").status_code == 200
    del sandbox.models["you/strict"]
    assert http.get("/models/you/strict").status_code == 404


def test_a_function_registered_anew_has_its_new_schema(sandbox: Sandbox, http: httpx.Client) -> None:
    for required in (["text"], ["number"]):
        sandbox.models["me/strict"] = Model(lambda given: given, input_schema={"required": required})
        latest = http.get("/models/me/strict").json()["latest_version"]
        assert latest["number"] == 1
        assert latest["schemas"]["prediction"]["input"]["required"] == required


def test_predictions_are_counted_and_sorted_by(http: httpx.Client) -> None:
    for name in ("echo", "fail", "echo"):
        http.post("/predictions", json={"model": f"sandbox/{name}", "input": {}})
    by_count = {"sort_by": "predictions_count", "page_size": "5"}
    ascending = http.get("/models", params={**by_count, "sort_direction": "asc"}).json()["items"]
    assert [item["predictions_count"] for item in ascending] == [0, 0, 1, 2]
    descending = http.get("/models", params=by_count).json()["items"]
    assert descending == ascending[::-1]


@pytest.mark.parametrize("query", [{}, {"sort_direction": "asc"}, {"sort_by": "predictions_count"}])
def test_pages_of_models_lead_through_all(connect: Connect, query: dict[str, str]) -> None:
    with Sandbox(sample_data=True) as sandbox:
        http = connect(sandbox)
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = http.get("/models", params={**query, **cursor, "page_size": "20"}).json()
            seen += [item["id"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
    assert len(seen) == len(set(seen)) == len(sandbox.models)


def test_a_model_runs_once_it_has_a_version_and_a_function(sandbox: Sandbox, http: httpx.Client, model: str) -> None:
    def run() -> httpx.Response:
        return http.post("/predictions", json={"model": "me/fresh", "input": {"text": "hi"}})

    assert run().status_code == 404
    http.post(f"{model}/versions", json=VERSION)
    error = poll(http, run().json()["id"], "failed")["error"]
    assert error["source"] == "internal"
    sandbox.models["me/fresh"] = lambda given: given["text"]
    prediction = run().json()
    assert prediction["model"] == {"owner": "me", "name": "fresh", "version_number": 1}
    assert poll(http, prediction["id"], "succeeded")["output"] == "hi"


def test_each_version_validates_by_its_own_schema(http: httpx.Client, model: str) -> None:
    http.post(f"{model}/versions", json=VERSION)
    http.post(f"{model}/versions", json={**VERSION, "schemas": {"prediction": {"input": {}, "output": {}}}})
    validate = {"validate-input": "true"}
    for reference, status in (("me/fresh:1", 422), ("me/fresh:2", 201), ("me/fresh", 201)):
        body = {"model": reference, "input": {}}
        assert http.post("/predictions", json=body, headers=validate).status_code == status


def test_a_name_is_taken_once(http: httpx.Client, model: str) -> None:
    assert http.post("/models", json={"name": "fresh"}).status_code == 409
    http.post("/models", json={"name": "other"})
    assert http.patch("/models/me/other", json={"name": "fresh"}).status_code == 409


def test_a_model_that_is_renamed_or_deleted_takes_its_function_along(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.models["me/old"] = lambda given: given
    assert http.patch("/models/me/old", json={"name": "new"}).json()["name"] == "new"
    assert http.get("/models/me/old").status_code == 404
    assert "me/new" in sandbox.models
    assert http.delete("/models/me/new").json() is None
    assert "me/new" not in sandbox.models


def test_a_new_model_is_private_and_knows_its_owner(http: httpx.Client, model: str) -> None:
    shown = http.get(model).json()
    assert shown["visibility"] == "private"
    assert set(shown["owner"]) == {"account_id", "name", "avatar_url"}
    assert shown["updated_at"] is None
    assert http.patch(model, json={"overview": "# Fresh"}).json()["updated_at"] is not None
    assert "overview" not in http.get("/models/me").json()["items"][0]


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({}, ["body"]),
        ({"name": "a/b"}, ["body", "name"]),
        ({"name": "x", "visibility": "secret"}, ["body", "visibility"]),
        ({"name": "x", "category_slugs": ["text", "nonsense"]}, ["body", "category_slugs", 1]),
    ],
)
def test_a_wrong_model_is_refused(http: httpx.Client, body: object, location: list[object]) -> None:
    answer = http.post("/models", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == location


@pytest.mark.parametrize(
    ("change", "location"),
    [
        ({"schemas": {}}, ["schemas"]),
        ({"schemas": {"prediction": {"input": {"type": 3}, "output": {}}}}, ["schemas", "prediction", "input"]),
        ({"compatibilities": {"openai_responses": 1}}, ["compatibilities", "openai_responses"]),
        (
            {"configuration": {"hardware_identifier": "abacus", "variable_names": []}},
            ["configuration", "hardware_identifier"],
        ),
        (
            {"configuration": {"hardware_identifier": "t4", "variable_names": ["lost"]}},
            ["configuration", "variable_names", 0],
        ),
    ],
)
def test_a_wrong_version_is_refused(
    http: httpx.Client, model: str, change: dict[str, object], location: list[object]
) -> None:
    answer = http.post(f"{model}/versions", json={**VERSION, **change})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", *location]
    assert http.get(f"{model}/versions").json()["items"] == []


def test_the_number_of_a_deleted_version_is_not_used_again(http: httpx.Client, model: str) -> None:
    versions = f"{model}/versions"
    http.post(versions, json=VERSION)
    http.delete(f"{versions}/1")
    assert http.post(versions, json=VERSION).json()["number"] == 2
    assert http.get(f"{versions}/1").status_code == 404


@pytest.mark.parametrize("query", [{"sort_by": "name"}, {"sort_direction": "up"}])
def test_a_wrong_order_is_refused(http: httpx.Client, query: dict[str, str]) -> None:
    answer = http.get("/models", params=query)
    assert answer.json()["detail"][0]["loc"] == ["query", *query]


@pytest.mark.parametrize("what", ["models", "users"])
def test_a_search_needs_a_text(http: httpx.Client, what: str) -> None:
    answer = http.get(f"/search/{what}")
    assert answer.json()["detail"][0] == {"loc": ["query", "q"], "msg": "field required", "type": "missing"}
