"""The events of a prediction as they happen."""

import json
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast

from ._blocking.calls import Started
from ._parsing.json_copy import copy_json
from ._parsing.prediction import PredictionParser
from ._parsing.shapes import ShapeError
from ._predictions.event_reader import EventReader
from ._predictions.outcome import output_of
from ._types.json import JsonValue
from ._types.prediction import PredictionWithIO, Status, is_terminal
from ._types.str_enum import StrEnum
from ._types.typing_backports import TypedDict
from .api import API
from .errors import APIConnectionError, InternalServerError, NotFoundError
from .json_codec import JSONTextError, decode_json, encode_json
from .plain_text import html_table

__all__ = [
    "AsyncOutputStream",
    "AsyncPredictionStream",
    "OutputStream",
    "PredictionStream",
    "PredictionStreamEvent",
    "PredictionStreamEventType",
]


class PredictionStreamEventType(StrEnum):
    """The possible types of a prediction's events."""

    INIT = "init"
    OUTPUT = "output"
    ERROR = "error"
    DONE = "done"


class PredictionStreamEvent(TypedDict):
    """An event from a prediction's stream."""

    id: str
    """The event's id; pass it as `after_id` to begin after this event."""
    event: PredictionStreamEventType | str
    """The event's type; one that is newer than this package stays the plain string that the server sent."""
    data: JsonValue
    """What the event carries: the whole prediction (`init`, `done`), a piece of the output, or the error."""


_JSON: Final = json.JSONDecoder()
_TYPES: Final = {kind.value: kind for kind in PredictionStreamEventType}
_WITH_PREDICTION: Final = frozenset({"init", "done"})
_OUTPUT: Final = PredictionStreamEventType.OUTPUT.value
_FAILURE: Final = PredictionStreamEventType.ERROR.value


class _Events:
    """Returns the events that a reader has read, and keeps the prediction that they describe."""

    def __init__(self, reader: EventReader, parser: PredictionParser) -> None:
        self._reader = reader
        self._parser = parser
        self._prediction: PredictionWithIO | None = None

    @property
    def prediction(self) -> PredictionWithIO | None:
        """The prediction as the last `init` or `done` event described it; `None` before the first of them."""
        return self._prediction

    def _repr_html_(self) -> str:
        if self._prediction is None:
            return html_table("A stream of which no event was read", (), ())
        shown = {name: self._prediction.get(name) for name in ("id", "status", "output", "error")}
        return html_table(
            "A stream", ("field", "value"), ((name, value) for name, value in shown.items() if value is not None)
        )

    def _next(self) -> PredictionStreamEvent:
        event_id, kind, text = self._reader.take_event()
        try:
            data = _decoded(text)
        except JSONTextError as error:
            raise self._reader.unpromised(f"in the data of the event {event_id!r}, {error}") from None
        if kind in _WITH_PREDICTION:
            with suppress(ShapeError):
                # A copy: the caller gets the event, and may change it.
                prediction = self._parser.detailed(copy_json(data))
                self._reader.tell_state(prediction)
                self._prediction = prediction
        elif kind == _OUTPUT:
            self._reader.has_output = True
        elif kind == _FAILURE:
            self._reader.failure = copy_json(data)
            self._reader.tell_failure()
        return {"id": event_id, "event": _TYPES.get(kind, kind), "data": data}


class AsyncPredictionStream(_Events, AsyncIterator[PredictionStreamEvent]):
    """A prediction's events, each once and in order, until `done` or `error`.

    It connects when you ask for the first event. If the server closes an idle connection, or a connection breaks, the
    stream connects again and continues after the last complete event; it gives up after several connections in a row
    without an event. It also continues after a read that was cancelled.

    Use it in `async with` if you may leave the loop early: leaving the block closes the connection. If you read the
    stream to its end, the connection closes on its own.

    The block holds no task group, so that it may stay open across a `yield` of an async generator of your own. Close
    such a generator, as `contextlib.aclosing` does, or the connection stays open until the garbage collection.

    Args:
        reader: Reads the events.
        parser: Turns the answers into predictions.

    Example:
        ```python
        async with client.predictions.async_stream(prediction_id) as stream:
            async for event in stream:
                print(event["event"], event["data"])
        ```
    """

    async def __anext__(self) -> PredictionStreamEvent:
        self._reader.check_block()
        if not self._reader.events and not await self._reader.read():
            raise StopAsyncIteration
        return self._next()

    def async_outputs(self) -> "AsyncOutputStream":
        """Iterate over the pieces of the output as they come.

        If the server streams no piece, the finished output comes once, in one piece.

        Returns:
            An iterator over the pieces that were not read before, which is also a context manager.
        """
        return AsyncOutputStream(self, self._reader)

    async def async_text(self) -> str:
        """Read the stream to its end, and join the output of a text model.

        Returns:
            The text of all output events that were not read before; the finished output, if the server streams none.

        Raises:
            ValueError: If an output is not a string.
            PredictionFailedError: If the prediction failed, was cancelled or abandoned.
            WriftAIError: If the stream fails; its subclasses are those of `Predictions.async_stream`.
        """
        async with self.async_outputs() as pieces:
            return "".join([_text(piece) async for piece in pieces])

    async def aclose(self) -> None:
        """Close the connection. It is safe to call it twice; events that were already received can still be read."""
        await self._reader.aclose()

    async def __aenter__(self) -> "AsyncPredictionStream":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.leave_block()
        await self.aclose()


class PredictionStream(_Events, Iterator[PredictionStreamEvent]):
    """A prediction's events, each once and in order, until `done` or `error`.

    It is `AsyncPredictionStream` for blocking callers. Use it in `with` if you may leave the loop early; if you only
    drop it, the connection closes soon after the stream is garbage-collected. While you work on an event, the next ones
    are read. Threads may share a stream.

    Args:
        api: Runs the reader for blocking callers.
        reader: Reads the events.
        parser: Turns the answers into predictions.

    Example:
        ```python
        with client.predictions.stream(prediction_id) as stream:
            for event in stream:
                print(event["event"], event["data"])
        ```
    """

    def __init__(self, api: API, reader: EventReader, parser: PredictionParser) -> None:
        super().__init__(reader, parser)
        self._api = api
        self._reading: Started[None] | None = None
        self._turn = threading.Lock()

    def __next__(self) -> PredictionStreamEvent:
        with self._turn:
            self._reader.check_block()
            while not self._reader.events:
                self._wait_for_more()
            return self._next()

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        reading = getattr(self, "_reading", None)
        if reading is not None and not is_finalizing():
            reading.leave()

    def _wait_for_more(self) -> None:
        reading = self._reading
        if reading is None:
            if self._reader.ended:
                raise StopIteration
            # One call that reads on, and not one for each read: where events come one by one, a way to the event
            # loop's thread and back for each takes several times as long as the reading.
            # It must not hold this stream, which lets go of it when it is dropped.
            caller = self._api.blocking.caller()
            reading = self._api.blocking.start("async_stream", partial(self._reader.read_ahead, caller.wake), caller)
            self._reading = reading
        elif not reading.is_of_this_process:
            raise RuntimeError("This stream is read in another process. Begin one here, with `after_id`.")
        elif self._reader.paused:
            reading.post(self._reader.go_on)
        try:
            ended = not reading.wait_woken() and not self._reader.events
        except BaseException:
            self._reading = None
            raise
        if ended and self._reading is reading:
            self._reading = None
            reading.result()

    def outputs(self) -> "OutputStream":
        """Iterate over the pieces of the output as they come.

        If the server streams no piece, the finished output comes once, in one piece.

        Returns:
            An iterator over the pieces that were not read before, which is also a context manager.
        """
        return OutputStream(self, self._reader, self._api)

    def text(self) -> str:
        """Read the stream to its end, and join the output of a text model.

        Returns:
            The text of all output events that were not read before; the finished output, if the server streams none.

        Raises:
            ValueError: If an output is not a string.
            PredictionFailedError: If the prediction failed, was cancelled or abandoned.
            WriftAIError: If the stream fails; its subclasses are those of `Predictions.stream`.
        """
        with self.outputs() as pieces:
            return "".join([_text(piece) for piece in pieces])

    def close(self) -> None:
        """Close the connection. It is safe to call it twice; events that were already received can still be read."""
        self._reader.end()
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()

    def __enter__(self) -> "PredictionStream":
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.leave_block()
        self.close()


class _Pieces:
    """What of a prediction's events is its output, and what comes after the last of them."""

    def __init__(self, events: _Events, reader: EventReader) -> None:
        self._events = events
        self._reader = reader
        self._is_over = False

    @property
    def prediction(self) -> PredictionWithIO | None:
        """The prediction as it was last received whole; `None` before that."""
        return self._events.prediction

    @property
    def _may_come_whole(self) -> bool:
        """Whether the finished output may come in place of a stream that is gone, or of which no connection brings any.

        Not where the model was not found. After the first piece the error is raised: what is missing is not known, and
        the end would be taken for that of the output.
        """
        return self._reader.prediction_id is not None and not self._reader.has_output

    def _told(self) -> PredictionWithIO | None:
        """Returns the ended prediction, as far as its events described it; `None` if they did not.

        An `error` event brings the error alone: the rest is what an earlier event said.
        """
        failure, known = self._reader.failure, self._events.prediction
        if failure is not None:
            error = failure if isinstance(failure, dict) else {"message": encode_json(failure)}
            told: Mapping[str, object] = known or {"id": self._reader.prediction_id}
            return cast("PredictionWithIO", {**told, "status": Status.failed, "error": error})
        return known if known is not None and is_terminal(known) else None

    def _last(self, prediction: PredictionWithIO) -> list[JsonValue]:
        """Returns the finished output, unless pieces of it came.

        Raises:
            PredictionFailedError: If there is none.
        """
        self._is_over = True
        output = output_of(prediction)
        return [] if self._reader.has_output else [output]


class AsyncOutputStream(_Pieces, AsyncIterator[Any]):
    """The pieces of a prediction's output, as they come.

    If the server streams no piece, the finished output comes once, in one piece. Use it in `async with` if you may
    leave the loop early: leaving the block closes the connection.

    Args:
        events: The prediction's events.
        reader: Reads them.
    """

    def __init__(self, events: AsyncPredictionStream, reader: EventReader) -> None:
        super().__init__(events, reader)
        self._stream = events

    async def __anext__(self) -> Any:  # noqa: ANN401 -- whatever a model returns
        try:
            async for event in self._stream:
                if event["event"] == PredictionStreamEventType.OUTPUT:
                    return event["data"]
        except (NotFoundError, APIConnectionError, InternalServerError):
            if not self._may_come_whole:
                raise
        if not self._is_over:
            for output in self._last(self._told() or await self._reader.async_ended()):
                return output
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Close the connection. It is safe to call it twice."""
        self._is_over = True
        await self._stream.aclose()

    async def __aenter__(self) -> "AsyncOutputStream":
        return self

    async def __aexit__(self, *reason: object) -> None:
        await self._stream.__aexit__(*reason)


class OutputStream(_Pieces, Iterator[Any]):
    """The pieces of a prediction's output, as they come.

    It is `AsyncOutputStream` for blocking callers. If you only drop it, the connection closes soon after.

    Args:
        events: The prediction's events.
        reader: Reads them.
        api: Gets the prediction for blocking callers.
    """

    def __init__(self, events: PredictionStream, reader: EventReader, api: API) -> None:
        super().__init__(events, reader)
        self._stream = events
        self._api = api

    def __next__(self) -> Any:  # noqa: ANN401 -- whatever a model returns
        try:
            for event in self._stream:
                if event["event"] == PredictionStreamEventType.OUTPUT:
                    return event["data"]
        except (NotFoundError, APIConnectionError, InternalServerError):
            if not self._may_come_whole:
                raise
        if not self._is_over:
            for output in self._last(self._told() or self._api.blocking.call(self._reader.async_ended)):
                return output
        raise StopIteration

    def close(self) -> None:
        """Close the connection. It is safe to call it twice."""
        self._is_over = True
        self._stream.close()

    def __enter__(self) -> "OutputStream":
        return self

    def __exit__(self, *reason: object) -> None:
        self._stream.__exit__(*reason)


def _decoded(text: str) -> JsonValue:
    # `raw_decode` does not look for white space around the value, which takes longer than to decode a short text.
    value: JsonValue
    try:
        value, end = _JSON.raw_decode(text)
    except (ValueError, RecursionError):
        return decode_json(text)
    return value if end == len(text) else decode_json(text)


def _text(piece: object) -> str:
    if piece is None:  # a model that returns nothing
        return ""
    if not isinstance(piece, str):
        raise ValueError(  # noqa: TRY004 -- of the prediction's value, not of an argument's type
            f"The output is not a string but a JSON {type(piece).__name__}: read the events one by one."
        )
    return piece
