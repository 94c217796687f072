import httpx
import pytest

from wriftai_anyio.sandbox import Sandbox

VARIABLE = {"name": "seed", "key": "SEED", "value": "7", "secret": False}


def test_a_secret_is_never_shown(http: httpx.Client) -> None:
    created = http.post("/variables", json={**VARIABLE, "secret": True})
    assert (created.status_code, created.json()["value"]) == (201, "")
    assert http.patch("/variables/seed", json={"value": "8"}).json()["value"] == ""
    assert http.get("/variables").json()["items"][0]["value"] == ""


def test_a_variable_keeps_its_name_and_shows_what_changed(http: httpx.Client) -> None:
    assert http.post("/variables", json=VARIABLE).json()["updated_at"] is None
    changed = http.patch("/variables/seed", json={"value": "8", "name": "other", "secret": True}).json()
    assert (changed["name"], changed["value"], changed["secret"]) == ("seed", "8", False)
    assert changed["updated_at"] is not None


def test_a_variable_is_there_once_until_it_is_deleted(http: httpx.Client) -> None:
    http.post("/variables", json=VARIABLE)
    assert http.post("/variables", json=VARIABLE).status_code == 409
    assert http.delete("/variables/seed").json() is None
    assert http.delete("/variables/seed").status_code == 404
    assert http.patch("/variables/seed", json={}).status_code == 404


@pytest.mark.parametrize("wrong", [{"name": "a b"}, {"key": ""}, {"value": None}, {"secret": "yes"}])
def test_a_wrong_variable_is_refused(http: httpx.Client, wrong: dict[str, object]) -> None:
    answer = http.post("/variables", json={**VARIABLE, **wrong})
    assert answer.json()["detail"][0]["loc"] == ["body", *wrong]


def test_a_user_who_takes_a_new_name_keeps_their_models(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.models["me/upper"] = lambda given: given
    account = http.get("/user").json()
    changed = http.patch("/user", json={"name": "myself", "urls": ["https://example.com"]}).json()
    assert (changed["name"], changed["account_id"]) == ("myself", account["account_id"])
    assert http.get("/users/me").status_code == 404
    assert http.get("/models/myself/upper").json()["owner"]["account_id"] == account["account_id"]
    assert "myself/upper" in sandbox.models
    sandbox.reset()
    assert http.get("/user").json()["name"] == "me"


def test_a_user_cannot_take_the_name_of_another(http: httpx.Client) -> None:
    assert http.patch("/user", json={"name": "sandbox"}).status_code == 409


@pytest.mark.parametrize("path", ["/users/ada", "/users", "/search/users?q=ada"])
def test_the_owner_of_a_registered_function_is_a_user(sandbox: Sandbox, http: httpx.Client, path: str) -> None:
    sandbox.models["ada/upper"] = lambda given: given
    assert '"ada"' in http.get(path).text


def test_urls_are_details(http: httpx.Client) -> None:
    assert "urls" in http.get("/users/me").json()
    assert "urls" not in http.get("/users").json()["items"][0]


@pytest.mark.parametrize("path", ["/users/nobody", "/models/nobody", "/models/me/nothing"])
def test_what_is_unknown_is_not_found(http: httpx.Client, path: str) -> None:
    assert (http.get(path).status_code, http.get(path).json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(("path", "field"), [("/hardware", "identifier"), ("/model_categories", "slug")])
def test_what_nobody_creates_comes_in_pages(http: httpx.Client, path: str, field: str) -> None:
    first = http.get(path, params={"page_size": 5}).json()
    second = http.get(path, params={"page_size": 5, "cursor": first["next_cursor"]}).json()
    seen = [item[field] for page in (first, second) for item in page["items"]]
    assert len(seen) == len(set(seen)) > 5


def test_sample_data_fills_every_resource_and_can_run(sandbox: Sandbox, http: httpx.Client) -> None:
    for _ in range(2):
        sandbox.fill()
    for path in ("/models", "/users", "/variables", "/predictions", "/search/models?q=text"):
        assert len(http.get(path).json()["items"]) > 5
    body = {"model": "ada/upper", "input": {"text": "hi"}}
    answer = http.post("/predictions", json=body, headers={"prefer": "wait"})
    assert answer.json()["output"] == "HI"
    sandbox.reset()
    assert http.get("/variables").json()["items"] == []
