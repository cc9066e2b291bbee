"""The real SDK of OpenTelemetry, with an exporter that keeps spans in memory."""

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler


class Recorder:
    """A tracer, and the spans of it that have ended."""

    def __init__(self, root: Sampler = ALWAYS_ON) -> None:
        self._exporter, provider = InMemorySpanExporter(), TracerProvider(ParentBased(root))
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("tests")

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def text(self) -> str:
        """All that would leave this machine."""
        return "".join(span.to_json() for span in self.spans)


def named(span: ReadableSpan) -> str:
    """The span as `traceparent` names it."""
    of = span.get_span_context()
    assert of is not None
    return f"00-{of.trace_id:032x}-{of.span_id:016x}-{int(of.trace_flags):02x}"


def parent(span: ReadableSpan) -> str:
    of = span.parent
    return "" if of is None else f"00-{of.trace_id:032x}-{of.span_id:016x}-{int(of.trace_flags):02x}"
