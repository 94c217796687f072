import re

import pytest
from hypothesis import given

from tests.support.fuzzing import BATCH, Batch, batches, fuzzed
from wriftai_anyio._transport.sse import EventDecoder, EventTooLong, ServerSentEvent, is_event_stream

SPECIFICATION = {
    b"data: YHOO\ndata: +2\ndata: 10\n\n": [("", "message", "YHOO\n+2\n10")],
    b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n": [
        ("1", "message", "first event"),
        ("", "message", "second event"),
        ("", "message", " third event"),
    ],
    b"data\n\ndata\ndata\n\ndata:": [("", "message", ""), ("", "message", "\n")],
    b"data:test\n\ndata: test\n\n": [("", "message", "test"), ("", "message", "test")],
    b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n": [
        ("", "add", "73857293"),
        ("", "remove", "2153"),
        ("", "add", "113411"),
    ],
}
LINE_ENDINGS = {
    b"id: 1\r\nevent: output\r\ndata: a\r\n\r\nid: 2\r\ndata: b\r\n\r\n": [("1", "output", "a"), ("2", "message", "b")],
    b"id: 1\revent: output\rdata: a\r\rid: 2\rdata: b\r\r": [("1", "output", "a"), ("2", "message", "b")],
    b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\n": [("", "message", "a"), ("", "message", "b"), ("", "message", "c")],
    b"data: a\rdata: b\n\r": [("", "message", "a\nb")],
}
TEXTS = {
    "\ufeffdata: a\n\n".encode(): [("", "message", "a")],
    "\ufeff\ufeffdata: a\n\ndata: b\n\n".encode(): [("", "message", "b")],
    "data: a\n\n\ufeffdata: b\n\n".encode(): [("", "message", "a")],
    "data: \u2028\u0085\x0b\x0c\x1c é 😀\n\n".encode(): [("", "message", "\u2028\u0085\x0b\x0c\x1c é 😀")],
    b"data: \xf0\x9f\x98\ndata: \xff\n\n": [("", "message", "\ufffd\n\ufffd")],
    b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n": [("1", "message", "a"), ("1", "message", "b")],
    b"id: 1\n\ndata: a\n\n": [("1", "message", "a")],
    b"event: output\n\ndata: a\n\n": [("", "message", "a")],
    b"data: a\nretry: 5\nunknown: x\nData: y\n: heartbeat\n\n": [("", "message", "a")],
    b"": [],
    b"data: not whole\n": [],
}
EXAMPLES = {**SPECIFICATION, **LINE_ENDINGS, **TEXTS}

FRAGMENTS = [
    *(b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n", b":", b" ", b"data", b"id", b": beat", b"\0"),
    *(b"data: ", b"event: ", b"id: ", b"data:x\n", b"data: y\r", b"\ndata", b"id: 7\r\n", b"\revent:z\n"),
    *(
        b'"word"',
        "\ufeff".encode(),
        "\u2028".encode(),
        "\u0085".encode(),
        "😀".encode(),
        b"\xff",
        b"\xe2\x80",
        b"x" * 40,
    ),
]


def decoded(*chunks: bytes) -> list[ServerSentEvent]:
    decoder = EventDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def reference(stream: bytes) -> list[tuple[str, str, str]]:
    """Decodes a whole stream, line by line, as the specification's words say it."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = re.split("\r\n|\n|\r", text)[:-1]
    events: list[tuple[str, str, str]] = []
    last_id = event_type = data = ""
    for line in lines:
        if line == "":
            if data != "":
                events.append((last_id, event_type or "message", data[:-1]))
            event_type = data = ""
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                event_type = value
            elif field == "data":
                data += value + "\n"
            elif field == "id" and "\0" not in value:
                last_id = value
    return events


@pytest.mark.parametrize("stream", EXAMPLES)
def test_decodes_the_examples_as_the_specification_says(stream: bytes) -> None:
    assert decoded(stream) == EXAMPLES[stream]
    assert reference(stream) == EXAMPLES[stream]


@pytest.mark.parametrize("stream", EXAMPLES)
def test_decodes_the_same_at_every_split(stream: bytes) -> None:
    for first in range(len(stream) + 1):
        for second in range(first, len(stream) + 1):
            assert decoded(stream[:first], stream[first:second], stream[second:]) == EXAMPLES[stream]


@pytest.mark.parametrize("stream", EXAMPLES)
def test_decodes_the_same_byte_by_byte(stream: bytes) -> None:
    assert decoded(*(stream[index : index + 1] for index in range(len(stream)))) == EXAMPLES[stream]


@fuzzed(10_000, each=BATCH)
@given(batches)
def test_decodes_any_stream_as_the_reference_does(batch: Batch) -> None:
    for chance in batch:
        chunks = chance.choices(FRAGMENTS, k=chance.randint(0, 48))
        stream = b"".join(chunks)
        expected = reference(stream)
        cut = chance.randint(1, 9)
        assert decoded(*chunks) == expected, stream
        assert decoded(*(stream[index : index + cut] for index in range(0, len(stream), cut))) == expected, stream


def test_an_event_comes_out_with_the_carriage_return_that_ends_it() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: a\r\n\r") == [("", "message", "a")]
    assert decoder.feed(b"\n") == []


@pytest.mark.parametrize("chunk", [b"x" * 1000, b"data: x\n" * 125, b"data: x\r" * 125])
def test_an_event_that_does_not_end_is_an_error_and_not_endless_memory(chunk: bytes) -> None:
    decoder = EventDecoder(longest_event=10_000)
    for _ in range(11):
        assert decoder.feed(chunk) == []
    with pytest.raises(EventTooLong, match="10000 bytes"):
        decoder.feed(chunk)


def test_a_stream_of_any_length_is_fine_while_its_events_end() -> None:
    decoder = EventDecoder(longest_event=100)
    events = [event for _ in range(1000) for event in decoder.feed(b": beat\ndata: 0123456789\n\ndata: abc")]
    assert len(events) == 1000


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream; charset=utf-8", True),
        (None, True),
        ("application/json", False),
        ("text/event-stream-not", False),
    ],
)
def test_an_event_stream_is_told_by_its_content_type(content_type: str | None, expected: bool) -> None:
    assert is_event_stream(content_type) is expected
