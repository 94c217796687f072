"""The receiver as ASGI servers see it: what it answers, and what it hands over."""

import json
import threading
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from tests.support.clients import BASE_URL, ID, prediction
from tests.support.patience import PATIENCE
from tests.support.signing import SECRET, signed
from wriftai_anyio.predictions import PredictionWithIO
from wriftai_anyio.webhooks import SIGNATURE_HEADER, WebhookReceiver

pytestmark = pytest.mark.anyio

Message = MutableMapping[str, Any]


class Handler:
    """A handler that notes what it is handed."""

    def __init__(self) -> None:
        self.handed: list[PredictionWithIO] = []

    async def __call__(self, handed: PredictionWithIO) -> None:
        await anyio.lowlevel.checkpoint()
        self.handed.append(handed)

    @property
    def statuses(self) -> list[str]:
        return [str(one["status"]) for one in self.handed]


class Waits:
    """Stands in for a client and its predictions, and notes what it is told."""

    def __init__(self) -> None:
        self.api_base_url = BASE_URL
        self.expects_webhooks = False
        self.told: list[PredictionWithIO] = []

    @property
    def predictions(self) -> "Waits":
        return self

    def expect_webhooks(self) -> None:
        self.expects_webhooks = True

    def notify(self, told: PredictionWithIO) -> None:
        self.told.append(told)


def payload(status: str = "succeeded", **fields: object) -> bytes:
    return json.dumps(prediction(status, **fields)).encode()


def nothing(_: PredictionWithIO) -> None:
    pass


async def post(app: Callable[..., Any], body: bytes, **headers: str) -> httpx.Response:
    sent = {SIGNATURE_HEADER: signed(body), **headers}
    return await request(app, "POST", body, sent)


async def request(app: Callable[..., Any], method: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver") as client:
        with anyio.fail_after(PATIENCE):
            return await client.request(method, "/webhook", content=body, headers=headers)


async def test_a_signed_prediction_is_answered_and_handed_over_as_it_came() -> None:
    handler = Handler()
    answer = await post(WebhookReceiver(SECRET, handler), payload(newer_field=[1]))
    assert answer.is_success
    [handed] = handler.handed
    assert handed["id"] == ID
    assert dict(handed)["newer_field"] == [1]
    assert handed["url"] == f"https://api.wrift.ai/v1/predictions/{ID}"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (payload(), {SIGNATURE_HEADER: "t=1,v1=aa"}),
        (payload(), {SIGNATURE_HEADER: "nonsense"}),
        (payload(), {SIGNATURE_HEADER: signed(payload(), secret="another")}),
        (b"not json", {}),
        (b'{"status": "succeeded"}', {}),
        (b"[" * 100_000, {}),
        (b"\xff\xfe", {}),
    ],
    ids=["old", "malformed", "of another secret", "not json", "no prediction", "nested", "not text"],
)
async def test_what_is_not_signed_or_no_prediction_is_refused(body: bytes, headers: dict[str, str]) -> None:
    handler = Handler()
    answer = await post(WebhookReceiver(SECRET, handler), body, **headers)
    assert answer.status_code == 400
    assert answer.text
    assert not handler.handed


async def test_a_request_without_a_signature_is_refused() -> None:
    answer = await request(WebhookReceiver(SECRET, nothing), "POST", payload(), {})
    assert answer.status_code == 400


async def test_other_methods_are_told_what_is_allowed() -> None:
    answer = await request(WebhookReceiver(SECRET, nothing), "GET", b"", {})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


async def test_a_body_that_is_too_large_is_refused_before_it_is_read_to_its_end() -> None:
    read = 0

    async def endless() -> Message:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"x" * 100, "more_body": True}

    sent = await served(WebhookReceiver(SECRET, nothing, max_body_size=1000), endless, signed(b""))
    assert sent[0]["status"] == 413
    assert read == 11


@pytest.mark.parametrize("header", ["", "t=1,v1=aa", "v1=aa", "t=now"])
async def test_what_its_headers_show_to_be_wrong_is_refused_before_its_body_is_read(header: str) -> None:
    async def unread() -> Message:
        raise AssertionError

    sent = await served(WebhookReceiver(SECRET, nothing), unread, header)
    assert sent[0]["status"] == 400


@pytest.mark.parametrize("size", ["1001", "9" * 5000])
async def test_a_body_that_says_it_is_too_large_is_not_read(size: str) -> None:
    async def unread() -> Message:
        raise AssertionError

    receiver = WebhookReceiver(SECRET, nothing, max_body_size=1000)
    scope = http_scope(signed(b""))
    scope["headers"].append((b"content-length", size.encode()))
    sent: list[Message] = []
    await receiver(scope, unread, collector(sent))
    assert sent[0]["status"] == 413


async def test_bodies_whose_signatures_are_not_compared_yet_are_held_within_bounds() -> None:
    receiver = WebhookReceiver(SECRET, nothing, max_body_size=1000)
    statuses: list[int] = []

    async def send_slowly() -> None:
        async def slow() -> Message:
            await anyio.lowlevel.checkpoint()
            return {"type": "http.request", "body": b"x" * 100, "more_body": True}

        statuses.append((await served(receiver, slow, signed(b"")))[0]["status"])

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(send_slowly)
    assert len(statuses) == 20
    assert {413, 503} == set(statuses)
    assert (await post(receiver, payload())).status_code == 204


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": b"bytes"},
        {"secret": None},
        {"secret": 5},
        {"tolerance": 0.5},
        {"tolerance": -1},
        {"tolerance": float("inf")},
        {"tolerance": 10**400},
        {"tolerance": True},
        {"max_body_size": 0},
        {"max_body_size": "1"},
        {"remembered": 0},
        {"handler": "print"},
    ],
    ids=str,
)
async def test_arguments_that_cannot_be_right_are_refused_when_they_are_given(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        WebhookReceiver(**{"secret": SECRET, "handler": nothing, **wrong})


@pytest.mark.parametrize("handler", [lambda: None, lambda prediction, more: None])
def test_a_handler_takes_one_prediction(handler: Any) -> None:
    with pytest.raises(ValueError, match=r"handler must be a function of \(prediction\)"):
        WebhookReceiver(SECRET, handler)


async def test_a_body_that_does_not_arrive_in_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wriftai_anyio.webhooks.LONGEST_BODY", 0.01)

    async def stalled() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    sent = await served(WebhookReceiver(SECRET, nothing), stalled, signed(b""))
    assert sent[0]["status"] == 408


async def test_a_sender_that_disconnects_gets_no_answer() -> None:
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    assert await served(WebhookReceiver(SECRET, nothing), gone, signed(b"")) == []


async def test_duplicates_and_older_states_are_answered_but_not_handed_over() -> None:
    handler = Handler()
    receiver = WebhookReceiver(SECRET, handler)
    for status in ("pending", "started", "starting", "started", "succeeded", "pending", "succeeded"):
        assert (await post(receiver, payload(status))).is_success
    assert handler.statuses == ["pending", "started", "succeeded"]


async def test_the_answer_does_not_wait_for_the_handler() -> None:
    release = anyio.Event()
    handler = Handler()

    async def slow(handed: PredictionWithIO) -> None:
        await release.wait()
        await handler(handed)

    async with serving(WebhookReceiver(SECRET, slow), payload()) as answers:
        assert (await answers.receive())["status"] == 204
        assert not handler.handed
        release.set()
    assert handler.statuses == ["succeeded"]


async def test_the_states_of_one_prediction_are_handed_over_one_after_another() -> None:
    begun: list[str] = []
    release = anyio.Event()

    async def slow(handed: PredictionWithIO) -> None:
        begun.append(handed["status"])
        await release.wait()

    receiver = WebhookReceiver(SECRET, slow)
    async with anyio.create_task_group() as tasks:
        for status in ("pending", "started", "succeeded"):
            tasks.start_soon(post, receiver, payload(status))
            await anyio.wait_all_tasks_blocked()
        assert begun == ["pending"]
        release.set()
    assert begun == ["pending", "started", "succeeded"]


async def test_a_plain_function_runs_off_the_event_loop() -> None:
    threads: list[threading.Thread] = []
    receiver = WebhookReceiver(SECRET, lambda _: threads.append(threading.current_thread()))
    await post(receiver, payload())
    assert threads[0] is not threading.current_thread()


async def test_what_a_handler_raises_reaches_the_server_after_the_answer() -> None:
    async def failing(_: PredictionWithIO) -> None:
        raise KeyError("handler")

    sent: list[Message] = []
    with pytest.raises(KeyError, match="handler"):
        await served(WebhookReceiver(SECRET, failing), once(payload()), signed(payload()), sent)
    assert sent[0]["status"] == 204


async def test_a_sender_that_went_away_before_the_answer_loses_no_state() -> None:
    handler = Handler()

    async def broken(_: Message) -> None:
        raise OSError("gone")

    receiver = WebhookReceiver(SECRET, handler)
    await receiver(http_scope(signed(payload())), once(payload()), broken)
    assert handler.statuses == ["succeeded"]


async def test_a_client_is_told_of_news_alone_before_the_answer() -> None:
    waits = Waits()
    receiver = WebhookReceiver(SECRET, None, waits)
    async with serving(receiver, payload()) as answers:
        await answers.receive()
        assert len(waits.told) == 1
    await post(receiver, payload("started"))
    [told] = waits.told
    assert told["output"] == "hello"
    assert told["url"] == f"{BASE_URL}/predictions/{ID}"


async def test_a_client_learns_that_there_is_a_receiver_before_the_first_webhook() -> None:
    waits = Waits()
    WebhookReceiver(SECRET, None, waits)
    assert waits.expects_webhooks


async def test_several_signature_headers_are_one_list() -> None:
    signature = signed(payload())
    timestamp, _, rest = signature.partition(",")
    scope = http_scope(timestamp)
    scope["headers"].append((SIGNATURE_HEADER.encode(), rest.encode()))
    sent: list[Message] = []
    await WebhookReceiver(SECRET, nothing)(scope, once(payload()), collector(sent))
    assert sent[0]["status"] == 204


@pytest.mark.parametrize("client", [5, "https://api.example", object()])
def test_a_client_that_is_none_is_refused(client: Any) -> None:
    with pytest.raises(ValueError, match="client must be a client"):
        WebhookReceiver("secret", None, client)


@pytest.mark.parametrize("secret", ["", [], " "])
def test_an_empty_secret_is_refused_when_the_receiver_is_made(secret: str | list[str]) -> None:
    with pytest.raises(ValueError, match="secret"):
        WebhookReceiver(secret, nothing)


@pytest.mark.parametrize("path", ["route", "mount"])
async def test_it_serves_inside_starlette(path: str) -> None:
    handler = Handler()
    receiver = WebhookReceiver(SECRET, handler)
    route = Route("/webhook", receiver) if path == "route" else Mount("/", receiver)
    assert (await post(Starlette(routes=[route]), payload())).status_code == 204
    assert handler.statuses == ["succeeded"]


async def test_it_answers_the_lifespan_of_a_server() -> None:
    incoming = iter(["lifespan.startup", "lifespan.shutdown"])
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": next(incoming)}

    await WebhookReceiver(SECRET, nothing)({"type": "lifespan"}, receive, collector(sent))
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_it_refuses_websockets() -> None:
    sent: list[Message] = []
    await WebhookReceiver(SECRET, nothing)({"type": "websocket"}, once(b""), collector(sent))
    assert [message["type"] for message in sent] == ["websocket.close"]


def http_scope(signature: str) -> Message:
    headers = [(SIGNATURE_HEADER.encode(), signature.encode())]
    return {"type": "http", "method": "POST", "path": "/", "headers": headers}


def once(body: bytes) -> Callable[[], Any]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def collector(sent: list[Message]) -> Callable[[Message], Any]:
    async def send(message: Message) -> None:
        sent.append(message)

    return send


async def served(
    receiver: WebhookReceiver, receive: Callable[[], Any], signature: str = "", sent: list[Message] | None = None
) -> list[Message]:
    collected: list[Message] = [] if sent is None else sent
    with anyio.fail_after(PATIENCE):
        await receiver(http_scope(signature), receive, collector(collected))
    return collected


@asynccontextmanager
async def serving(receiver: WebhookReceiver, body: bytes) -> AsyncIterator[Any]:
    """Serves one request beside the caller, who gets the messages as they are sent."""
    send, answers = anyio.create_memory_object_stream[Message](10)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receiver, http_scope(signed(body)), once(body), send.send)
            yield answers
    send.close()
    answers.close()
