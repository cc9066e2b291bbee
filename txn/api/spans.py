"""A span for each submit (txn/spans.py). Loaded only where there is a tracer."""

from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from txn.logs.trace import TRACE_ID
from txn.model.trace import HEADER, checked, trace_id
from txn.server.request_id import REQUEST_ID
from txn.spans import traceparent, within

_ROUTES = frozenset({"/api/transactions", "/api/transactions/batch"})
_VARIABLE = f"HTTP_{HEADER.upper()}"


class SubmitSpans:
    """Falcon middleware. What is stored with the transaction, and what the log names, is the span's trace.

    A submit that is not sampled, and came without a `traceparent`, leaves nothing behind.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def process_request(self, request: Any, _response: Any) -> None:
        """Begin a span, as a part of the trace that the request is part of."""
        if request.method != "POST" or request.path not in _ROUTES:
            return
        given = checked(request.env.get(_VARIABLE))
        span = self._tracer.start_span(
            f"POST {request.path}",
            context=within(given) if given else Context(),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": "POST",
                "http.route": request.path,
                "url.path": request.path,
                "url.scheme": request.scheme,
                "txn.request.id": REQUEST_ID.get(),
            },
        )
        if span.is_recording():
            request.context.span = span
            request.env[_VARIABLE] = traceparent(span)  # from here on, whatever is asked for it is part of this span
            TRACE_ID.set(trace_id(request.env[_VARIABLE]))

    def process_response(self, request: Any, response: Any, _resource: object, _succeeded: bool) -> None:
        """End it, whatever the answer is."""
        span = getattr(request.context, "span", None)
        if span is None:
            return
        status = response.status_code
        span.set_attribute("http.response.status_code", status)
        if location := response.get_header("Location"):
            span.set_attribute("txn.transaction.id", location.rpartition("/")[2])
            span.set_attribute("txn.repeated", response.get_header("Idempotent-Replayed") == "true")
        if status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(StatusCode.ERROR)
        span.end()
        TRACE_ID.set("")
