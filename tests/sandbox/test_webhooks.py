import hashlib
import hmac
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.support.patience import AT_ONCE, PATIENCE, until
from wriftai_anyio.sandbox import Delivery, Sandbox

from .helpers import Connect


@dataclass
class Receiver:
    """A web server that takes webhooks, or refuses the first of them with these statuses."""

    url: str = ""
    refusals: list[int] = field(default_factory=list)
    received: list[tuple[str | None, bytes]] = field(default_factory=list)

    def statuses(self) -> list[str]:
        return [json.loads(body)["status"] for _, body in self.received]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.received.append((self.headers["wriftai-webhook-signature"], body))
            self.send_response(receiver.refusals.pop(0) if receiver.refusals else 204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
        yield receiver
        server.shutdown()
        thread.join()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(setup_time=0, delivery=Delivery(retry_delay=0.001)) as sandbox:
        yield sandbox


def create(http: httpx.Client, url: str, secret: str | None = None, **more: Any) -> Any:
    body = {"model": "sandbox/echo", "input": "salüt", "webhook": {"url": url, "secret": secret}, **more}
    answer = http.post("/predictions", json=body, headers={"prefer": "wait"})
    assert answer.status_code == 201
    return answer.json()


def test_each_change_is_posted_in_full_and_in_order(http: httpx.Client, receiver: Receiver) -> None:
    prediction = create(http, receiver.url)
    until(lambda: len(receiver.received) == 3)
    assert receiver.statuses() == ["starting", "started", "succeeded"]
    assert json.loads(receiver.received[-1][1]) == prediction
    assert receiver.received[-1][0] is None


def test_a_secret_signs_the_raw_body(http: httpx.Client, receiver: Receiver) -> None:
    create(http, receiver.url, "gehëim")
    until(lambda: len(receiver.received) == 3)
    for signature, body in receiver.received:
        assert signature is not None
        moment, digest = (part.split("=")[1] for part in signature.split(","))
        assert abs(time.time() - int(moment)) < PATIENCE
        expected = hmac.new("gehëim".encode(), f"{moment}.".encode() + body, hashlib.sha256)
        assert digest == expected.hexdigest()


def test_a_change_that_is_not_taken_is_posted_again(http: httpx.Client, receiver: Receiver) -> None:
    receiver.refusals += [500, 302, 404]
    create(http, receiver.url)
    until(lambda: len(receiver.received) == 6)
    assert receiver.statuses() == ["starting"] * 4 + ["started", "succeeded"]


def test_a_change_is_given_up_after_its_attempts(sandbox: Sandbox, http: httpx.Client, receiver: Receiver) -> None:
    sandbox.delivery = Delivery(attempts=2, retry_delay=0)
    receiver.refusals += [500] * 3
    create(http, receiver.url)
    until(lambda: len(receiver.received) == 5)
    assert receiver.statuses() == ["starting", "starting", "started", "started", "succeeded"]


def test_changes_can_be_duplicated(sandbox: Sandbox, http: httpx.Client, receiver: Receiver) -> None:
    sandbox.delivery = Delivery(duplicates=1)
    create(http, receiver.url)
    until(lambda: len(receiver.received) == 6)
    assert receiver.statuses() == ["starting"] * 2 + ["started"] * 2 + ["succeeded"] * 2


def test_the_last_change_can_overtake_the_one_before(sandbox: Sandbox, http: httpx.Client, receiver: Receiver) -> None:
    sandbox.delivery = Delivery(reorder=True)
    create(http, receiver.url)
    until(lambda: len(receiver.received) == 3)
    assert receiver.statuses() == ["starting", "succeeded", "started"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://["])
def test_a_receiver_that_is_not_there_harms_nothing(http: httpx.Client, url: str) -> None:
    assert create(http, url)["status"] == "succeeded"
    assert http.get("/predictions").status_code == 200


@pytest.fixture
def stalled() -> Iterator[str]:
    """The address of a receiver that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def test_a_receiver_that_stalls_does_not_hold_back_another(
    http: httpx.Client, receiver: Receiver, stalled: str
) -> None:
    for _ in range(50):
        create(http, stalled)
    create(http, receiver.url)
    until(lambda: receiver.statuses() == ["starting", "started", "succeeded"])


def test_stopping_is_prompt_while_webhooks_are_queued(connect: Connect, stalled: str) -> None:
    with Sandbox(setup_time=0) as sandbox:
        http = connect(sandbox)
        for _ in range(200):
            create(http, stalled)
        began = time.monotonic()
    assert time.monotonic() - began < AT_ONCE


def test_nothing_is_posted_after_a_reset(sandbox: Sandbox, http: httpx.Client, receiver: Receiver) -> None:
    receiver.refusals += [500] * 1000
    sandbox.delivery = Delivery(attempts=1000, retry_delay=0)
    create(http, receiver.url)
    until(lambda: len(receiver.received) > 1)
    sandbox.reset()
    posted = len(receiver.received)
    receiver.refusals.clear()
    create(http, receiver.url, "of the next")
    until(lambda: len([signature for signature, _ in receiver.received if signature]) == 3)
    stale = [body for signature, body in receiver.received[posted:] if not signature]
    assert len(stale) <= 1  # it was on its way


def test_a_reset_restores_the_first_delivery(sandbox: Sandbox) -> None:
    sandbox.delivery = Delivery(duplicates=1)
    sandbox.reset()
    assert sandbox.delivery == Delivery(retry_delay=0.001)


@pytest.mark.parametrize("wrong", [{"duplicates": -1}, {"attempts": 0}, {"retry_delay": -0.1}])
def test_a_wrong_delivery_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="must"):
        Delivery(**wrong)
