import re
import sys
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from tests.support.patience import PATIENCE
from wriftai_anyio.sandbox import Model, Sandbox

from .helpers import Connect, Create, poll


def test_a_create_is_answered_at_once_with_a_location_that_leads_to_it(http: httpx.Client) -> None:
    answer = http.post("/predictions", json={"model": "sandbox/sleep", "input": {"seconds": 60}})
    assert answer.status_code == 201
    assert answer.json()["status"] in {"pending", "starting", "started"}
    assert http.get(answer.headers["location"].removeprefix("/v1")).json()["id"] == answer.json()["id"]


def test_a_prediction_passes_through_the_statuses_and_ends_with_durations(connect: Connect) -> None:
    seen: list[str] = []
    with Sandbox(setup_time=0.1) as sandbox:
        http = connect(sandbox)
        body = {"model": "sandbox/sleep", "input": {"seconds": 0.05}}
        prediction = http.post("/predictions", json=body).json()
        assert prediction["setup_time"] is None
        while not seen or seen[-1] != "succeeded":
            prediction = http.get(f"/predictions/{prediction['id']}").json()
            if prediction["status"] not in seen:
                seen.append(prediction["status"])
    assert seen == ["pending", "starting", "started", "succeeded"]
    assert re.fullmatch(r"PT0\.[12]\d*S", prediction["setup_time"])
    assert re.fullmatch(r"PT0\.[0-4]\d*S", prediction["execution_time"])
    assert prediction["output"] == {"slept": 0.05}


NO_TEXT = 'The input has no field \'text\', which this model needs: {"text": "to be"}.'


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        (
            "word-count",
            {"txt": 1},
            f"{NO_TEXT} It has 'txt'.",
        ),
        ("word-count", {}, 'The input has no field \'text\', which this model needs: {"text": "to be"}. It is empty.'),
        ("word-count", {"text": 1}, "The field 'text' must be a string, and is 1."),
        ("word-count", "to be", 'The input must be an object such as {"text": "to be"}, and is \'to be\'.'),
        ("sleep", {}, "The input has no field 'seconds', which this model needs: {\"seconds\": 1.5}. It is empty."),
        ("sleep", {"seconds": "1"}, "The field 'seconds' must be a number from 0, and is '1'."),
        ("sleep", {"seconds": -1}, "The field 'seconds' must be a number from 0, and is -1."),
        ("fail", "x", "told to fail"),
    ],
)
def test_a_model_says_what_is_wrong_with_an_input(create: Create, model: str, given: object, message: str) -> None:
    prediction = create(f"sandbox/{model}", given, wait=True)
    assert prediction["status"] == "failed"
    assert prediction["error"]["message"] == message


def test_a_key_error_of_a_model_is_named(connect: Connect) -> None:
    with Sandbox({"me/reads": lambda given: given["text"]}) as sandbox:
        body = {"model": "me/reads", "input": {}}
        prediction = connect(sandbox).post("/predictions", json=body, headers={"prefer": "wait"}).json()
    assert prediction["error"]["message"] == "KeyError: 'text'"


def test_a_wait_is_held_until_the_end(create: Create) -> None:
    prediction = create("sandbox/echo", {"greeting": "salüt \u2028 😀"}, wait=True)
    assert prediction["status"] == "succeeded"
    assert prediction["output"] == {"greeting": "salüt \u2028 😀"}
    assert prediction["model"] == {"owner": "sandbox", "name": "echo", "version_number": 1}


@pytest.mark.parametrize("prefer", ["wait=0.01", "respond-async, wait = 0.01"])
def test_a_hold_ends_after_the_seconds_asked(http: httpx.Client, prefer: str) -> None:
    body = {"model": "sandbox/sleep", "input": {"seconds": 60}}
    answer = http.post("/predictions", json=body, headers={"prefer": prefer})
    assert answer.json()["status"] == "started"


def test_a_hold_ends_after_the_servers_own_maximum(connect: Connect) -> None:
    with Sandbox(setup_time=0, max_hold=0.01) as sandbox:
        body = {"model": "sandbox/sleep", "input": {"seconds": 60}}
        answer = connect(sandbox).post("/predictions", json=body, headers={"prefer": "wait=60"})
    assert answer.json()["status"] == "started"


def test_a_deployment_may_not_hold(connect: Connect) -> None:
    with Sandbox(hold=False) as sandbox:
        body = {"model": "sandbox/sleep", "input": {"seconds": 60}}
        answer = connect(sandbox).post("/predictions", json=body, headers={"prefer": "wait"})
    assert answer.json()["status"] == "pending"


def test_the_time_scale_makes_a_models_time_pass_faster(connect: Connect) -> None:
    with Sandbox(time_scale=1000, setup_time=10, max_hold=10_000) as sandbox:
        body = {"model": "sandbox/sleep", "input": {"seconds": 30}}
        answer = connect(sandbox).post("/predictions", json=body, headers={"prefer": "wait=30"})
    assert answer.json()["status"] == "succeeded"


def test_a_lone_surrogate_survives(http: httpx.Client) -> None:
    content = rb'{"model": "sandbox/echo", "input": "\ud83d"}'
    answer = http.post("/predictions", content=content, headers={"prefer": "wait"})
    assert answer.json()["output"] == "\ud83d"


def test_words_are_counted(create: Create) -> None:
    prediction = create("sandbox/word-count", {"text": "The cat's the cat, isn't it? It is."}, wait=True)
    counts = {"the": 2, "it": 2, "cat's": 1, "cat": 1, "isn't": 1, "is": 1}
    assert prediction["output"] == counts


def test_a_failure_has_a_message_and_a_detail(create: Create) -> None:
    prediction = create("sandbox/fail", {"message": "no luck", "detail": [1, 2]}, wait=True)
    assert prediction["status"] == "failed"
    assert prediction["error"] == {"source": "external", "message": "no luck", "detail": [1, 2]}
    assert prediction["output"] is None


def test_functions_run_in_threads_and_coroutine_functions_on_the_loop(sandbox: Sandbox, create: Create) -> None:
    async def reverse(given: dict[str, str]) -> str:
        await anyio.lowlevel.checkpoint()
        return given["text"][::-1]

    sandbox.models["me/upper"] = lambda given: [given["text"].upper(), threading.current_thread().name]
    sandbox.models["me/reverse"] = reverse
    upper, thread = create("me/upper", {"text": "drawer"}, wait=True)["output"]
    assert upper == "DRAWER"
    assert thread not in {"wriftai-sandbox", threading.current_thread().name}
    assert create("me/reverse:1", {"text": "drawer"}, wait=True)["output"] == "reward"


@pytest.mark.parametrize("output", [object(), float("nan")])
def test_an_output_that_is_no_json_is_a_failure(sandbox: Sandbox, create: Create, output: object) -> None:
    sandbox.models["me/odd"] = lambda _given: output
    assert create("me/odd", {}, wait=True)["status"] == "failed"


def test_what_a_function_raises_is_its_predictions_error(sandbox: Sandbox, create: Create) -> None:
    sandbox.models["me/divide"] = lambda given: 1 / given["by"]
    error = create("me/divide", {"by": 0}, wait=True)["error"]
    assert error == {
        "source": "external",
        "message": "division by zero",
        "detail": {"type": "ZeroDivisionError"},
    }


def test_a_function_that_exits_ends_only_its_prediction(sandbox: Sandbox, create: Create) -> None:
    async def leave(_given: object) -> None:
        sys.exit("bye")

    sandbox.models["me/leave"] = leave
    sandbox.models["me/exit"] = lambda _given: sys.exit("bye")
    for model in ("me/leave", "me/exit"):
        assert create(model, {}, wait=True)["error"]["message"] == "bye"


def test_a_function_may_change_its_input_without_a_trace(sandbox: Sandbox, create: Create) -> None:
    sandbox.models["me/pop"] = lambda given: given.pop("text")
    prediction = create("me/pop", {"text": "x"}, wait=True)
    assert (prediction["input"], prediction["output"]) == ({"text": "x"}, "x")


def test_a_cancel_takes_effect_a_little_later(connect: Connect) -> None:
    with Sandbox(setup_time=0, cancel_time=0.5) as sandbox:
        http = connect(sandbox)
        body = {"model": "sandbox/sleep", "input": {"seconds": 60}}
        url = f"/predictions/{http.post('/predictions', json=body).json()['id']}"
        for _ in range(2):
            answer = http.post(f"{url}/cancel")
            assert (answer.status_code, answer.json()) == (202, None)
        assert http.get(url).json()["status"] == "started"
        assert poll(http, url.rsplit("/", 1)[1], "cancelled")["output"] is None
        answer = http.post(f"{url}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_a_prediction_in_a_blocked_thread_can_be_cancelled(
    sandbox: Sandbox, http: httpx.Client, create: Create
) -> None:
    release = threading.Event()
    sandbox.models["me/block"] = lambda _given: release.wait(PATIENCE)
    try:
        prediction_id = create("me/block", {})["id"]
        poll(http, prediction_id, "started")
        http.post(f"/predictions/{prediction_id}/cancel")
        assert poll(http, prediction_id, "cancelled")["error"] is None
    finally:
        release.set()


SCHEMA = {
    "type": "object",
    "required": ["text"],
    "properties": {"sizes": {"type": "array", "items": {"type": "integer"}}},
}


def test_input_is_validated_where_that_is_asked(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.models["me/strict"] = Model(lambda given: given, input_schema=SCHEMA)
    body = {"model": "me/strict", "input": {"sizes": [1, "two"]}}
    answer = http.post("/predictions", json=body, headers={"validate-input": "true"})
    assert answer.status_code == 422
    locations = [entry["loc"] for entry in answer.json()["detail"]]
    assert sorted(locations, key=len) == [["body", "input"], ["body", "input", "sizes", 1]]
    assert {entry["type"] for entry in answer.json()["detail"]} == {"required", "type"}
    assert sandbox.predictions == []
    for headers in ({"validate-input": "false"}, {}):
        assert http.post("/predictions", json=body, headers=headers).status_code == 201


def test_a_schema_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="JSON Schema"):
        Model(lambda given: given, input_schema={"type": "strong"})


@pytest.mark.parametrize("name", ["upper", "me/", "/upper", "me/upper:1", "a/b/c"])
def test_a_wrong_model_name_is_refused_at_once(name: str) -> None:
    with pytest.raises(ValueError, match="owner/name"):
        Sandbox(models={name: lambda given: given})


@pytest.mark.parametrize("model", ["sandbox/nothing", "sandbox/echo:2", "sandbox/echo:0"])
def test_an_unknown_model_is_not_found(http: httpx.Client, model: str) -> None:
    answer = http.post("/predictions", json={"model": model, "input": {}})
    assert (answer.status_code, answer.json()["message"]) == (404, "model not found")


@pytest.mark.parametrize(
    ("body", "location"),
    [
        (b"{", ["body"]),
        (b'{"model": "sandbox/echo", "input": NaN}', ["body"]),
        (b"\xff", ["body"]),
        pytest.param(b"[" * 100_000, ["body"], id="nested too deep"),
        (b"[]", ["body"]),
        (b'{"input": {}}', ["body"]),
        (b'{"model": 3, "input": {}}', ["body", "model"]),
        (b'{"model": "echo", "input": {}}', ["body", "model"]),
        (b'{"model": "sandbox/echo", "input": 1, "webhook": {"url": 2}}', ["body", "webhook", "url"]),
    ],
)
def test_a_wrong_body_is_refused_with_the_place(http: httpx.Client, body: bytes, location: list[str]) -> None:
    answer = http.post("/predictions", content=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == location


def test_an_id_that_is_no_uuid_is_invalid_and_an_unknown_one_not_found(http: httpx.Client) -> None:
    for method, suffix in (("GET", ""), ("POST", "/cancel")):
        answer = http.request(method, f"/predictions/42{suffix}")
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["path", "prediction_id"]
        assert http.request(method, f"/predictions/{uuid.uuid4()}{suffix}").status_code == 404


def pages(http: httpx.Client, cursor_name: str, cursor: str | None, **query: Any) -> Iterator[Any]:
    while True:
        params = {"page_size": 5, **query} if cursor is None else {"page_size": 5, "cursor": cursor, **query}
        page = http.get("/predictions", params=params).json()
        yield page
        cursor = page[cursor_name]
        if cursor is None:
            return


def test_pages_lead_through_all_newest_first_and_back(http: httpx.Client, create: Create) -> None:
    created = [create("sandbox/echo", {}, wait=True)["id"] for _ in range(12)]
    forwards = list(pages(http, "next_cursor", None))
    assert [item["id"] for page in forwards for item in page["items"]] == created[::-1]
    assert [len(page["items"]) for page in forwards] == [5, 5, 2]
    assert forwards[0]["previous_cursor"] is None
    backwards = list(pages(http, "previous_cursor", forwards[-1]["previous_cursor"]))
    assert [item["id"] for page in reversed(backwards) for item in page["items"]] == created[:1:-1]


def test_the_last_page_leads_nowhere_even_where_it_is_full(http: httpx.Client, create: Create) -> None:
    for _ in range(10):
        create("sandbox/echo", {})
    assert [len(page["items"]) for page in pages(http, "next_cursor", None)] == [5, 5]


def test_a_cursor_stays_right_while_predictions_come_and_end(
    sandbox: Sandbox, http: httpx.Client, create: Create
) -> None:
    created = [create("sandbox/sleep", {"seconds": 60})["id"] for _ in range(10)]
    first, *_ = pages(http, "next_cursor", None, statuses=["pending", "starting", "started"])
    create("sandbox/sleep", {"seconds": 60})
    last_of_page = first["items"][-1]["id"]
    http.post(f"/predictions/{last_of_page}/cancel")
    poll(http, last_of_page, "cancelled")
    query = {"statuses": ["pending", "starting", "started"], "cursor": first["next_cursor"]}
    second = http.get("/predictions", params=query).json()
    assert [item["id"] for item in second["items"]] == created[4::-1]


def test_a_page_has_no_details_and_can_be_narrowed_by_status(http: httpx.Client, create: Create) -> None:
    create("sandbox/echo", {}, wait=True)
    failed = create("sandbox/fail", {}, wait=True)
    create("sandbox/sleep", {"seconds": 60})
    (item,) = http.get("/predictions", params={"statuses": ["failed", "cancelled"]}).json()["items"]
    assert item["id"] == failed["id"]
    assert {"input", "output", "error"}.isdisjoint(item)


@pytest.mark.parametrize(
    ("name", "value"),
    [("page_size", "4"), ("page_size", "51"), ("page_size", "x"), ("cursor", "x"), ("statuses", "lost")],
)
def test_a_wrong_query_is_refused_with_its_name(http: httpx.Client, name: str, value: str) -> None:
    answer = http.get("/predictions", params={name: value})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", name]
