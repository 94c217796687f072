"""The page for people: what it shows, what it does, and that nothing of it can be abused."""

import threading
from typing import Any

import httpx
import pytest

from tests.support.patience import PATIENCE
from wriftai_anyio.sandbox import RateLimits, Sandbox

from .helpers import Connect, Create, poll

SCRIPT = "<script>alert(1)</script>"


def origin(sandbox: Sandbox) -> str:
    return sandbox.base_url.removesuffix("/v1")


def state(sandbox: Sandbox, http: httpx.Client) -> Any:
    answer = http.get(f"{origin(sandbox)}/inspect/state")
    assert answer.status_code == 200
    return answer.json()


def blocked(sandbox: Sandbox, http: httpx.Client) -> tuple[str, threading.Event]:
    """Creates a prediction that runs until its event is set."""
    release = threading.Event()
    sandbox.models["me/blocked"] = lambda _given: release.wait(PATIENCE)
    created = http.post("/predictions", json={"model": "me/blocked", "input": SCRIPT}).json()
    poll(http, created["id"], "started")
    return created["id"], release


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css"])
def test_page_loads_nothing_from_elsewhere_and_has_no_secret(sandbox: Sandbox, anyone: httpx.Client, path: str) -> None:
    answer = anyone.get(origin(sandbox) + path)
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "//" not in answer.text.replace("// ", "").replace("://", "//x") or "http" not in answer.text
    assert sandbox.access_token not in answer.text
    assert "innerHTML" not in answer.text


@pytest.mark.parametrize(("method", "path"), [("GET", "state"), ("POST", "faults"), ("POST", "predictions/1")])
def test_what_it_asks_for_wants_the_token(sandbox: Sandbox, anyone: httpx.Client, method: str, path: str) -> None:
    wrong = {"authorization": "Bearer wrong"}
    for headers in ({}, wrong):
        assert anyone.request(method, f"{origin(sandbox)}/inspect/{path}", headers=headers).status_code == 401
    assert anyone.get(f"{origin(sandbox)}/inspect/state", headers={"host": "evil.example"}).status_code == 421


def test_state_shows_predictions_and_requests_newest_first(
    sandbox: Sandbox, http: httpx.Client, create: Create
) -> None:
    create("sandbox/echo", "first", wait=True)
    create("sandbox/fail", {"message": "it broke"}, wait=True)
    shown = state(sandbox, http)
    assert [(one["status"], one["input"], one["result"]) for one in shown["predictions"]] == [
        ("failed", '{"message": "it broke"}', "it broke"),
        ("succeeded", "first", "first"),
    ]
    assert [(one["method"], one["target"], one["status"]) for one in shown["requests"]] == [
        ("POST", "/v1/predictions", 201)
    ] * 2
    assert all(one["seconds"] >= 0 for one in shown["requests"])


def test_page_itself_is_neither_recorded_nor_limited_nor_made_to_fail(connect: Connect) -> None:
    with Sandbox(rate_limits=RateLimits(creates=1, others=1)) as sandbox:
        http = connect(sandbox)
        sandbox.fail_next(500)
        for _ in range(5):
            assert state(sandbox, http)["planned"] == "500 (1 times, any method, any path)"
        assert sandbox.requests == []
        assert "creates: 1 of 1 a second left, all else: 1 of 1" in state(sandbox, http)["limits"]


def test_request_that_comes_again_after_a_failure_counts_as_its_next_attempt(
    sandbox: Sandbox, http: httpx.Client
) -> None:
    sandbox.fail_next(503, times=2)
    for _ in range(4):
        http.get("/predictions")
    shown = state(sandbox, http)["requests"]
    assert [(one["attempt"], one["status"]) for one in shown] == [(1, 200), (3, 200), (2, 503), (1, 503)]


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
def test_prediction_ends_as_a_person_chooses(sandbox: Sandbox, http: httpx.Client, status: str) -> None:
    prediction_id, release = blocked(sandbox, http)
    url = f"{origin(sandbox)}/inspect/predictions/{prediction_id}"
    assert http.post(url, json={"status": status}).status_code == 200
    ended = poll(http, prediction_id, status)
    assert (ended["error"] is not None) == (status == "failed")
    http.post(url, json={"status": "failed"})
    assert poll(http, prediction_id, status)["status"] == status
    release.set()


def test_next_requests_go_wrong_as_a_person_chooses(sandbox: Sandbox, http: httpx.Client) -> None:
    fault = {"kind": "503", "times": "2", "method": "GET", "path": "/predictions"}
    assert http.post(f"{origin(sandbox)}/inspect/faults", json=fault).status_code == 200
    assert [http.get("/predictions").status_code for _ in range(3)] == [503, 503, 200]


@pytest.mark.parametrize(
    "fault",
    [{"kind": "9", "times": "1"}, {"kind": "nonsense", "times": "1"}, {"kind": "503", "times": "0"}, {"kind": "503"}],
)
def test_fault_that_cannot_be_is_refused(sandbox: Sandbox, http: httpx.Client, fault: dict[str, str]) -> None:
    assert http.post(f"{origin(sandbox)}/inspect/faults", json=fault).status_code in {400, 422}
    assert state(sandbox, http)["planned"] == ""


def test_long_values_are_cut(sandbox: Sandbox, http: httpx.Client, create: Create) -> None:
    create("sandbox/echo", "x" * 10_000, wait=True)
    (shown,) = state(sandbox, http)["predictions"]
    assert len(shown["input"]) == len(shown["result"]) == 301


def test_address_of_the_page_carries_the_token_where_browsers_do_not_send_it(sandbox: Sandbox) -> None:
    assert sandbox.page_url == f"{origin(sandbox)}/#{sandbox.access_token}"
