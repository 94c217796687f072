"""Waits that end by webhooks, over a receiver that has the client."""

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
import uvicorn

from signing import SECRET, signed
from support import client_of, prediction
from wriftai_anyio import Client, WebhookReceiver
from wriftai_anyio.predictions import AsyncWaitOptions, CreatePredictionParams, PredictionWithIO, WaitOptions
from wriftai_anyio.sandbox import Delivery, Sandbox
from wriftai_anyio.webhooks import SIGNATURE_HEADER

pytestmark = pytest.mark.anyio

PATIENCE = 30.0
"""Seconds that anything here may take at most."""


HOOKED: CreatePredictionParams = {"input": 1, "webhook": {"url": "https://me", "secret": SECRET}}


class Service(httpx.AsyncBaseTransport):
    """Runs predictions that end only in webhooks: whoever polls sees them running."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.created = 0
        self.polls = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.created += 1
            self.ids.append(f"p{self.created}")
            return httpx.Response(201, json=prediction("pending", id=self.ids[-1]))
        self.polls += 1
        start = int(request.url.params.get("cursor", "0"))
        running = [prediction("started", id=each) for each in self.ids[start : start + 50]]
        following = str(start + 50) if start + 50 < len(self.ids) else None
        return httpx.Response(200, json={"items": running, "next_cursor": following, "previous_cursor": None})

    def end_all(self) -> list[bytes]:
        """Ends all that run, and returns their webhooks, each twice, in any order."""
        states = [
            json.dumps(prediction(status, id=each, updated_at=f"2026-05-01T12:00:0{second}Z")).encode()
            for each in self.ids
            for second, status in enumerate(("starting", "started", "succeeded"))
        ]
        states *= 2
        random.Random(6).shuffle(states)
        self.ids.clear()
        return states


async def given(message: Any) -> Any:
    return message


async def note(messages: list[Any], message: Any) -> None:
    messages.append(message)


async def deliver(receiver: WebhookReceiver, bodies: list[bytes]) -> None:
    for body in bodies:
        headers = [(SIGNATURE_HEADER.encode(), signed(body).encode())]
        request = {"type": "http.request", "body": body, "more_body": False}
        answers: list[Any] = []
        await receiver(
            {"type": "http", "method": "POST", "headers": headers},
            partial(given, request),
            partial(note, answers),
        )
        assert answers[0]["status"] == 204


async def test_500_waits_end_by_webhooks_with_ten_polls_at_most_once_a_webhook_has_shown_that_they_come() -> None:
    service = Service()
    handed: list[tuple[str, str]] = []

    async def hand(told: PredictionWithIO) -> None:
        handed.append((told["id"], told["status"]))

    ended: list[PredictionWithIO] = []

    async def wait(client: Client, prediction_id: str) -> None:
        ended.append(await client.predictions.async_wait(prediction_id, AsyncWaitOptions(timeout=PATIENCE)))

    async with client_of(service) as client:
        receiver = WebhookReceiver(SECRET, hand, client)
        await client.predictions.async_create(HOOKED, "o/n")
        await deliver(receiver, service.end_all())
        created = [(await client.predictions.async_create(HOOKED, "o/n"))["id"] for _ in range(500)]
        async with anyio.create_task_group() as tasks:
            for each in created:
                tasks.start_soon(wait, client, each)
            await anyio.wait_all_tasks_blocked()
            await deliver(receiver, service.end_all())
    assert sorted(each["id"] for each in ended) == sorted(created)
    assert {each["status"] for each in ended} == {"succeeded"}
    assert service.polls <= 10
    assert len(handed) == len(set(handed))


async def test_a_wait_for_a_prediction_whose_webhook_came_first_returns_at_once() -> None:
    service = Service()
    async with client_of(service) as client:
        created = await client.predictions.async_create({"input": 1}, "o/n")
        await deliver(WebhookReceiver(SECRET, None, client), service.end_all())
        with anyio.fail_after(PATIENCE):
            assert (await client.predictions.async_wait(created["id"]))["status"] == "succeeded"
    assert service.polls == 0


class Server(uvicorn.Server):
    """A server in a thread."""

    def install_signal_handlers(self) -> None:
        """Leaves them to the main thread."""


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serves an application over loopback, in a thread of its own."""
    server = Server(uvicorn.Config(app, port=0, log_config=None, ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    give_up = time.monotonic() + PATIENCE
    while not server.started:
        assert time.monotonic() < give_up
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()


def params(url: str) -> CreatePredictionParams:
    return {"input": {"seconds": 0.3}, "webhook": {"url": url, "secret": SECRET}}


def gets(sandbox: Sandbox) -> int:
    return len([request for request in sandbox.requests if request.method == "GET"])


def test_duplicates_and_reordering_over_real_http_change_nothing() -> None:
    handed: list[tuple[str, str]] = []
    with Sandbox(setup_time=0, delivery=Delivery(duplicates=2, reorder=True)) as sandbox:
        client = Client(sandbox.access_token, sandbox.base_url)
        receiver = WebhookReceiver(SECRET, lambda told: handed.append((told["id"], told["status"])), client)
        with client, served(receiver) as url:
            created = [client.predictions.create(params(url), "sandbox/sleep") for _ in range(10)]
            options = WaitOptions(poll_interval=20, timeout=PATIENCE)
            ended = [client.predictions.wait(each["id"], options) for each in created]
        assert {each["status"] for each in ended} == {"succeeded"}
        assert gets(sandbox) <= 10
    assert len(handed) == len(set(handed))


def test_a_receiver_that_is_down_only_means_polling_again() -> None:
    with Sandbox(setup_time=0) as sandbox, Client(sandbox.access_token, sandbox.base_url) as client:
        created = client.predictions.create(params("http://127.0.0.1:1/"), "sandbox/sleep")
        ended = client.predictions.wait(created["id"], WaitOptions(poll_interval=0.05, timeout=PATIENCE))
    assert ended["status"] == "succeeded"
