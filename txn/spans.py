"""Spans for OpenTelemetry, if this process was given a tracer provider. If not, nothing is imported or made."""

import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING

from txn import __version__

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

#: The span of the delivery that this task or thread works for.
CURRENT: ContextVar["Span | None"] = ContextVar("CURRENT", default=None)


def tracer() -> "Tracer | None":
    """None without a provider. To be asked when a process puts its parts together."""
    api = sys.modules.get("opentelemetry.trace")
    if api is None:  # whoever sets a provider has imported it
        return None
    provider = api.get_tracer_provider()
    if isinstance(provider, api.ProxyTracerProvider | api.NoOpTracerProvider):
        return None
    found: Tracer = provider.get_tracer("txn", __version__)
    return found


def send(patience_s: float) -> None:
    """What has ended leaves this process now; to be called before that ends in a way that skips `atexit`."""
    api = sys.modules.get("opentelemetry.trace")
    if api is not None and (flush := getattr(api.get_tracer_provider(), "force_flush", None)):
        flush(round(patience_s * 1000))


def within(traceparent: str) -> "Context":
    """Where a span begins that belongs to it. `traceparent` is a valid one."""
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context  # noqa: PLC0415

    _, trace_id, span_id, flags = traceparent.split("-")
    parent = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return set_span_in_context(NonRecordingSpan(parent))


def traceparent(span: "Span") -> str:
    """How a call that the span is about names it."""
    of = span.get_span_context()
    return f"00-{of.trace_id:032x}-{of.span_id:016x}-{of.trace_flags & 0x03:02x}"
