"""Wraps parts of a worker so that they make spans; without a tracer provider they stay as they are."""

from txn import spans
from txn.delivery.steps import Steps
from txn.posting.transport import AsyncTransport, Transport
from txn.settings import Settings


def traced_steps(steps: Steps) -> Steps:
    """A span for each delivery."""
    if (tracer := spans.tracer()) is None:
        return steps
    from txn.delivery.spans import TracedSteps  # noqa: PLC0415  (it needs opentelemetry-api)

    return TracedSteps(steps, tracer)


def traced_transport(transport: Transport, settings: Settings) -> Transport:
    """A span for each call."""
    if (tracer := spans.tracer()) is None:
        return transport
    from txn.posting.spans import CallSpans, TracedTransport  # noqa: PLC0415

    return TracedTransport(transport, CallSpans(tracer, settings.posting_url))


def traced_async_transport(transport: AsyncTransport, settings: Settings) -> AsyncTransport:
    """The same on an event loop."""
    if (tracer := spans.tracer()) is None:
        return transport
    from txn.posting.spans import CallSpans, TracedAsyncTransport  # noqa: PLC0415

    return TracedAsyncTransport(transport, CallSpans(tracer, settings.posting_url))
