import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from wriftai_anyio.sandbox import Sandbox, Streaming

from .helpers import Connect, poll

TEXT = " The cat\u2028 saw\n\nthe cat. "
WORDS = {"model": "sandbox/word-count", "input": {"text": TEXT}, "stream": True}
Events = list[dict[str, Any]]


def decode(stream: str) -> Events:
    """Return the whole events of a stream, without its comments."""
    events: Events = []
    for block in stream.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if fields:
            events.append({**fields, "data": json.loads(fields["data"])})
    return events


def create(http: httpx.Client, body: Any = WORDS) -> str:
    """Create a prediction that streams and return the path of its stream."""
    return f"/predictions/{http.post('/predictions', json=body).json()['id']}/stream"


def follow(http: httpx.Client, path: str) -> Events:
    """Return all events of a stream, connecting again as often as it needs."""
    events: Events = []
    while not events or events[-1]["event"] not in {"done", "error"}:
        received = b""
        try:
            with http.stream("GET", path, params={"after_id": len(events)}) as answer:
                for chunk in answer.iter_bytes():
                    received += chunk
        except httpx.RemoteProtocolError:
            received = received[: received.rfind(b"\n\n") + 2]
        events += decode(received.decode())
    return events


def outputs(events: Events) -> list[Any]:
    return [event["data"] for event in events if event["event"] == "output"]


def test_a_stream_has_every_event_in_order(http: httpx.Client) -> None:
    answer = http.get(create(http))
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = decode(answer.text)
    assert [event["event"] for event in events] == ["init", *["output"] * 5, "done"]
    assert [event["id"] for event in events] == ["1", "2", "3", "4", "5", "6", "7"]
    assert events[0]["data"]["status"] == "pending"
    assert events[0]["data"]["stream"] is True
    assert events[-1]["data"]["output"] == {"the": 2, "cat": 2, "saw": 1}
    assert "".join(outputs(events)) == TEXT
    assert "\u2028" in answer.text


def test_a_stream_goes_on_after_an_event(http: httpx.Client) -> None:
    path = create(http)
    whole = decode(http.get(path).text)
    assert decode(http.get(path, params={"after_id": "5"}).text) == whole[5:]
    assert http.get(path, params={"after_id": "7"}).text == ""


def test_a_create_that_waits_is_answered_by_the_stream_itself(http: httpx.Client) -> None:
    answer = http.post("/predictions", json=WORDS, headers={"prefer": "wait"})
    assert answer.status_code == 201
    events = decode(answer.text)
    assert answer.headers["location"].endswith(events[0]["data"]["id"])
    assert events[-1]["event"] == "done"


def test_a_failure_ends_the_stream_with_an_error(sandbox: Sandbox, http: httpx.Client) -> None:
    def stumble(_given: Any) -> Iterator[int]:
        yield 1
        raise LookupError("lost")

    sandbox.models["me/stumble"] = stumble
    events = decode(http.get(create(http, {"model": "me/stumble", "input": {}, "stream": True})).text)
    assert [event["event"] for event in events] == ["init", "output", "error"]
    assert events[-1]["data"]["message"] == "lost"


def test_a_cancel_ends_the_stream(http: httpx.Client) -> None:
    path = create(http, {"model": "sandbox/sleep", "input": {"seconds": 60}, "stream": True})
    http.post(path.replace("/stream", "/cancel"))
    assert decode(http.get(path).text)[-1]["data"]["status"] == "cancelled"


def test_generators_yield_their_output(sandbox: Sandbox, http: httpx.Client) -> None:
    def numbers(given: Any) -> Iterator[int]:
        yield from range(given["count"])

    async def letters(given: Any) -> AsyncIterator[str]:
        for letter in given["text"]:
            yield letter

    sandbox.models.update({"me/numbers": numbers, "me/letters": letters})
    cases = [
        ("me/numbers", {"count": 3}, [0, 1, 2], [0, 1, 2]),
        ("me/letters", {"text": "ab\ud83d"}, ["a", "b", "\ud83d"], "ab\ud83d"),
    ]
    for model, given, parts, output in cases:
        for streams in (True, False):
            body = json.dumps({"model": model, "input": given, "stream": streams})
            prediction_id = http.post("/predictions", content=body).json()["id"]
            assert poll(http, prediction_id, "succeeded")["output"] == output
            if streams:
                assert outputs(decode(http.get(f"/predictions/{prediction_id}/stream").text)) == parts


def test_a_part_that_is_no_json_is_a_failure(sandbox: Sandbox, http: httpx.Client) -> None:
    def odd(_given: Any) -> Iterator[object]:
        yield object()

    sandbox.models["me/odd"] = odd
    events = decode(http.get(create(http, {"model": "me/odd", "input": {}, "stream": True})).text)
    assert [event["event"] for event in events] == ["init", "error"]


def test_without_stream_there_is_none(http: httpx.Client) -> None:
    assert http.get(create(http, {"model": "sandbox/echo", "input": {}})).status_code == 404


def test_an_event_id_that_is_none_is_refused(http: httpx.Client) -> None:
    answer = http.get(create(http), params={"after_id": "x"})
    assert answer.json()["detail"][0]["loc"] == ["query", "after_id"]


@pytest.mark.parametrize(
    ("streaming", "connections"),
    [
        (Streaming(close_after_events=2), 4),
        (Streaming(drop_in_event=True), 7),
        (Streaming(drop_in_event=True, close_after_events=3), 3),
    ],
)
def test_connections_can_be_closed_or_broken_off(
    sandbox: Sandbox, http: httpx.Client, streaming: Streaming, connections: int
) -> None:
    path = create(http)
    whole = decode(http.get(path).text)
    sandbox.streaming = streaming
    before = len(sandbox.requests)
    assert follow(http, path) == whole
    assert len(sandbox.requests) - before == connections


def test_a_broken_off_event_is_half_there(sandbox: Sandbox, http: httpx.Client) -> None:
    path = create(http)
    whole = http.get(path).text
    sandbox.streaming = Streaming(drop_in_event=True)
    received = b""
    with http.stream("GET", path) as answer, pytest.raises(httpx.RemoteProtocolError):
        for chunk in answer.iter_bytes():
            received += chunk
    assert whole.startswith(received.decode())
    assert received.count(b"\n\n") == 1
    assert not received.endswith(b"\n\n")


def test_a_quiet_stream_sends_heartbeats_and_is_closed_when_idle(connect: Connect) -> None:
    sleep = {"model": "sandbox/sleep", "input": {"seconds": 600}, "stream": True}
    with Sandbox(setup_time=0, streaming=Streaming(heartbeat=2, idle=5), time_scale=100) as sandbox:
        http = connect(sandbox)
        path = create(http, sleep)
        whole = http.get(path)
        short = http.get(path, headers={"prefer": "wait=0.03"})
    assert whole.text.count(": heartbeat\n\n") == 3
    assert short.text.count(": heartbeat\n\n") == 2
    assert len(decode(whole.text)) == 1


def test_the_pace_of_a_stream_can_be_set(connect: Connect) -> None:
    with Sandbox(setup_time=0, streaming=Streaming(pace=0.01)) as sandbox:
        http = connect(sandbox)
        began = time.monotonic()
        http.get(create(http))
        assert time.monotonic() - began >= 0.05


def test_a_reset_restores_the_first_streaming(sandbox: Sandbox) -> None:
    sandbox.streaming = Streaming(close_after_events=1)
    sandbox.reset()
    assert sandbox.streaming == Streaming()


@pytest.mark.parametrize("wrong", [{"pace": -1.0}, {"idle": 0.0}, {"close_after_events": 0}])
def test_wrong_streaming_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="must"):
        Streaming(**wrong)
