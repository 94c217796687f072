import socket
import time

import httpx
import pytest

from tests.support.patience import until
from wriftai_anyio.sandbox import FaultKind, Sandbox

BODY = {"model": "sandbox/echo", "input": {}}


def post(http: httpx.Client) -> httpx.Response:
    return http.post("/predictions", json=BODY)


def test_a_status_is_answered_and_nothing_done(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.fail_next(503, headers={"Retry-After": "1"})
    answer = post(http)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["code"] == "sandbox_fault"
    assert sandbox.predictions == []
    assert post(http).status_code == 201


def test_a_status_may_have_a_body_of_its_own(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.fail_next(502, body="<h1>Bad gateway</h1>", headers={"Content-Type": "text/html"})
    sandbox.fail_next(400, body={"detail": "no"})
    answer = post(http)
    assert (answer.text, answer.headers["content-type"]) == ("<h1>Bad gateway</h1>", "text/html")
    assert post(http).json() == {"detail": "no"}


@pytest.mark.parametrize(("kind", "done"), [("drop", 0), ("drop_after", 1)])
def test_a_connection_is_dropped_before_or_after_the_work(
    sandbox: Sandbox, http: httpx.Client, kind: FaultKind, done: int
) -> None:
    sandbox.fail_next(kind)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        post(http)
    assert len(sandbox.predictions) == done
    assert sandbox.requests[-1].status is None


def test_half_an_answer_is_the_head_and_half_of_the_body(sandbox: Sandbox, http: httpx.Client) -> None:
    whole = post(http).content
    sandbox.fail_next("half")
    with http.stream("POST", "/predictions", json=BODY) as answer:
        assert answer.status_code == 201
        with pytest.raises(httpx.RemoteProtocolError, match="received"):
            answer.read()
    assert answer.num_bytes_downloaded == len(whole) // 2
    assert len(sandbox.predictions) == 2


def test_a_fault_meets_the_request_that_arrives_first_though_its_client_leaves_before_its_body_is_read(
    sandbox: Sandbox, http: httpx.Client
) -> None:
    sandbox.fail_next(503)
    address = httpx.URL(sandbox.base_url)
    with socket.create_connection((address.host, address.port or 0), timeout=5) as leaver:
        head = f"POST {address.path}/predictions HTTP/1.1\r\nHost: {address.host}:{address.port}\r\n"
        authorization = f"Authorization: {http.headers['authorization']}\r\nContent-Length: 10\r\n\r\n"
        leaver.sendall((head + authorization).encode())
        until(lambda: len(sandbox.requests) == 1)
    assert post(http).status_code == 201


@pytest.mark.parametrize(("kind", "done"), [("stall", 0), ("stall_after", 1)])
def test_a_stalled_answer_never_comes(sandbox: Sandbox, http: httpx.Client, kind: FaultKind, done: int) -> None:
    sandbox.fail_next(kind)
    with pytest.raises(httpx.ReadTimeout):
        http.post("/predictions", json=BODY, timeout=0.05)
    until(lambda: sandbox.requests and len(sandbox.predictions) >= done)  # a busy machine may not be so far yet
    assert len(sandbox.predictions) == done


def test_wrong_answers_look_like_success(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.fail_next("html")
    sandbox.fail_next("garbage")
    sandbox.fail_next("shape")
    html, garbage, shape = post(http), post(http), post(http)
    assert [answer.status_code for answer in (html, garbage, shape)] == [200] * 3
    assert html.headers["content-type"] == "text/html"
    with pytest.raises(ValueError, match="Unterminated"):
        garbage.json()
    assert "id" not in shape.json()
    assert sandbox.predictions == []


def test_a_delay_only_makes_an_answer_late(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.fail_next("delay", delay=0.05)
    began = time.monotonic()
    assert post(http).status_code == 201
    assert time.monotonic() - began >= 0.05


def test_a_fault_waits_for_a_request_that_it_matches(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.fail_next(500, method="get", path="/predictions/*")
    sandbox.fail_next(501, path="/v1/predictions", times=2)
    assert [post(http).status_code for _ in range(3)] == [501, 501, 201]
    assert http.get("/predictions").status_code == 200
    url = f"/predictions/{sandbox.predictions[0]['id']}"
    assert [http.get(url).status_code for _ in range(2)] == [500, 200]


def test_a_reset_forgets_faults(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.fail_next(500)
    sandbox.reset()
    assert post(http).status_code == 201


@pytest.mark.parametrize("kind", [99, 600])
def test_a_status_out_of_range_is_refused(sandbox: Sandbox, kind: int) -> None:
    with pytest.raises(ValueError, match="status"):
        sandbox.fail_next(kind)


def test_no_times_at_all_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="times"):
        sandbox.fail_next(500, times=0)
