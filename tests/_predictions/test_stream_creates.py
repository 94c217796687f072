"""Creates whose predictions are streamed, at once or later: sent once, whatever becomes of the answer."""

import json
from typing import Any

import httpx
import pytest

from tests.support.clients import ID, TOKEN, Answer, Script, Spelling, answer, client_of
from tests.support.event_server import END, HEAD, EventServer, chunks, event, events, streams, whole
from tests.support.patience import leave_when
from wriftai_anyio import (
    APIConnectionError,
    Client,
    CreateOutcomeUnknown,
    PermissionDeniedError,
    UnprocessableEntityError,
)

PARAMS: Any = {"input": {"text": "to be"}, "validate_input": True}
MODEL = "sandbox/word-count"
ALL = events()
EVERY_ID = [str(number) for number in range(1, len(ALL) + 1)]
REFUSED = httpx.ConnectError("Connection refused")


def created(server: EventServer, spelling: Spelling, **options: object) -> list[Any]:
    with Client(TOKEN, server.base_url, backend=spelling.backend) as client:
        received: list[Any] = spelling.call(client.predictions, "create_stream", PARAMS, MODEL, **options)
        return received


def test_a_create_streams_and_goes_on_with_the_prediction_it_made(spelling: Spelling) -> None:
    with EventServer(ALL, lambda _, due: HEAD + chunks(due[:3]) + END) as server:
        received = created(server, spelling, wait=30)
    assert [item["id"] for item in received] == EVERY_ID
    first, *others = server.requests
    assert json.loads(first.body) == {"model": MODEL, "input": {"text": "to be"}, "stream": True}
    assert (first.headers["prefer"], first.headers["validate-input"]) == ("wait=30", "true")
    assert [(request.method, request.after_id) for request in others] == [("GET", "3"), ("GET", "6")]
    assert {request.headers["prefer"] for request in others} == {"wait=30"}


@pytest.mark.parametrize("cut", [0, 5, len(HEAD), len(HEAD) + 60])
def test_a_create_that_breaks_before_its_first_event_is_unknown_and_never_sent_twice(
    cut: int, spelling: Spelling
) -> None:
    with EventServer(ALL, lambda number, due: whole(number, due)[:cut]) as server:
        with pytest.raises(CreateOutcomeUnknown, match="not sent again"):
            created(server, spelling)
        assert len(server.requests) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    "first",
    [
        streams(code=201),
        streams(b": heartbeat\n\n", code=201),
        streams(event(1, "init", {"no": "id"}), code=201),
        lambda _: httpx.Response(500),
        lambda _: httpx.Response(201, html="<html>"),
    ],
)
async def test_a_create_without_a_first_event_is_unknown_and_the_stream_ends(first: Answer) -> None:
    script = Script(first)
    stream = client_of(script).predictions.async_create_stream(PARAMS, MODEL)
    with pytest.raises(CreateOutcomeUnknown):
        await anext(stream)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert len(script.requests) == 1


@pytest.mark.anyio
async def test_a_create_that_is_left_before_its_first_event_is_not_sent_again() -> None:
    script = Script(streams(10.0, code=201))
    stream = client_of(script).predictions.async_create_stream(PARAMS, MODEL)
    await leave_when(lambda: script.requests, lambda: anext(stream))
    with pytest.raises(CreateOutcomeUnknown):
        await anext(stream)
    assert script.paths == ["POST /predictions"]


@pytest.mark.anyio
async def test_a_create_that_is_refused_is_the_refusal() -> None:
    script = Script(httpx.Response(422, json={"detail": "no such model"}))
    with pytest.raises(UnprocessableEntityError, match="no such model"):
        await anext(client_of(script).predictions.async_create_stream(PARAMS, MODEL))
    script = Script(forever=REFUSED)
    with pytest.raises(APIConnectionError, match="did nothing"):
        await anext(client_of(script, max_retries=0).predictions.async_create_stream(PARAMS, MODEL))


@pytest.mark.anyio
async def test_it_counts_as_a_create_and_its_answer_may_come_as_late_as_it_is_held() -> None:
    script = Script(httpx.Response(403, headers={"x-ratelimit-limit": "7"}))
    client = client_of(script, timeout=httpx.Timeout(connect=2, read=5, write=3, pool=4))
    with pytest.raises(PermissionDeniedError):
        await anext(client.predictions.async_create_stream(PARAMS, MODEL, wait=30))
    assert script.requests[0].extensions["timeout"] == {"connect": 2, "read": 35, "write": 3, "pool": 4}
    assert (client.rate_limits.creates.limit, client.rate_limits.others.limit) == (7, None)


@pytest.mark.anyio
async def test_a_server_that_answers_a_create_with_the_prediction_is_asked_for_its_stream() -> None:
    script = Script(answer("pending", code=201), streams(*ALL))
    stream = client_of(script).predictions.async_create_stream(PARAMS, MODEL)
    assert [item["id"] async for item in stream] == EVERY_ID
    assert script.paths == ["POST /predictions", f"GET /predictions/{ID}/stream"]
    assert "prefer" not in script.requests[1].headers


def test_a_prediction_can_be_created_for_streaming_later(spelling: Spelling) -> None:
    script = Script(answer("pending", code=201), answer("pending", code=201), answer())
    client = client_of(script, backend=spelling.backend)
    assert spelling.call(client.predictions, "create", PARAMS, MODEL, stream=True)["status"] == "pending"
    ended = spelling.call(
        client.predictions, "create", PARAMS, MODEL, wait=True, wait_options=spelling.options(), stream=True
    )
    assert ended["status"] == "succeeded"
    assert [json.loads(body)["stream"] for body in script.bodies[:2]] == [True, True]
    assert [request for request in script.requests if "prefer" in request.headers] == []
    client.close()


def test_params_that_cannot_be_right_are_refused_before_anything_is_sent() -> None:
    client = Client(TOKEN)
    for method in (client.predictions.create_stream, client.predictions.async_create_stream):
        with pytest.raises(ValueError, match="owner/name"):
            method(PARAMS, "no-model")
        with pytest.raises(ValueError, match="wait"):
            method(PARAMS, MODEL, wait=0)
