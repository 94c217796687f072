"""A pure decoder of server-sent events, by the rules of the WHATWG: bytes in, events out."""

from typing import Final, NamedTuple

LONGEST_EVENT: Final = 64 * 2**20
"""Bytes that one event may take: `init` and `done` carry a prediction's whole input and output."""

_BYTE_ORDER_MARK = "\ufeff"
_CARRIAGE_RETURN = 0x0D
_MEDIA_TYPE = "text/event-stream"


class ServerSentEvent(NamedTuple):
    """One event as the stream had it.

    Attributes:
        id: The last id that the stream gave, with this event or before it; empty if there was none.
        event: The event's type; `message` where the stream named none.
        data: Its lines of data, joined by line feeds.
    """

    id: str
    event: str
    data: str


class EventTooLong(ValueError):  # noqa: N818 -- what is wrong, for the one caller that maps it
    """A line or an event of the stream does not end."""


class EventDecoder:
    """Decodes the bytes of one connection's stream; make a new one for each connection.

    The field `retry` is ignored: the reader has its own backoff. An event that is incomplete when the stream ends is
    discarded.

    Args:
        longest_event: Bytes that one event may take, at least; a chunk may go beyond it.
    """

    def __init__(self, longest_event: int = LONGEST_EVENT) -> None:
        self._longest_event = longest_event
        self._line = bytearray()
        self._held = 0
        self._at_start = True
        self._after_carriage_return = False
        self._id = ""
        self._event = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Takes the next bytes of the stream.

        Args:
            chunk: Any number of bytes, cut anywhere.

        Returns:
            The events that end in them, in order.

        Raises:
            EventTooLong: If the event that these bytes belong to is too long already.
        """
        if self._held > self._longest_event:
            raise EventTooLong(f"an event does not end within {self._longest_event} bytes")
        if self._after_carriage_return or _CARRIAGE_RETURN in chunk:
            chunk = self._with_line_feeds(chunk)
        self._held += len(chunk)
        whole, ending, rest = chunk.rpartition(b"\n")
        if not ending:
            self._line += chunk
            return []
        if self._line:
            whole = bytes(self._line) + whole
            self._line.clear()
        if rest:
            self._line += rest
        text = whole.decode("utf-8", "replace")
        if self._at_start:
            text = text.removeprefix(_BYTE_ORDER_MARK)
            self._at_start = False
        return self._take_lines(text.split("\n"), len(chunk))

    def unfinished(self, longest: int) -> bytes:
        """Returns the data of an event that has begun and not ended, as far as it has come.

        Args:
            longest: How many bytes of it, at most.
        """
        data = "\n".join(self._data).encode()[:longest]
        return data or bytes(self._line[:longest]).removeprefix(b"data:")

    def _with_line_feeds(self, chunk: bytes) -> bytes:
        if self._after_carriage_return and chunk:
            self._after_carriage_return = False
            chunk = chunk.removeprefix(b"\n")
        if chunk:
            self._after_carriage_return = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _take_lines(self, lines: list[str], fed: int) -> list[ServerSentEvent]:
        events: list[ServerSentEvent] = []
        for line in lines:
            if not line:
                if self._data:
                    events.append(ServerSentEvent(self._id, self._event or "message", "\n".join(self._data)))
                    self._data = []
                self._event = ""
                self._held = fed
                continue
            field, _, value = line.partition(": ")
            if ":" in field:
                field, _, value = line.partition(":")
            if field == "data":
                self._data.append(value)
            elif field == "event":
                self._event = value
            elif field == "id" and "\0" not in value:
                self._id = value
        return events


def is_event_stream(content_type: str | None) -> bool:
    """Whether an answer of this content type is an event stream; one that states none is taken for it."""
    return not content_type or content_type.partition(";")[0].strip().lower() == _MEDIA_TYPE
