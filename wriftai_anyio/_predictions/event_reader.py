"""The events of one prediction, each once and in order, over as many connections as that takes.

    create ──► reading ──► `done` or `error`: ended
                 │  ▲
       closed or │  │ GET …/stream?after_id=<the last event read>
         broken  ▼  │
              recovering ── several times in a row without an event: given up

A create is sent once: if it breaks before its first event, its outcome is unknown, and only events tell the id to go
on with. An idle connection that the server closes is not a fault, and does not count. What is read is kept before
anything else is awaited, so that a read that is cancelled loses no event.
"""

import math
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio
import httpx

from wriftai_anyio._instrumentation.log import logger, reason
from wriftai_anyio._instrumentation.observer import NOBODY
from wriftai_anyio._instrumentation.shown import shown_response
from wriftai_anyio._parsing.arguments import shown
from wriftai_anyio._parsing.ids import is_id, is_same_id
from wriftai_anyio._parsing.shapes import LONGEST_SENT_BACK
from wriftai_anyio._polling.options import DEFAULT_ASYNC_WAIT_OPTIONS
from wriftai_anyio._resources.paths import prediction_path
from wriftai_anyio._transport.bodies import BEGINNING, DecodedChunks, UnreadableBody, abandon, close, close_later
from wriftai_anyio._transport.failures import connection_error, response_error
from wriftai_anyio._transport.retries import backoff
from wriftai_anyio._transport.sse import EventDecoder, EventTooLong, ServerSentEvent, is_event_stream
from wriftai_anyio._types.json import JsonValue
from wriftai_anyio._types.prediction import PredictionWithIO, Status
from wriftai_anyio.api import API
from wriftai_anyio.errors import (
    APIConnectionError,
    APIResponseError,
    APITimeoutError,
    InternalServerError,
    WriftAIError,
)
from wriftai_anyio.json_codec import id_in_json

from .create import Create, Hold
from .create_outcome import outcome_told, outcome_unknown

if TYPE_CHECKING:
    from .operations import Operations  # imported with the first call

TERMINAL_EVENTS: Final = frozenset({"done", "error"})
FRUITLESS_CONNECTIONS: Final = 8
"""How many connections in a row may break, or close at once, without an event."""
READ_AHEAD: Final = 256
"""Events that may be read before a blocking caller asks for them."""
READ_AHEAD_SIZE: Final = 4 * 2**20
"""Characters of data that they may hold in all; a single event may hold more."""
SHORTEST_IDLE: Final = 1.0
"""Seconds from which on a connection without an event counts as closed for being idle."""
RECENT_IDS: Final = 1000
"""Ids of the last events, by which those are known that a server sends again."""
LONGEST_FAREWELL: Final = 0.05
"""Seconds for the end of an answer after the last event, so that its connection can be used again."""

_HEADERS: Final = {"accept": "text/event-stream", "accept-encoding": "identity"}


class _EventConnection:
    """The new events that come over one connection.

    Args:
        response: The answer that holds them.
        known_ids: The ids of the first event of the connections before, and of the latest.
        last_id: The id of the last event of those, which this one was asked to begin after.
    """

    def __init__(self, response: httpx.Response, known_ids: Collection[str] = (), last_id: str | None = None) -> None:
        self._response = response
        self._last_id = last_id
        self._known_ids = known_ids
        self._repeats: bool | None = None if last_id else False
        self.fruitful = False
        self._opened = anyio.current_time()
        self._decoder = EventDecoder()
        self._chunks = _chunks_of(response)

    async def read(self) -> list[ServerSentEvent]:
        """Returns the next events that came together; none when the server has closed the connection.

        Raises:
            APIConnectionError: If the connection broke.
            APIResponseError: If what came is not an event stream of the API.
        """
        try:
            async for chunk in self._chunks:
                events = self._decoder.feed(chunk)
                if events and self._repeats is not False:
                    events = self._without_repeated(events)
                if events:
                    self.fruitful = True
                    return events
        except httpx.RequestError as error:
            received = shown_response(self._response, self._unfinished())
            raise connection_error(self._response.request, error, received) from error
        except (EventTooLong, UnreadableBody) as error:
            raise self.unpromised(str(error)) from None
        return []

    def _without_repeated(self, events: list[ServerSentEvent]) -> list[ServerSentEvent]:
        """Leaves out what is sent again by a server that begins with the first event, the last, or one before it.

        Which of them a server does with `after_id`, if any, shows in the first event that comes.
        """
        if self._repeats is None:
            self._repeats = events[0].id in self._known_ids
        for count, event in enumerate(events):
            if not self._repeats or event.event in TERMINAL_EVENTS:
                return events[count:]
            self._repeats = event.id != self._last_id
        return []

    def was_idle(self, asked: float | None) -> bool:
        """Whether it lasted so long that the server may well close it, though there was no event."""
        shortest = SHORTEST_IDLE if asked is None else min(SHORTEST_IDLE, asked / 2)
        return anyio.current_time() - self._opened >= shortest

    def unpromised(self, problem: str) -> APIResponseError:
        """Makes the error for an answer that is not what the API promises."""
        return response_error(self._response, problem, self._unfinished())

    def _unfinished(self) -> bytes:
        # Of the first event alone: it may tell the id of a prediction that nothing else does.
        return b"" if self.fruitful else self._decoder.unfinished(BEGINNING)

    def drop(self) -> None:
        """Leaves the connection to be closed later; for a finalizer."""
        close_later(self._response, self.aclose)

    async def aclose(self, patience: float = 0.0) -> None:
        """Closes the connection, after so many seconds unless its end comes before."""
        try:
            with suppress(Exception):
                await abandon(self._chunks, patience)
        finally:
            await close(self._response)


def _chunks_of(response: httpx.Response) -> AsyncIterator[bytes]:
    stream = response.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        return response.aiter_bytes()
    return DecodedChunks(aiter(stream), response) if "content-encoding" in response.headers else aiter(stream)


class EventReader:
    """Reads the events of a prediction, and connects again where a connection ends before the last event.

    Args:
        api: What sends the requests.
        operations: Sends the create.
        source: The id of the prediction, or what makes the create whose answer begins the stream.
        after_id: The id of the event to begin after.
        wait: Seconds without an event after which the server is asked to close the connection.

    Attributes:
        events: Those that were read and not taken yet.
        has_output: Whether an event held a piece of the output.
        failure: What an `error` event said, if there was one.
        prediction_id: The prediction's id; `None` before it is created.
        ended: Whether there are no more events but those that were read.

    Raises:
        ValueError: If `after_id` or `wait` cannot be right.
    """

    def __init__(
        self,
        api: API,
        operations: "Operations",
        source: str | Callable[[], Awaitable[Create]],
        *,
        after_id: str | None = None,
        wait: float | None = None,
    ) -> None:
        if after_id is not None and not (isinstance(after_id, str) and after_id):
            raise ValueError(f"after_id must be the id of an event, or None, not {shown(after_id)}.")
        if after_id is not None and len(after_id) > LONGEST_SENT_BACK:
            raise ValueError(f"after_id is longer than {LONGEST_SENT_BACK:,} characters.")
        if wait is not None and not _is_duration(wait):
            raise ValueError(f"wait must be seconds, more than 0, or None, not {shown(wait)}.")
        self.events: deque[ServerSentEvent] = deque()
        # Each is written by one thread alone: that of the event loop, and that which takes the events.
        self._size_read = 0
        self._size_taken = 0
        # Of events before the one to begin after it is not known whether they held output.
        self.has_output: bool = after_id is not None
        self.failure: JsonValue = None
        self.prediction_id: str | None = source if isinstance(source, str) else None
        self.ended: bool = False
        self._api = api
        self._operations = operations
        self._prepare = None if isinstance(source, str) else source
        self._first_id: str | None = None
        self._last_id = after_id
        self._recent_ids = deque([] if after_id is None else [after_id], maxlen=RECENT_IDS)
        self._wait = wait
        self._guard = anyio.ResourceGuard("reading from")
        self._connection: _EventConnection | None = None
        self._latest: _EventConnection | None = None
        self._fruitless = 0
        self._accepted = False
        self._is_left = False
        self._unobserved = api.observer is NOBODY
        self._taken: anyio.Event | None = None

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        connection: _EventConnection | None = getattr(self, "_connection", None)
        if connection is not None and not is_finalizing():
            connection.drop()

    async def read(self) -> bool:
        """Reads on until there are more events; `False` when there are none after the last.

        Raises:
            CreateOutcomeUnknown: If the create broke before its first event.
            APIStatusError: If the API refuses.
            APIConnectionError: If nothing comes back any more.
            APIResponseError: If an answer is not what the API promises.
        """
        with self._guard:
            try:
                while not self.ended:
                    events = await (self._step() if self._unobserved else self._observed_step())
                    if events:
                        self._take(events)
                        if self.ended:
                            await self._leave_connection(LONGEST_FAREWELL)
                        return True
            except BaseException as error:
                self.ended |= isinstance(error, Exception)
                await self._leave_connection()
                raise
        return False

    async def read_ahead(self, notify: Callable[[], None]) -> None:
        """Reads for another thread, to the end; pauses while there are enough events for it to be busy with.

        Args:
            notify: Called whenever there are more.

        Raises:
            WriftAIError: As `read` does.
        """
        try:
            while await self.read():
                notify()
                await self._room()
        finally:
            await self._leave_connection()

    async def _room(self) -> None:
        if not self._is_full:
            return
        taken = self._taken = anyio.Event()
        # Once more: the thread that takes them may have come to their end before there was anything to set.
        if self._is_full:
            await taken.wait()
        self._taken = None

    @property
    def _is_full(self) -> bool:
        # From counts and not from the events, which another thread takes meanwhile: on a Python without the GIL (seen
        # on 3.13) a deque can be neither copied nor iterated over then.
        return len(self.events) >= READ_AHEAD or self._size_read - self._size_taken > READ_AHEAD_SIZE

    def take_event(self) -> ServerSentEvent:
        """Returns the first of `events` and removes it; in one thread at a time."""
        event = self.events.popleft()
        self._size_taken += len(event.data)
        return event

    def go_on(self) -> None:
        """Ends the pause of `read_ahead`, if there is one; on the event loop."""
        if self._taken is not None:
            self._taken.set()

    async def async_ended(self) -> PredictionWithIO:
        """Returns the prediction when it has ended; of which no event told it whole."""
        if self.prediction_id is None:
            raise WriftAIError("The stream was closed before its prediction was created.")
        return await self._operations.wait(self.prediction_id, DEFAULT_ASYNC_WAIT_OPTIONS)

    @property
    def paused(self) -> bool:
        """Whether `read_ahead` waits until somebody lets it go on."""
        return self._taken is not None

    def leave_block(self) -> None:
        """Notes that the block of the stream ends: to read on is an error then, unless the stream has ended, too."""
        self._is_left = not self.ended

    def check_block(self) -> None:
        """Refuses to read on after the end of the block.

        Raises:
            RuntimeError: If the block ended before the stream, and what was read until then was taken.
        """
        if not self._is_left or self.events:
            return
        known = self.prediction_id
        after = f", after_id={self._last_id!r}" if self._last_id is not None else ""
        raise RuntimeError(
            "This stream's block has ended before its last event. Read it inside the block"
            + (f"; predictions.stream({known!r}{after}) reads on." if known else ".")
        )

    def end(self) -> None:
        """Ends the stream: there are no more events then but those that were read."""
        self.ended = True
        if self.prediction_id is not None:
            self._api.observer.left(self.prediction_id)

    def tell_state(self, prediction: PredictionWithIO) -> None:
        """Tells those who look on the state that an event has brought.

        Raises:
            APIResponseError: If it is the state of another prediction.
        """
        if self.prediction_id is None or not is_same_id(prediction["id"], self.prediction_id):
            raise self.unpromised(f"an event is of another prediction, {prediction['id']!r}")
        self._api.observer.seen(prediction)

    def tell_failure(self) -> None:
        """Tells those who look on that the prediction has failed: an event said so, without the prediction."""
        if self.prediction_id is not None:
            self._api.observer.seen({"id": self.prediction_id, "status": Status.failed})

    async def aclose(self) -> None:
        """Ends the stream and closes the connection."""
        self.end()
        await self._leave_connection()

    def unpromised(self, problem: str) -> APIResponseError:
        """Makes the error for an event that is not what the API promises."""
        if self._latest is None:
            raise AssertionError("an event came without a connection")
        return self._latest.unpromised(problem)

    async def _observed_step(self) -> list[ServerSentEvent]:
        if self.prediction_id is None:
            return await self._step()
        with self._api.observer.following(self.prediction_id):
            return await self._step()

    async def _step(self) -> list[ServerSentEvent]:
        try:
            if self._connection is None:
                if self.prediction_id is None:
                    return await self._create()
                self._connection = self._latest = await self._resume(self.prediction_id)
            events = await self._connection.read()
        except (APIConnectionError, InternalServerError) as error:
            if not self._accepted:
                raise
            await self._recover(error)
            return []
        if not events:
            await self._recover(None)
        return events

    async def _create(self) -> list[ServerSentEvent]:
        if self._prepare is None:
            raise outcome_unknown("it was left before its first event")
        create = await self._prepare()
        self._prepare = None
        with self._api.observer.creating(create) as created:
            events = await self._open(create)
            if self.prediction_id is not None:
                created({"id": self.prediction_id})
        return events

    async def _open(self, create: Create) -> list[ServerSentEvent]:
        """Sends the create, and returns its first events; none where the server answers with the prediction."""
        headers = {**_HEADERS, "prefer": Hold(self._wait).preference}
        answer = await self._operations.open(create, headers, self._timeout)
        self._accepted = True
        if not isinstance(answer, httpx.Response):
            self.prediction_id = answer["id"]
            return []
        with outcome_told():
            self._connection = self._latest = _EventConnection(answer)
            events = await self._connection.read()
            if not events:
                raise self.unpromised("it ended before the first event")
            self.prediction_id = _prediction_id_in(events[0])
            if self.prediction_id is None and events[0].event not in TERMINAL_EVENTS:
                raise self.unpromised("its first event does not tell the prediction's id")
        return events

    async def _resume(self, prediction_id: str) -> _EventConnection:
        if self._last_id == "":
            raise self.unpromised("its events have no ids to go on from")
        if self._last_id is not None and len(self._last_id) > LONGEST_SENT_BACK:
            raise self.unpromised(f"an event's id is longer than {LONGEST_SENT_BACK:,} characters")
        path = prediction_path(prediction_id, "/stream")
        params = None if self._last_id is None else {"after_id": self._last_id}
        headers = _HEADERS if self._wait is None else {**_HEADERS, "prefer": Hold(self._wait).preference}
        response = await self._api.pipeline.open("GET", path, headers=headers, params=params, timeout=self._timeout)
        if not is_event_stream(response.headers.get("content-type")):
            raise response_error(await self._api.http.read(response), "it is not an event stream")
        self._accepted = True
        known_ids = {*self._recent_ids, *(() if self._first_id is None else (self._first_id,))}
        return _EventConnection(response, known_ids, self._last_id)

    @property
    def _timeout(self) -> httpx.Timeout:
        timeout = self._api.config.timeout
        return timeout if self._wait is None else Hold(self._wait).extended(timeout)

    def _take(self, events: list[ServerSentEvent]) -> None:
        for event in events:
            self._size_read += len(event.data)
            self.events.append(event)
            self._last_id = event.id
            self._recent_ids.append(event.id)
            if event.event in TERMINAL_EVENTS:
                self.ended = True
                break
        if self._first_id is None:
            self._first_id = events[0].id

    async def _recover(self, fault: APIConnectionError | InternalServerError | None) -> None:
        connection = self._connection
        await self._leave_connection()
        if self.ended:
            return
        idle = fault is None or isinstance(fault, APITimeoutError)
        if connection is not None and (connection.fruitful or (idle and connection.was_idle(self._wait))):
            self._fruitless = 0
            self._log_reconnect(0.0, fault)
            return
        self._fruitless += 1
        if self._fruitless < FRUITLESS_CONNECTIONS:
            delay = backoff(self._fruitless - 1)
            self._log_reconnect(delay, fault)
            await anyio.sleep(delay)
        elif fault is not None:
            raise fault
        else:
            raise self.unpromised(f"it ended {self._fruitless} times in a row without an event")

    def _log_reconnect(self, delay: float, fault: APIConnectionError | InternalServerError | None) -> None:
        why = "the server closed it" if fault is None else reason(fault)
        logger.info("reconnecting the stream of prediction %s after %.2f s: %s", self.prediction_id, delay, why)

    async def _leave_connection(self, patience: float = 0.0) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose(patience)


def _is_duration(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf


def _prediction_id_in(event: ServerSentEvent) -> str | None:
    prediction_id = id_in_json(event.data)
    return prediction_id if is_id(prediction_id) else None
