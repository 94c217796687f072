"""Tracing with OpenTelemetry (extra `otel`): one span for each prediction, from its create to its end.

The span is current while the client sends requests for its prediction, so the spans of
`opentelemetry-instrumentation-httpx` become its children. It contains no input, no output and no error message.
"""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

try:
    from opentelemetry import trace as otel
except ModuleNotFoundError as _error:
    raise ImportError("tracing needs opentelemetry-api: pip install 'wriftai-anyio[otel]'") from _error

from ._concurrency.forks import PerProcess
from ._instrumentation.log import failures_logged
from ._instrumentation.open_spans import TraceTable
from ._types.prediction import TERMINAL_STATUSES, Status
from ._version import __version__
from .errors import WaitTimeoutError
from .hooks import ObservedCreate, ObservedPrediction, Observer

__all__ = ["PredictionTracer"]

_ID: Final = "wriftai.prediction.id"
_STATUS: Final = "wriftai.prediction.status"
_ERRORS: Final = frozenset({Status.failed, Status.abandoned})


@dataclass(frozen=True)
class PredictionTracer:
    """Makes one OpenTelemetry span for each prediction: `Client(tracer=PredictionTracer())`.

    The span begins with the create, as a child of the current span, or with the wait for a prediction that was created
    elsewhere. Each status is an event of the span, with the time at which the client saw it: in the answer to a held
    create, a poll, a list, a stream or a webhook. The span ends with the prediction; if the prediction failed or was
    abandoned, the span has the status error. Leaving a wait or a stream early ends the span with the event `left`.

    If you do not follow a prediction, its span stays open until you do, the end of the prediction is seen, or the
    client is closed. At most 10,000 such spans stay open, and those older than an hour are ended when another
    prediction is no longer followed. Their end time is that of the last status seen.

    Args:
        tracer_provider: The provider of the tracer; by default the global one. A provider of your own cannot be pickled
            with the client.

    Example:
        ```python
        with Client(tracer=PredictionTracer()) as client:
            client.predictions.create({"input": "hello"}, "sandbox/echo", wait=True)
        ```
    """

    tracer_provider: otel.TracerProvider | None = None

    def observer(self) -> Observer:
        """Make the observer of one client. The client calls this.

        Returns:
            The observer that traces the client's predictions.
        """
        return _Traces(otel.get_tracer("wriftai_anyio", __version__, self.tracer_provider))


class _Trace:
    """The span of one prediction."""

    def __init__(self, span: otel.Span, prediction_id: str | None) -> None:
        self.span = span
        self.prediction_id = prediction_id
        self._statuses: set[str] = set()
        self._seen_at = time.time_ns()

    def tell(self, prediction: ObservedPrediction) -> None:
        """Adds a state of the prediction to the span, if it is new."""
        status = prediction.get("status")
        if not isinstance(status, str) or status in self._statuses:
            return
        self._statuses.add(status)
        self._seen_at = time.time_ns()
        self.span.set_attributes({_STATUS: str(status), **_model(prediction)})
        self.span.add_event("status", {_STATUS: str(status)}, self._seen_at)
        if status in _ERRORS:
            self.span.set_attributes({"error.type": str(status), **_error_source(prediction)})
            self.span.set_status(otel.StatusCode.ERROR, str(status))

    def forget(self) -> None:
        """Ends the span as of the last status seen: its prediction was not followed to its end."""
        self.span.add_event("left", timestamp=self._seen_at)
        self.span.end(self._seen_at)

    def leave(self, error: BaseException) -> None:
        """Ends the span, with the error because of which its prediction is no longer followed."""
        if isinstance(error, WaitTimeoutError):
            self.span.add_event("left", {"wriftai.left.by": "timeout"})
        elif not isinstance(error, Exception):
            self.span.add_event("left", {"wriftai.left.by": "cancelled"})
        else:
            name = type(error).__qualname__
            self.span.set_attributes({"error.type": name, **_ids(error)})
            self.span.set_status(otel.StatusCode.ERROR, name)
        self.span.end()


def _model(prediction: ObservedPrediction) -> Mapping[str, str | int]:
    fields = _fields(prediction, "model")
    owner, name, version = fields.get("owner"), fields.get("name"), fields.get("version_number")
    found: dict[str, str | int] = {}
    if isinstance(owner, str) and isinstance(name, str):
        found["wriftai.model"] = f"{owner}/{name}"
    if isinstance(version, int):
        found["wriftai.model.version"] = version
    return found


def _error_source(prediction: ObservedPrediction) -> Mapping[str, str]:
    source = _fields(prediction, "error").get("source")
    return {"wriftai.prediction.error.source": source} if isinstance(source, str) else {}


def _fields(prediction: ObservedPrediction, name: str) -> Mapping[str, object]:
    value = prediction.get(name)
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _ids(error: Exception) -> Mapping[str, str]:
    """Returns the ids in an error: of the request, and of the prediction that may have been created."""
    found = {"wriftai.request.id": getattr(error, "request_id", None), _ID: getattr(error, "prediction_id", None)}
    return {name: value for name, value in found.items() if isinstance(value, str)}


class _Traces:
    """Traces the predictions of one client."""

    def __init__(self, tracer: otel.Tracer) -> None:
        self._tracer = tracer
        self._tables: PerProcess[TraceTable[_Trace]] = PerProcess(TraceTable)

    @contextmanager
    def creating(self, create: ObservedCreate) -> Generator[Callable[[ObservedPrediction], None]]:
        trace = self._begin({f"wriftai.{name}": value for name, value in create.outline.items()}, None)
        with self._left_by(trace), _current(trace.span):
            yield partial(self._created, trace)

    @contextmanager
    def following(self, prediction_id: str) -> Generator[None]:
        trace = self._tables.get().follow(prediction_id, lambda: self._begin({_ID: prediction_id}, prediction_id))
        if trace is None:
            yield
            return
        with self._left_by(trace), _current(trace.span):
            yield

    def seen(self, prediction: ObservedPrediction) -> None:
        table, prediction_id = self._tables.get(), str(prediction["id"])
        ended = prediction.get("status") in TERMINAL_STATUSES
        trace = table.end(prediction_id) if ended else table.find(prediction_id)
        if trace is not None:
            with _passed_over():
                trace.tell(prediction)
                if ended:
                    trace.span.end()

    def left(self, prediction_id: str) -> None:
        trace = self._tables.get().drop(prediction_id)
        if trace is not None:
            _forget([trace])

    def close(self) -> None:
        _forget(self._tables.get().close())

    def _begin(self, attributes: Mapping[str, str | bool], prediction_id: str | None) -> _Trace:
        span: otel.Span = otel.INVALID_SPAN
        with _passed_over():
            span = self._tracer.start_span("prediction", kind=otel.SpanKind.CLIENT, attributes=attributes)
        return _Trace(span, prediction_id)

    def _created(self, trace: _Trace, prediction: ObservedPrediction) -> None:
        trace.prediction_id = str(prediction["id"])
        self._tables.get().begin(trace.prediction_id, trace)
        with _passed_over():
            trace.span.set_attribute(_ID, trace.prediction_id)
        self.seen(prediction)

    @contextmanager
    def _left_by(self, trace: _Trace) -> Generator[None]:
        try:
            yield
        except BaseException as error:
            self._leave(trace, error)
            raise
        self._leave(trace, None)

    def _leave(self, trace: _Trace, error: BaseException | None) -> None:
        is_left = True
        if trace.prediction_id is not None:
            is_left, forgotten = self._tables.get().leave(trace.prediction_id, keep=error is None)
            _forget(forgotten)
        if is_left:
            with _passed_over():
                trace.span.end() if error is None else trace.leave(error)


def _forget(traces: Sequence[_Trace]) -> None:
    for trace in traces:
        with _passed_over():
            trace.forget()


def _current(span: otel.Span) -> AbstractContextManager[otel.Span]:
    return otel.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False)


def _passed_over() -> AbstractContextManager[None]:
    return failures_logged("Tracing")
