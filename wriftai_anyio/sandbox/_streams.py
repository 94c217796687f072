"""A prediction's events as a server-sent event stream."""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import anyio

from wriftai_anyio.json_codec import encode_json

from ._checks import check_flags, check_seconds, check_whole
from ._clients import Connection
from ._log import Log


@dataclass(frozen=True)
class Streaming:
    """How a sandbox streams the events of predictions.

    Args:
        pace: Seconds that pass after each output event.
        heartbeat: Seconds without an event after which a comment is sent.
        idle: Seconds without an event after which the connection is closed, unless the client asks for a shorter
            time.
        close_after_events: The number of events after which each connection is closed.
        drop_in_event: Whether each connection is dropped in the middle of an event: the one after
            `close_after_events`, or else the second.

    Raises:
        ValueError: If a number is out of range.
    """

    pace: float = 0.0
    heartbeat: float = 15.0
    idle: float = 60.0
    close_after_events: int | None = None
    drop_in_event: bool = False

    def __post_init__(self) -> None:
        check_seconds(pace=self.pace)
        check_seconds(more_than_none=True, heartbeat=self.heartbeat, idle=self.idle)
        if self.close_after_events is not None:
            check_whole(1, close_after_events=self.close_after_events)
        check_flags(drop_in_event=self.drop_in_event)

    def faster(self, time_scale: float) -> "Streaming":
        """Returns the same settings with shorter durations.

        Args:
            time_scale: The factor by which they are shorter.

        Returns:
            The new settings.
        """
        return replace(
            self,
            pace=self.pace / time_scale,
            heartbeat=self.heartbeat / time_scale,
            idle=self.idle / time_scale,
        )

    @property
    def events_a_connection(self) -> int:
        """The most whole events that a connection carries."""
        if self.close_after_events is not None:
            return self.close_after_events
        return 1 if self.drop_in_event else sys.maxsize


def encode_event(number: int, kind: str, data: object) -> bytes:
    """Return a server-sent event.

    Args:
        number: Its number among the events of its prediction, from 1; also its id.
        kind: `init`, `output`, `error` or `done`.
        data: Its data.

    Raises:
        ValueError: If the data is not JSON.
        TypeError: If the data is not JSON.
    """
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (number, kind.encode(), _encode(data))


def _encode(data: object) -> bytes:
    """Return JSON with unescaped characters, like the API; only lone surrogates must be escaped."""
    try:
        return encode_json(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return encode_json(data, allow_nan=False, separators=(",", ":")).encode()


async def send_events(
    log: Log, last_seen: int, streaming: Streaming, idle: float, connection: Connection
) -> AsyncIterator[bytes]:
    """Yield the chunks of an event stream, until the stream or the connection ends.

    Args:
        log: The events.
        last_seen: The number of the last event that the client received.
        streaming: The heartbeats, and the faults.
        idle: Seconds without an event after which the stream is closed.
        connection: The client's connection.
    """
    allowed = streaming.events_a_connection
    quiet = 0.0
    while allowed and not log.ends_with(last_seen):
        events = log.after(last_seen)[:allowed]
        if events:
            yield b"".join(events)
            last_seen += len(events)
            allowed -= len(events)
            quiet = 0.0
        elif quiet < idle:
            patience = min(streaming.heartbeat, idle - quiet)
            with anyio.move_on_after(patience) as waiting:
                await log.wait_for_more(last_seen)
            if waiting.cancelled_caught:
                quiet += patience
                yield b": heartbeat\n\n"
        else:
            return
    if streaming.drop_in_event and not log.ends_with(last_seen):
        await log.wait_for_more(last_seen)
        event = log.after(last_seen)[0]
        yield event[: len(event) // 2]
        connection.close()
        await connection.closed.wait()
