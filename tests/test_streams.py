"""A prediction's events over real connections that end in every way, for all three callers."""

import json
import random
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any, NoReturn

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint

from tests.support.clients import ID, TOKEN, Script, Spelling, never, prediction
from tests.support.event_server import (
    END,
    HEAD,
    OUTPUTS,
    STREAM_PATH,
    EventServer,
    Hold,
    Plan,
    chunk,
    chunks,
    event,
    events,
    streams,
    whole,
)
from tests.support.patience import PATIENCE
from tests.support.raw_server import http
from wriftai_anyio import APIResponseError, Client, NotFoundError, WriftAIError
from wriftai_anyio._predictions.event_reader import READ_AHEAD, READ_AHEAD_SIZE
from wriftai_anyio._transport import retries
from wriftai_anyio._transport.sse import ServerSentEvent
from wriftai_anyio.sandbox import Sandbox, Streaming
from wriftai_anyio.streams import AsyncPredictionStream, PredictionStreamEventType

DATA = [prediction("started"), *OUTPUTS, prediction(output=OUTPUTS)]
NOT_FOUND = b'HTTP/1.1 404 Not Found\r\ncontent-length: 23\r\nconnection: close\r\n\r\n{"detail": "no stream"}'


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_BACKOFF", 0.0)


def client_of(server: EventServer, spelling: Spelling) -> Client:
    return Client(TOKEN, server.base_url, backend=spelling.backend, timeout=5)


def read(server: EventServer, spelling: Spelling, **options: object) -> list[Any]:
    with client_of(server, spelling) as client:
        received: list[Any] = spelling.call(client.predictions, "stream", ID, **options)
        return received


class Received:
    """The ids of the events that came until the stream ended or broke off."""

    def __init__(self, server: EventServer, spelling: Spelling) -> None:
        self._server = server
        self._spelling = spelling
        self.ids: list[str] = []

    def read(self) -> None:
        with client_of(self._server, self._spelling) as client:
            if self._spelling.blocking:
                with client.predictions.stream(ID) as stream:
                    self.ids.extend(item["id"] for item in stream)
            else:
                anyio.run(self._read, client.predictions.async_stream(ID), backend=self._spelling.backend)

    async def _read(self, stream: AsyncPredictionStream) -> None:
        async with stream:
            async for item in stream:
                self.ids.append(item["id"])


def in_one_chunk(number: int, due: list[bytes]) -> bytes:
    return HEAD + chunk(b"".join(due)) + END


def closes_after_two_events(number: int, due: list[bytes]) -> bytes:
    return HEAD + chunks(due[:2]) + END


def drops_in_the_second_event(number: int, due: list[bytes]) -> bytes:
    return HEAD + chunk(due[0]) + chunk(due[1][:-7]) if due[1:] else HEAD + chunks(due) + END


def drops_in_a_chunk(number: int, due: list[bytes]) -> bytes:
    return HEAD + chunk(due[0]) + chunk(due[1])[:-9] if due[1:] else HEAD + chunks(due) + END


def sends_nothing_every_other_time(number: int, due: list[bytes]) -> bytes:
    return HEAD + chunks(due[:3] if number % 2 else [b": heartbeat\n\n"]) + END


def sends_byte_by_byte(number: int, due: list[bytes]) -> bytes:
    text = b"".join(due)
    return HEAD + chunks([text[index : index + 1] for index in range(len(text))]) + END


def cuts_anywhere(seed: int, cuts: int) -> Plan:
    generator = random.Random(seed)

    def plan(number: int, due: list[bytes]) -> bytes:
        return whole(number, due) if number >= cuts else whole(number, due[:20])[: generator.randint(1, 900)]

    return plan


@pytest.mark.parametrize(
    "plan",
    [
        whole,
        in_one_chunk,
        closes_after_two_events,
        drops_in_the_second_event,
        drops_in_a_chunk,
        sends_nothing_every_other_time,
        sends_byte_by_byte,
    ],
)
def test_every_event_comes_once_and_in_order(plan: Plan, spelling: Spelling) -> None:
    with EventServer(events(), plan) as server:
        received = read(server, spelling)
    assert [item["id"] for item in received] == [str(number) for number in range(1, len(DATA) + 1)]
    assert [item["data"] for item in received] == DATA
    assert [item["event"] for item in received] == ["init", *["output"] * len(OUTPUTS), "done"]
    assert {request.path for request in server.requests} == {STREAM_PATH}


def test_every_event_comes_once_through_a_relay_that_cuts_1000_connections_anywhere(spelling: Spelling) -> None:
    outputs = [f"word {number} " * (number % 5) for number in range(6000)]
    with EventServer(events(outputs), cuts_anywhere(seed=5, cuts=1000)) as server:
        received = read(server, spelling)
    assert [item["data"] for item in received[1:-1]] == outputs
    assert len(server.requests) > 1000


@pytest.mark.parametrize("streaming", [Streaming(close_after_events=2), Streaming(drop_in_event=True)])
def test_every_word_of_a_sandbox_comes_once(
    streaming: Streaming, sandbox: Sandbox, spelling: Spelling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "streaming", streaming)
    with Client(TOKEN, sandbox.base_url, backend=spelling.backend) as client:
        params = {"input": {"text": "to be or not to be"}}
        received = spelling.call(client.predictions, "create_stream", params, "sandbox/word-count")
    assert [item["data"] for item in received[1:-1]] == ["to ", "be ", "or ", "not ", "to ", "be"]
    assert received[-1]["data"]["output"] == {"to": 2, "be": 2, "or": 1, "not": 1}


@pytest.mark.parametrize("last", ["done", "error"])
def test_stops_after_the_last_event_whatever_comes_then(last: str, spelling: Spelling) -> None:
    with EventServer([*events(last=last), event(99, "output", "more")], in_one_chunk) as server:
        received = read(server, spelling)
    assert received[-1]["event"] is PredictionStreamEventType(last)
    assert len(server.requests) == 1


def test_begins_after_the_event_asked_for_and_asks_for_the_idle_time(spelling: Spelling) -> None:
    with EventServer(events(), closes_after_two_events) as server:
        received = read(server, spelling, after_id="4", wait=2.5)
    assert [item["id"] for item in received] == ["5", "6", "7", "8", "9"]
    assert [request.after_id for request in server.requests] == ["4", "6", "8"]
    assert {request.headers["prefer"] for request in server.requests} == {"wait=2.5"}
    assert {request.headers["accept-encoding"] for request in server.requests} == {"identity"}


def test_white_space_around_the_data_is_no_part_of_it(spelling: Spelling) -> None:
    spaced = b"id: 2\nevent: output\ndata:\ndata:\t [1,\ndata: 2] \n\n"
    with EventServer([events()[0], spaced, events()[-1]], in_one_chunk) as server:
        assert read(server, spelling)[1]["data"] == [1, 2]


def test_an_event_that_is_newer_than_the_package_keeps_its_name(spelling: Spelling) -> None:
    with EventServer([event(1, "queue", {"position": 3}), *events()[1:]], whole) as server:
        first = read(server, spelling)[0]
    assert first == {"id": "1", "event": "queue", "data": {"position": 3}}
    assert type(first["event"]) is str


def test_a_stream_that_is_gone_is_a_typed_error_also_between_its_events(spelling: Spelling) -> None:
    def plan(number: int, due: list[bytes]) -> bytes:
        return NOT_FOUND if number else closes_after_two_events(number, due)

    with EventServer(events(), plan) as server, pytest.raises(NotFoundError, match="no stream") as caught:
        read(server, spelling)
    assert TOKEN not in repr(vars(caught.value)) + repr(caught.value.request.headers)


def test_pieces_of_a_stream_that_is_gone_are_not_taken_for_the_whole_output(spelling: Spelling) -> None:
    whole_output = http(json.dumps(prediction(output="".join(OUTPUTS))).encode(), "connection: close")

    def plan(number: int, due: list[bytes]) -> bytes:
        return [closes_after_two_events(number, due), NOT_FOUND, whole_output][number]

    async def read_text() -> str:
        return await client.predictions.async_stream(ID).async_text()

    with EventServer(events(), plan) as server, client_of(server, spelling) as client:
        with pytest.raises(NotFoundError, match="no stream"):
            if spelling.blocking:
                client.predictions.stream(ID).text()
            else:
                anyio.run(read_text, backend=spelling.backend)


def test_a_server_that_always_closes_at_once_is_given_up(spelling: Spelling) -> None:
    problem = "8 times in a row without an event"
    with EventServer([], whole) as server, pytest.raises(APIResponseError, match=problem) as caught:
        read(server, spelling)
    assert len(server.requests) == 8
    assert "authorization" not in caught.value.response.request.headers


def test_an_event_without_end_is_an_error_and_not_endless_memory() -> None:
    problem = "an event does not end within"
    with EventServer([b"x" * 2**20] * 70, whole) as server, pytest.raises(APIResponseError, match=problem):
        read(server, Spelling("blocking-asyncio"))


@pytest.mark.parametrize("data", [b"not JSON", b"1 2"])
def test_an_event_that_is_no_json_is_an_error_after_the_events_before(spelling: Spelling, data: bytes) -> None:
    bad = b"id: 2\nevent: output\ndata: " + data + b"\n\n"
    with EventServer([events()[0], bad, *events()[2:]], in_one_chunk) as server:
        received = Received(server, spelling)
        with pytest.raises(APIResponseError, match="not JSON"):
            received.read()
    assert received.ids == ["1"]


@pytest.mark.parametrize("data", [None, "succeeded", {"status": "succeeded"}, {"id": ID}])
def test_an_event_without_a_whole_prediction_comes_as_it_is_and_is_not_kept(spelling: Spelling, data: Any) -> None:
    script = Script(streams(event(1, "init", prediction("started")), event(2, "done", data)))
    client = spelling.client(script)
    if spelling.blocking:
        stream = client.predictions.stream(ID)
        received = list(stream)
        kept = stream.prediction
    else:
        received, kept = anyio.run(read_both, client, backend=spelling.backend)
    assert received[-1] == {"id": "2", "event": PredictionStreamEventType.DONE, "data": data}
    assert kept is not None
    assert kept["status"] == "started"


async def read_both(client: Client) -> Any:
    stream = client.predictions.async_stream(ID)
    return [item async for item in stream], stream.prediction


def test_a_stream_of_events_without_ids_is_not_connected_again_since_that_would_repeat_them(spelling: Spelling) -> None:
    without_ids = [b'event: output\ndata: "a"\n\n']
    with EventServer(without_ids, whole) as server:
        received = Received(server, spelling)
        with pytest.raises(APIResponseError, match="no ids"):
            received.read()
    assert (received.ids, len(server.requests)) == ([""], 1)


def test_events_without_ids_come_whole_over_one_connection(spelling: Spelling) -> None:
    without_ids = [b'event: output\ndata: "a"\n\n', b"event: done\ndata: null\n\n"]
    with EventServer(without_ids, whole) as server:
        assert [item["data"] for item in read(server, spelling)] == ["a", None]


def test_the_prediction_is_as_the_last_event_had_it() -> None:
    with EventServer(events(), closes_after_two_events) as server, Client(TOKEN, server.base_url) as client:
        stream = client.predictions.stream(ID)
        seen = [stream.prediction]
        seen += [stream.prediction for _ in stream]
    assert [state and state["status"] for state in seen] == [None, *["started"] * (len(DATA) - 1), "succeeded"]
    assert {state["url"] for state in seen if state} == {f"{server.base_url}/predictions/{ID}"}


class Texts:
    """Reads the text of a stream in one of the spellings."""

    def __init__(self, spelling: Spelling) -> None:
        self._spelling = spelling

    def of(self, server: EventServer) -> str:
        with client_of(server, self._spelling) as client:
            if self._spelling.blocking:
                return client.predictions.stream(ID).text()
            return anyio.run(client.predictions.async_stream(ID).async_text, backend=self._spelling.backend)


@pytest.fixture
def texts(spelling: Spelling) -> Texts:
    return Texts(spelling)


def test_text_is_the_joined_output(texts: Texts) -> None:
    with EventServer(events(), drops_in_the_second_event) as server:
        assert texts.of(server) == "".join(OUTPUTS)


@pytest.mark.parametrize(("output", "text"), [("all at once", "all at once"), (None, ""), ("", "")])
def test_text_is_the_whole_output_where_no_piece_was_streamed(texts: Texts, output: object, text: str) -> None:
    only_ends = [event(1, "init", prediction("started")), event(2, "done", prediction(output=output))]
    with EventServer(only_ends, whole) as server:
        assert texts.of(server) == text


def test_text_after_the_pieces_is_not_the_whole_output_again(spelling: Spelling) -> None:
    with EventServer(events(), whole) as server, client_of(server, spelling) as client:
        last_piece = str(len(OUTPUTS) + 1)
        if spelling.blocking:
            assert client.predictions.stream(ID, last_piece).text() == ""
        else:
            stream = client.predictions.async_stream(ID, last_piece, 30)
            assert anyio.run(stream.async_text, backend=spelling.backend) == ""


def test_an_event_of_another_prediction_is_an_error_and_not_kept(spelling: Spelling) -> None:
    other = [event(1, "init", prediction("started")), event(2, "done", prediction(id="someone-elses"))]
    with EventServer(other, whole) as server:
        received = Received(server, spelling)
        with pytest.raises(APIResponseError, match="another prediction, 'someone-elses'"):
            received.read()
    assert received.ids == ["1"]


def test_text_of_a_prediction_that_fails_is_an_error_that_says_why(texts: Texts) -> None:
    with EventServer(events(last="error"), whole) as server, pytest.raises(WriftAIError, match="out of memory"):
        texts.of(server)


def test_text_of_another_output_is_an_error(texts: Texts) -> None:
    with (
        EventServer(events([{"a": 1}]), whole) as server,
        pytest.raises(ValueError, match="not a string but a JSON dict"),
    ):
        texts.of(server)


@pytest.fixture
def held() -> Iterator[EventServer]:
    """Sends two events, holds the connection until the client leaves, and sends the others on the next ones."""

    def plan(number: int, due: list[bytes]) -> bytes | Hold:
        return whole(number, due) if number else Hold(HEAD + chunks(due[:2]))

    with EventServer(events(), plan) as server:
        yield server


def test_leaving_the_block_early_frees_the_connection(held: EventServer, spelling: Spelling) -> None:
    async def leave_early() -> None:
        async with client.predictions.async_stream(ID) as stream:
            async for _ in stream:
                break
        assert await anyio.to_thread.run_sync(held.left.wait, PATIENCE)

    with client_of(held, spelling) as client:
        if spelling.blocking:
            with client.predictions.stream(ID) as stream:
                for _ in stream:
                    break
            assert held.left.wait(PATIENCE)
        else:
            anyio.run(leave_early, backend=spelling.backend)
    assert len(held.requests) == 1


def test_a_closed_stream_gives_what_it_has_read_and_ends(held: EventServer, spelling: Spelling) -> None:
    async def read_and_close() -> list[str]:
        stream = client.predictions.async_stream(ID)
        first = await anext(stream)
        await stream.aclose()
        await stream.aclose()
        return [first["id"]] + [item["id"] async for item in stream]

    with client_of(held, spelling) as client:
        if spelling.blocking:
            stream = client.predictions.stream(ID)
            received = [next(stream)["id"]]
            stream.close()
            stream.close()
            received += [item["id"] for item in stream]
        else:
            received = anyio.run(read_and_close, backend=spelling.backend)
    assert received in (["1"], ["1", "2"])
    assert held.left.wait(PATIENCE)


def test_closing_in_another_thread_ends_a_blocking_read(held: EventServer) -> None:
    with Client(TOKEN, held.base_url) as client:
        stream = client.predictions.stream(ID)
        received = [next(stream)["id"], next(stream)["id"]]
        closer = threading.Timer(0.05, stream.close)
        closer.start()
        assert list(stream) == []
        closer.join(PATIENCE)
    assert received == ["1", "2"]


def test_closing_in_another_thread_ends_a_blocking_read_that_has_no_answer_yet() -> None:
    with Client(TOKEN, transport=Script(never)) as client:
        stream = client.predictions.stream(ID)
        closer = threading.Timer(0.05, stream.close)
        closer.start()
        assert list(stream) == []
        closer.join(PATIENCE)
        assert not closer.is_alive()


def test_a_blocking_stream_reads_ahead_within_a_size() -> None:
    sent: list[int] = []
    large = "x" * (READ_AHEAD_SIZE // 4)

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                sent.append(len(sent) + 1)
                await checkpoint()
                yield event(sent[-1], "output", large)

    headers = {"content-type": "text/event-stream"}
    script = Script(lambda _: httpx.Response(200, headers=headers, stream=Endless()))
    with Client(TOKEN, transport=script) as client, client.predictions.stream(ID) as stream:
        assert next(stream)["id"] == "1"
        for _ in range(2000):
            if len(sent) < 4:
                time.sleep(0.001)
        time.sleep(0.01)
        assert len(sent) <= 6
        assert [next(stream)["id"] for _ in range(9)] == [str(number) for number in range(2, 11)]


class _TakenMeanwhile(deque[ServerSentEvent]):
    """As on a Python without the GIL, where another thread takes events: it cannot be looked through."""

    def copy(self) -> NoReturn:
        raise RuntimeError("deque mutated during iteration")

    def __iter__(self) -> NoReturn:
        raise RuntimeError("deque mutated during iteration")


def test_a_blocking_stream_never_looks_through_the_events_that_another_thread_takes() -> None:
    body = b"".join(event(number, "output", "x") for number in range(1, 20)) + event(20, "done", prediction())
    script = Script(lambda _: httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body))
    with Client(TOKEN, transport=script) as client, client.predictions.stream(ID) as stream:
        stream._reader.events = _TakenMeanwhile()
        assert [each["id"] for each in stream] == [str(number) for number in range(1, 21)]


def test_a_blocking_stream_reads_ahead_within_bounds() -> None:
    sent: list[int] = []

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                sent.append(len(sent) + 1)
                await checkpoint()
                yield event(sent[-1], "output", "x")

    headers = {"content-type": "text/event-stream"}
    script = Script(lambda _: httpx.Response(200, headers=headers, stream=Endless()))
    with Client(TOKEN, transport=script) as client, client.predictions.stream(ID) as stream:
        assert next(stream)["id"] == "1"
        for _ in range(2000):
            if len(sent) < READ_AHEAD:
                time.sleep(0.001)
        time.sleep(0.01)
        assert len(sent) <= READ_AHEAD + 1
        assert [next(stream)["id"] for _ in range(2 * READ_AHEAD)] == [
            str(number) for number in range(2, 2 * READ_AHEAD + 2)
        ]


def test_threads_may_share_a_blocking_stream() -> None:
    outputs = list(range(500))
    received: list[str] = []
    with EventServer(events(outputs), closes_after_two_events) as server, Client(TOKEN, server.base_url) as client:
        stream = client.predictions.stream(ID)
        threads = [threading.Thread(target=lambda: received.extend(item["id"] for item in stream)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert sorted(received, key=int) == [str(number) for number in range(1, len(outputs) + 3)]


def test_a_blocking_read_inside_an_event_loop_is_refused_by_name(anyio_backend: str) -> None:
    async def block() -> None:
        list(client.predictions.stream(ID))

    client = Client(TOKEN)
    with pytest.raises(RuntimeError, match="async_stream"):
        anyio.run(block, backend=anyio_backend)


@pytest.mark.parametrize(
    "options",
    [
        *({"wait": wait} for wait in (0, -1.0, float("nan"), float("inf"))),
        *({"after_id": after_id} for after_id in ("", "x" * 5000)),
    ],
)
def test_arguments_that_cannot_be_right_are_refused_before_anything_is_sent(options: dict[str, Any]) -> None:
    client = Client(TOKEN)
    with pytest.raises(ValueError, match=next(iter(options))):
        client.predictions.stream(ID, **options)
    with pytest.raises(ValueError, match=next(iter(options))):
        client.predictions.async_stream(ID, **options)
    with pytest.raises(ValueError, match="prediction_id"):
        client.predictions.stream("")


def test_data_is_told_as_the_json_that_it_is(spelling: Spelling) -> None:
    values: list[object] = [None, True, 1.5, [], {"a": ["\u2028"]}, "text"]
    with EventServer(events(values), whole) as server:
        received = read(server, spelling)
    assert json.dumps([item["data"] for item in received[1:-1]]) == json.dumps(values)
