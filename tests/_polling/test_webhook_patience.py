"""How long waits hold back their polls for a webhook, in virtual time."""

import time
from typing import Any

import anyio
import httpx
import pytest

from tests.support.clients import client_of, in_virtual_time, prediction
from tests.support.running_predictions import RunningPredictions, gaps, named
from wriftai_anyio import Client, WebhookReceiver
from wriftai_anyio.predictions import (
    DEFAULT_ASYNC_WAIT_OPTIONS,
    AsyncWaitOptions,
    CreatePredictionParams,
    PredictionWithIO,
)

pytestmark = pytest.mark.anyio

PARAMS: CreatePredictionParams = {"input": 1, "webhook": {"url": "https://me.example/hook", "secret": "s"}}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return in_virtual_time(request.param)


class Creations(RunningPredictions):
    """Lets each create make the next of its predictions."""

    def __init__(self, seconds: dict[str, float]) -> None:
        super().__init__(seconds, fault=self._create)
        self._names = iter(seconds)

    def _create(self, request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(201, json=told(next(self._names), "pending")) if request.method == "POST" else None


def told(prediction_id: str, status: str = "succeeded") -> Any:
    return prediction(status, id=prediction_id)


async def create_and_wait(client: Client, options: AsyncWaitOptions = DEFAULT_ASYNC_WAIT_OPTIONS) -> PredictionWithIO:
    created = await client.predictions.async_create(PARAMS, "sandbox/echo")
    return await client.predictions.async_wait(created["id"], options)


async def test_with_a_receiver_the_first_webhook_is_awaited_ten_seconds_and_later_ones_thirty() -> None:
    api = Creations(named(2, 70.0))
    client = client_of(api)
    WebhookReceiver("s", None, client)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(create_and_wait, client)
        await anyio.sleep(15)
        client.predictions.notify(told("another"))
    assert api.fetches["p0"] == pytest.approx([10, 40, 70], abs=0.1)


async def test_without_a_receiver_a_webhook_holds_no_poll_back() -> None:
    api = Creations(named(1, 3.5))
    await create_and_wait(client_of(api))
    assert api.fetches["p0"] == pytest.approx([0, 1, 2, 3, 4], abs=0.1)


async def test_a_prediction_without_a_webhook_is_polled_as_ever() -> None:
    api = Creations(named(1, 3.5))
    client = client_of(api)
    WebhookReceiver("s", None, client)
    client.predictions.notify(told("another"))
    created = await client.predictions.async_create({"input": 1}, "sandbox/echo")
    await client.predictions.async_wait(created["id"])
    assert api.fetches["p0"] == pytest.approx([0, 1, 2, 3, 4], abs=0.1)


async def test_where_webhooks_do_not_come_after_all_polling_goes_on() -> None:
    api = Creations(named(2, 0.0) | {"p1": 14.5})
    client = client_of(api)
    WebhookReceiver("s", None, client)
    await create_and_wait(client)
    assert api.now == pytest.approx(10, abs=0.1)
    await create_and_wait(client)
    assert api.now == pytest.approx(15, abs=0.1)


async def test_where_webhooks_do_not_come_any_more_polling_goes_on_and_they_may_come_back() -> None:
    api = Creations({"p0": 1.0, "p1": 33.5, "p2": 71.0})
    client = client_of(api)
    client.predictions.notify(told("another"))
    await create_and_wait(client)
    assert api.now == pytest.approx(30, abs=0.1)
    await create_and_wait(client)
    assert api.now == pytest.approx(34, abs=0.1)
    client.predictions.notify(told("another"))
    await create_and_wait(client)
    assert gaps(api.fetches["p2"]) == pytest.approx([30], abs=0.1)


async def test_a_poll_that_was_faster_than_the_webhook_costs_nothing_while_others_come() -> None:
    api = Creations({"p0": 29.9, "p1": 60.0})
    client = client_of(api)
    client.predictions.notify(told("another"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(create_and_wait, client)
        await anyio.sleep(20)
        client.predictions.notify(told("another"))
    await create_and_wait(client)
    assert len(api.fetches["p1"]) == 1


async def test_a_state_that_a_webhook_tells_is_as_good_as_a_poll() -> None:
    api = Creations(named(2, 100.0))
    client = client_of(api)
    seen: list[str] = []

    async def on_poll(latest: PredictionWithIO) -> None:
        seen.append(f"{latest['status']} at {api.now:.0f}")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(create_and_wait, client, AsyncWaitOptions(on_poll=on_poll))
        tasks.start_soon(create_and_wait, client)
        WebhookReceiver("s", None, client)
        for seconds, status in ((9, "starting"), (29, "started"), (31, "succeeded")):
            await anyio.sleep(seconds)
            for each in ("p0", "p1"):
                client.predictions.notify(told(each, status))
    assert api.fetches["p1"] == pytest.approx([68], abs=0.1)
    assert seen == ["starting at 9", "started at 38", "started at 68", "succeeded at 69"]


async def test_a_wait_that_begins_long_after_the_last_sign_of_life_polls_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api = Creations(named(1, 0.0))
    client = client_of(api)
    WebhookReceiver("s", None, client)
    created = await client.predictions.async_create(PARAMS, "sandbox/echo")
    later = time.monotonic() + 11
    monkeypatch.setattr("wriftai_anyio._concurrency.system.monotonic", lambda: later)
    await client.predictions.async_wait(created["id"])
    assert api.now == pytest.approx(0, abs=0.1)


async def test_a_held_create_that_was_answered_with_the_end_leaves_nothing_expected() -> None:
    class Held(Creations):
        def _create(self, request: httpx.Request) -> httpx.Response | None:
            return httpx.Response(201, json=told("p0")) if request.method == "POST" else None

    api = Held(named(1, 0.0))
    client = client_of(api)
    WebhookReceiver("s", None, client)
    await client.predictions.async_create(PARAMS, "sandbox/echo", wait=True)
    await client.predictions.async_wait("p0")
    assert api.now == pytest.approx(0, abs=0.1)
    assert api.fetched == 1
