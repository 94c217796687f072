"""Creates whose answers break off: what has come of them may name the prediction, which runs and costs money."""

import gzip
import json
import pickle
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest

from tests.support.clients import ID, Script, client_of, in_virtual_time, prediction
from wriftai_anyio import APIConnectionError, APITimeoutError, CreateOutcomeUnknown
from wriftai_anyio._predictions.create_outcome import outcome_unknown
from wriftai_anyio.predictions import AsyncWaitOptions

pytestmark = pytest.mark.anyio

MODEL = "sandbox/echo"
BEGINNING = json.dumps(prediction("pending", input="x" * 4000)).encode()[:2000]
CODINGS = {"": BEGINNING, "gzip": gzip.compress(BEGINNING)[:-8]}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return in_virtual_time(request.param)


class BreakingOff(httpx.AsyncByteStream):
    def __init__(self, *chunks: bytes, then: Exception | None) -> None:
        self._chunks = chunks
        self._then = then

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            await anyio.lowlevel.checkpoint()
            yield chunk
        if self._then is None:
            await anyio.sleep_forever()
        else:
            raise self._then


ENDS = [httpx.ReadError("reset"), httpx.RemoteProtocolError("incomplete"), None]


def answer(*chunks: bytes, then: Exception | None, code: int = 201, coding: str = "", kind: str = "") -> Any:
    headers = {"content-type": kind or "application/json", "x-request-id": "r-1"}
    if coding:
        headers["content-encoding"] = coding
    return lambda _: httpx.Response(code, headers=headers, stream=BreakingOff(*chunks, then=then))


@pytest.mark.parametrize("then", ENDS)
@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("options", [None, AsyncWaitOptions(), AsyncWaitOptions(cancel_on_exit=True, timeout=900.0)])
async def test_the_id_in_an_answer_that_breaks_off_is_kept(
    then: Exception | None, coding: str, options: AsyncWaitOptions | None
) -> None:
    script = Script(
        answer(CODINGS[coding][:9], CODINGS[coding][9:], then=then, coding=coding), forever=answer_to_cancel
    )
    client = client_of(script, timeout=10.0)
    wait: Any = {} if options is None else {"wait": True, "wait_options": options}
    with pytest.raises(CreateOutcomeUnknown, match=rf"predictions\.get\('{ID}'\)") as caught:
        await client.predictions.async_create({"input": 1}, MODEL, **wait)
    assert (caught.value.prediction_id, caught.value.request_id) == (ID, "r-1")
    cause = caught.value.__cause__
    assert isinstance(cause, APITimeoutError if then is None else APIConnectionError)
    assert cause.response is not None
    assert (cause.response.status_code, cause.response.content) == (201, BEGINNING)
    assert pickle.loads(pickle.dumps(cause)).response.content == BEGINNING
    cancelled = options is not None and options.cancel_on_exit
    assert script.paths == ["POST /predictions", *([f"POST /predictions/{ID}/cancel"] if cancelled else [])]


def answer_to_cancel(_: httpx.Request) -> httpx.Response:
    return httpx.Response(202, json=None)


@pytest.mark.parametrize(
    "beginning",
    [b"", BEGINNING[:12], b'{"input": {"id": "other"}, "st', b'{"id": "..", ', b'{"id": "a\\u0000b", ', b"<html>"],
)
async def test_what_is_not_whole_or_no_id_is_not_taken_for_one(beginning: bytes) -> None:
    script = Script(answer(beginning, then=ENDS[0]))
    with pytest.raises(CreateOutcomeUnknown, match=r"predictions\.list\(\)") as caught:
        await client_of(script).predictions.async_create({"input": 1}, MODEL)
    assert caught.value.prediction_id is None


@pytest.mark.parametrize("cut", [b"\xc3", b"\xf0\x9f\x90", b"\xff"])
async def test_an_answer_that_breaks_off_within_a_character_still_names_its_prediction(cut: bytes) -> None:
    script = Script(answer(BEGINNING + cut, then=ENDS[0]))
    with pytest.raises(CreateOutcomeUnknown) as caught:
        await client_of(script).predictions.async_create({"input": 1}, MODEL)
    assert caught.value.prediction_id == ID


async def test_a_refusal_that_breaks_off_names_no_prediction() -> None:
    script = Script(answer(BEGINNING, then=ENDS[0], code=500))
    with pytest.raises(CreateOutcomeUnknown) as caught:
        await client_of(script).predictions.async_create({"input": 1}, MODEL)
    assert caught.value.prediction_id is None


async def test_an_encoding_that_breaks_before_its_first_byte_is_a_connection_error_as_ever() -> None:
    script = Script(answer(b"no gzip", then=ENDS[0], coding="gzip"))
    with pytest.raises(CreateOutcomeUnknown) as caught:
        await client_of(script).predictions.async_create({"input": 1}, MODEL)
    assert isinstance(caught.value.__cause__, APIConnectionError)


async def test_a_batch_tells_the_prediction_that_half_an_answer_named() -> None:
    script = Script(answer(BEGINNING, then=ENDS[0]))
    async with client_of(script).predictions.async_batch([{"input": 1}], MODEL) as batch:
        (result,) = [result async for result in batch]
    assert isinstance(result.error, CreateOutcomeUnknown)
    assert result.error.prediction_id == ID
    assert script.paths == ["POST /predictions"]


@pytest.mark.parametrize("then", [*ENDS[:2], httpx.ReadTimeout("late")])
@pytest.mark.parametrize("ending", [b"", b"\ndata: more"])
async def test_the_id_in_the_first_event_of_a_stream_that_breaks_off_is_kept(then: Exception, ending: bytes) -> None:
    event = b"event: init\nid: 1\ndata: " + BEGINNING + ending
    script = Script(answer(event[:40], event[40:], then=then, kind="text/event-stream"))
    stream = client_of(script, timeout=10.0).predictions.async_create_stream({"input": 1}, MODEL)
    with pytest.raises(CreateOutcomeUnknown) as caught:
        await anext(stream)
    assert caught.value.prediction_id == ID
    assert script.paths == ["POST /predictions"]


@pytest.mark.parametrize(
    ("location", "look"),
    [
        (None, "Check with predictions.list() before you create it again."),
        (
            f"/v1/predictions/{ID}",
            f"The part of the answer that arrived names the prediction: check it with predictions.get({ID!r}).",
        ),
    ],
)
def test_what_is_unknown_says_what_was_seen_and_where_to_look(location: str | None, look: str) -> None:
    response = httpx.Response(502, headers={} if location is None else {"location": location})
    error = outcome_unknown("a 502", response)
    known = "The create was sent, but it is not known whether the server created the prediction. It was not sent again."
    assert str(error) == f"{known} {look} (a 502)"
    assert error.prediction_id == (None if location is None else ID)


@pytest.mark.parametrize("failure", [httpx.ReadError("reset"), httpx.ReadTimeout("late"), httpx.ConnectError("no")])
async def test_only_of_a_create_that_did_nothing_it_is_said_to_try_again(failure: httpx.RequestError) -> None:
    did_nothing = isinstance(failure, httpx.ConnectError)
    async with client_of(Script(forever=failure), max_retries=0) as client:
        with pytest.raises(APIConnectionError if did_nothing else CreateOutcomeUnknown) as caught:
            await client.predictions.async_create({"input": 1}, MODEL)
        assert ("then try again" in str(caught.value)) == did_nothing
        if not did_nothing:
            assert "Check the network and the base URL." in str(caught.value)
