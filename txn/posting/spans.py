"""A span for each call to the posting service (txn/spans.py). Loaded only where there is a tracer."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context

from txn.model.trace import HEADER
from txn.posting.transport import Answer, AsyncTransport, Request, Transport, TransportError, Withheld, always
from txn.spans import CURRENT, traceparent
from txn.url import split_posting_url


class CallSpans:
    """Begins spans as parts of the delivery's. `url`: of the posting service; its credentials are left out."""

    def __init__(self, tracer: Tracer, url: str) -> None:
        self._tracer, parts = tracer, split_posting_url(url)
        self._base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        default = 443 if parts.scheme == "https" else 80
        self._server: dict[str, str | int] = {
            "server.address": parts.hostname or "",
            "server.port": parts.port or default,
        }

    def begin(self, request: Request) -> "_Call":
        """A call that is not part of a traced delivery gets no span."""
        delivery = CURRENT.get()
        if delivery is None:
            return _Call(None, request)
        template = "/transactions/{id}" if request.method == "GET" else request.path
        span = self._tracer.start_span(
            f"{request.method} {template}",
            context=set_span_in_context(delivery),
            kind=SpanKind.CLIENT,
            attributes={
                "http.request.method": request.method,
                "url.full": self._base + request.path,
                "url.template": template,
                **self._server,
            },
        )
        return _Call(span, request._replace(headers={**request.headers, HEADER: traceparent(span)}))


class _Call:
    """One call: what is sent, and its span until there is an answer or none."""

    def __init__(self, span: Span | None, request: Request) -> None:
        self._span, self.request = span, request
        self.answer: Answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._span is None:
            return
        if error is None:
            self._answered(self._span, self.answer.status)
        elif not isinstance(error, Withheld):
            self._span.set_attribute("error.type", type(error).__name__)
            # Of these, the text is fit for a log; of others nobody knows.
            self._span.set_status(StatusCode.ERROR, str(error) if isinstance(error, TransportError) else None)
        self._span.end()

    def _answered(self, span: Span, status: int) -> None:
        span.set_attribute("http.response.status_code", status)
        is_absent = status == 404 and self.request.method == "GET"  # the ordinary answer about a new transaction
        if status >= 400 and not is_absent:
            span.set_attribute("error.type", str(status))
            span.set_status(StatusCode.ERROR)


class TracedTransport:
    """A `Transport` around another."""

    def __init__(self, transport: Transport, spans: CallSpans) -> None:
        self._transport, self._spans = transport, spans

    def send(self, request: Request, may_send: Callable[[], bool] = always) -> Answer:
        """See `Transport.send`."""
        with self._spans.begin(request) as call:
            call.answer = self._transport.send(call.request, may_send)
        return call.answer

    def close(self) -> None:
        """See `Transport.close`."""
        self._transport.close()


class TracedAsyncTransport:
    """The same for an `AsyncTransport`."""

    def __init__(self, transport: AsyncTransport, spans: CallSpans) -> None:
        self._transport, self._spans = transport, spans

    async def send(self, request: Request, may_send: Callable[[], bool] = always) -> Answer:
        """See `AsyncTransport.send`."""
        with self._spans.begin(request) as call:
            call.answer = await self._transport.send(call.request, may_send)
        return call.answer

    def close(self) -> None:
        """See `AsyncTransport.close`."""
        self._transport.close()
