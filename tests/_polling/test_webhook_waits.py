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
import anyio.from_thread
import anyio.to_thread
import httpx
import pytest
import uvicorn
from anyio.lowlevel import current_token

from tests.support.clients import ID, Script, answer, client_of, prediction
from tests.support.patience import PATIENCE
from tests.support.signing import SECRET, signed
from wriftai_anyio import Client, WebhookReceiver
from wriftai_anyio._polling import webhook_hints
from wriftai_anyio.common_types import JsonValueWithFile
from wriftai_anyio.predictions import AsyncWaitOptions, CreatePredictionParams, PredictionWithIO, WaitOptions
from wriftai_anyio.sandbox import Delivery, Sandbox
from wriftai_anyio.webhooks import SIGNATURE_HEADER

pytestmark = pytest.mark.anyio


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


async def test_500_waits_end_by_webhooks_with_ten_polls_at_most() -> None:
    service = Service()
    handed: list[tuple[str, str]] = []

    async def hand(told: PredictionWithIO) -> None:
        handed.append((told["id"], told["status"]))

    ended: list[PredictionWithIO] = []

    async def wait(client: Client, prediction_id: str) -> None:
        ended.append(await client.predictions.async_wait(prediction_id, AsyncWaitOptions(timeout=PATIENCE)))

    async with client_of(service) as client:
        receiver = WebhookReceiver(SECRET, hand, client)
        created = [(await client.predictions.async_create(hooked(1, "https://me"), "o/n"))["id"] for _ in range(500)]
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


def hooked(given: JsonValueWithFile, url: str) -> CreatePredictionParams:
    return {"input": given, "webhook": {"url": url, "secret": SECRET}}


class Gate:
    """A model whose predictions end when it is opened."""

    def __init__(self) -> None:
        self._opened: anyio.Event | None = None

    async def passed(self, given: object) -> object:
        if self._opened is None:
            self._opened, self._loop = anyio.Event(), current_token()
        await self._opened.wait()
        return given

    def open(self) -> None:
        assert self._opened is not None
        anyio.from_thread.run_sync(self._opened.set, token=self._loop)


def gets(sandbox: Sandbox) -> int:
    return len([request for request in sandbox.requests if request.method == "GET"])


async def test_500_waits_end_by_webhooks_over_real_http_whatever_is_doubled_or_reordered(
    started_threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_hints, "FIRST_PATIENCE", PATIENCE)  # a busy machine is slower than ten seconds
    gate = Gate()
    begun: list[int] = []
    ended: list[PredictionWithIO] = []
    handed: list[tuple[str, str]] = []

    async def create_and_wait(client: Client, number: int, url: str) -> None:
        created = await client.predictions.async_create(hooked(number, url), "me/held")
        begun.append(number)
        if len(begun) == 500:
            await anyio.to_thread.run_sync(gate.open)
        ended.append(await client.predictions.async_wait(created["id"], AsyncWaitOptions(timeout=PATIENCE)))

    async def hand(told: PredictionWithIO) -> None:
        handed.append((told["id"], told["status"]))

    delivery = Delivery(duplicates=1, reorder=True)
    with Sandbox(models={"me/held": gate.passed}, setup_time=0, delivery=delivery) as sandbox:
        async with Client(sandbox.access_token, sandbox.base_url) as client:
            receiver = WebhookReceiver(SECRET, hand, client)
            with served(receiver) as url:
                async with anyio.create_task_group() as tasks:
                    for number in range(500):
                        tasks.start_soon(create_and_wait, client, number, url)
        assert {str(each["output"]) for each in ended} == {str(number) for number in range(500)}
        assert gets(sandbox) <= 10
        assert set(started_threads) <= {"wriftai_anyio worker", "wriftai_anyio sandbox"}
        assert len(started_threads) <= 10
    assert len(handed) == len(set(handed))


def test_a_receiver_that_is_down_only_means_polling_again() -> None:
    with Sandbox(setup_time=0) as sandbox, Client(sandbox.access_token, sandbox.base_url) as client:
        created = client.predictions.create(hooked({"seconds": 0.3}, "http://127.0.0.1:1/"), "sandbox/sleep")
        ended = client.predictions.wait(created["id"], WaitOptions(poll_interval=0.05, timeout=PATIENCE))
    assert ended["status"] == "succeeded"


@pytest.mark.parametrize("pause", [0.0, 0.1], ids=["told before the waits", "told during the waits"])
async def test_each_wait_gets_its_own_copy_of_what_a_webhook_told(pause: float) -> None:
    client = client_of(Script(forever=answer("started")))
    told: Any = prediction(output={"labels": ["cat"]})
    results: list[Any] = []

    async def wait() -> None:
        result: Any = await client.predictions.async_wait(ID, AsyncWaitOptions(60))
        result["output"]["labels"].append("changed by a wait")
        results.append(result)

    def notify() -> None:
        client.predictions.notify(told)
        told["output"]["labels"].clear()
        del told["status"]

    if not pause:
        notify()
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(wait)
        if pause:
            await anyio.sleep(pause)
            notify()
    assert [each["output"] for each in results] == [{"labels": ["cat", "changed by a wait"]}] * 3


async def test_what_nobody_awaits_is_kept_within_a_bound_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_hints, "REMEMBERED_BYTES", 100_000)
    script = Script(forever=lambda request: answer(id=request.url.path.rpartition("/")[2], output="asked for"))
    client = client_of(script)
    for number in range(20):
        client.predictions.notify(prediction(id=f"p{number}", output="x" * 20_000))  # type: ignore[arg-type]
    assert (await client.predictions.async_wait("p19"))["output"] == "x" * 20_000
    assert script.requests == []
    assert (await client.predictions.async_wait("p0"))["output"] == "asked for"
