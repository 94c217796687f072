"""What tests of tracing share: spans that are kept in memory, and what they tell."""

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from wriftai_anyio.tracing import PredictionTracer


class Spans:
    """Collects the spans that have ended.

    Attributes:
        provider: Where they go.
        tracer: Traces a client's predictions.
    """

    def __init__(self, *processors: SpanProcessor) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        for processor in (SimpleSpanProcessor(self._exporter), *processors):
            self.provider.add_span_processor(processor)
        self.tracer = PredictionTracer(self.provider)

    @property
    def all(self) -> Sequence[ReadableSpan]:
        """The spans that have ended, in order."""
        return self._exporter.get_finished_spans()

    @property
    def predictions(self) -> list[ReadableSpan]:
        """Those of predictions."""
        return [span for span in self.all if span.name == "prediction"]

    @property
    def only(self) -> ReadableSpan:
        """The span of the one prediction that there is."""
        (span,) = self.predictions
        return span

    def children(self, parent: ReadableSpan) -> list[str]:
        """The names of the spans below another."""
        return [span.name for span in self.all if is_child(span, parent)]


def is_child(span: ReadableSpan, parent: ReadableSpan) -> bool:
    """Whether a span lies directly below another."""
    return span.parent is not None and span.parent.span_id == parent.context.span_id


def attributes(span: ReadableSpan) -> dict[str, object]:
    """The attributes of a span, without their common prefix."""
    return {name.removeprefix("wriftai."): value for name, value in (span.attributes or {}).items()}


def events(span: ReadableSpan) -> list[str]:
    """The statuses that a span tells of, and in which way its prediction was left."""
    return [" ".join(map(str, (event.attributes or {"": event.name}).values())) for event in span.events]
