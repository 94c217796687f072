"""How a stream goes on after pauses and outages, in virtual time."""

import gzip
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest

from tests.support.clients import ID, TOKEN, Answer, Script, client_of, in_virtual_time, prediction
from tests.support.event_server import Body, events, streams
from wriftai_anyio import APIConnectionError, APIResponseError, Client, InternalServerError

pytestmark = pytest.mark.anyio

ALL = events()
EVERY_ID = [str(number) for number in range(1, len(ALL) + 1)]
REFUSED = httpx.ConnectError("Connection refused")
BROKEN = httpx.RemoteProtocolError("peer closed connection without sending complete message body")
CLOSES_AT_ONCE = streams()


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return in_virtual_time(request.param)


async def ids(script: Script, **options: Any) -> list[str]:
    return [item["id"] async for item in client_of(script).predictions.async_stream(ID, **options)]


async def test_a_server_that_closes_at_once_gets_at_most_12_requests_in_2_seconds() -> None:
    script = Script(forever=CLOSES_AT_ONCE)
    with anyio.move_on_after(2), pytest.raises(APIResponseError):
        await ids(script)
    assert 2 <= len(script.requests) <= 12


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        (streams(error=BROKEN), APIConnectionError),
        (streams(ALL[1][:9], error=BROKEN), APIConnectionError),
        (REFUSED, APIConnectionError),
        (lambda _: httpx.Response(503), InternalServerError),
        (streams(b": heartbeat\n\n"), APIResponseError),
    ],
)
async def test_an_outage_is_given_up_after_8_attempts_without_progress_that_take_their_time(
    answers: Answer, kind: type[Exception]
) -> None:
    script = Script(streams(ALL[0], error=BROKEN), forever=answers)
    stream = client_of(script, max_retries=0).predictions.async_stream(ID)
    began = anyio.current_time()
    assert (await anext(stream))["id"] == "1"
    with pytest.raises(kind):
        await anext(stream)
    assert len(script.requests) == 1 + 8
    assert 1 < anyio.current_time() - began < 40
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_progress_lets_the_attempts_be_counted_anew() -> None:
    answers = [answer for item in ALL for answer in (*[CLOSES_AT_ONCE] * 7, streams(item))]
    assert await ids(Script(*answers)) == EVERY_ID


@pytest.mark.parametrize(
    "begins", [0, 1, 2], ids=["with the first event", "before the last event", "with the last event"]
)
async def test_a_server_that_repeats_events_on_a_new_connection_has_none_come_twice(begins: int) -> None:
    assert await ids(Script(streams(*ALL[:3]), streams(*ALL[begins:]))) == EVERY_ID


async def test_a_server_that_repeats_the_event_to_begin_after_has_only_later_ones_come() -> None:
    assert await ids(Script(streams(*ALL[2:])), after_id="3") == EVERY_ID[3:]


async def test_a_stream_that_only_repeats_itself_is_given_up_after_8_attempts_that_take_their_time() -> None:
    script = Script(forever=streams(*ALL[:2], error=BROKEN))
    stream = client_of(script).predictions.async_stream(ID)
    began = anyio.current_time()
    assert [(await anext(stream))["id"], (await anext(stream))["id"]] == ["1", "2"]
    with pytest.raises(APIConnectionError):
        await anext(stream)
    assert len(script.requests) == 1 + 8
    assert anyio.current_time() - began > 1


async def test_the_end_comes_also_among_events_that_are_repeated() -> None:
    assert await ids(Script(streams(*ALL[:3]), streams(ALL[0], ALL[-1]))) == [*EVERY_ID[:3], EVERY_ID[-1]]


async def test_idle_closes_are_no_failures_however_many() -> None:
    idle = streams(b": heartbeat\n\n", 15.0, b": heartbeat\n\n", 15.0)
    script = Script(streams(ALL[0]), *[idle] * 50, streams(*ALL[1:]))
    began = anyio.current_time()
    assert await ids(script) == EVERY_ID
    assert 1500 <= anyio.current_time() - began < 1510
    assert {request.url.params.get("after_id") for request in script.requests[1:]} == {"1"}


async def test_idle_closes_as_soon_as_asked_for_are_no_failures() -> None:
    assert await ids(Script(*[streams(0.1)] * 50, streams(*ALL)), wait=0.1) == EVERY_ID


async def test_a_connection_on_which_nothing_comes_at_all_is_replaced() -> None:
    times_out = streams(60.0, error=httpx.ReadTimeout(""))
    assert await ids(Script(streams(ALL[0]), *[times_out] * 20, streams(*ALL[1:]))) == EVERY_ID


@pytest.mark.parametrize("broken", [streams(error=BROKEN), lambda _: httpx.Response(503)])
async def test_the_finished_output_comes_where_no_connection_brings_a_piece(
    broken: Callable[[httpx.Request], httpx.Response],
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/stream"):
            return broken(request)
        return httpx.Response(200, json=prediction("succeeded", output="to be"))

    script = Script(streams(ALL[0], error=BROKEN), forever=answer)
    assert await client_of(script).predictions.async_stream(ID).async_text() == "to be"


async def test_the_first_connect_fails_as_any_request_does() -> None:
    script = Script(forever=REFUSED)
    with pytest.raises(APIConnectionError):
        await ids(script)
    assert len(script.requests) == 3


async def test_the_read_timeout_is_longer_by_the_idle_time_that_was_asked_for() -> None:
    script = Script(streams(*ALL))
    await ids(script, wait=100)
    assert script.requests[0].extensions["timeout"]["read"] == 160


async def test_a_compressed_stream_is_decoded() -> None:
    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    content = gzip.compress(b"".join(ALL))
    assert await ids(Script(lambda _: httpx.Response(200, headers=headers, stream=Body([content], None)))) == EVERY_ID


async def test_an_answer_that_is_no_event_stream_is_an_error() -> None:
    with pytest.raises(APIResponseError, match="not an event stream"):
        await ids(Script(httpx.Response(200, html="<html>")))


async def test_no_error_of_a_broken_stream_holds_the_token() -> None:
    script = Script(streams(ALL[0], error=BROKEN), forever=streams(error=BROKEN))
    client = client_of(script, max_retries=0)
    with pytest.raises(APIConnectionError) as caught:
        await ids_until_error(client)
    error: BaseException | None = caught.value
    while error is not None:
        request = getattr(error, "request", None)
        assert TOKEN not in f"{error!r} {vars(error)} {request and request.headers.raw}"
        error = error.__cause__ or error.__context__


async def ids_until_error(client: Client) -> None:
    async for _ in client.predictions.async_stream(ID):
        pass


async def test_an_event_id_that_no_address_has_room_for_is_an_error_of_the_answer() -> None:
    long = b"id: " + b"x" * 100_000 + b"\nevent: output\ndata: 1\n\n"
    script = Script(forever=streams(long))
    with pytest.raises(APIResponseError, match="id is longer"):
        await ids(script)
    assert len(script.requests) == 1
