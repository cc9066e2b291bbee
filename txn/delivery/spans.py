"""A span for each delivery of a transaction whose submit was traced (txn/spans.py). Loaded only with a tracer."""

from collections.abc import Callable
from time import time_ns

from opentelemetry.trace import Link, Span, SpanKind, StatusCode, Tracer, get_current_span

from txn.delivery.steps import Steps
from txn.model.claim import Claim
from txn.model.outcome import Cause, Failed, Outcome, Retry, Settlement, SettleReply, named
from txn.posting.results import Lookup, PostResult
from txn.spans import CURRENT, within


class TracedSteps:
    """`Steps` around others. A span lasts from before the claim to after the settle."""

    def __init__(self, steps: Steps, tracer: Tracer) -> None:
        self._steps, self._tracer = steps, tracer
        #: By owner. Whatever becomes of a delivery, it ends with a settle, or with this process.
        self._spans: dict[str, Span] = {}

    async def claim(self, transaction_id: str, owner: str) -> Claim | None:
        """See `Steps.claim`."""
        began_ns = time_ns()
        claim = await self._steps.claim(transaction_id, owner)
        if claim is not None and claim.trace:
            self._begin(claim, began_ns)
        return claim

    async def find(self, claim: Claim) -> Lookup:
        """See `Steps.find`."""
        return await self._steps.find(claim)

    async def post(self, claim: Claim, last_check: Callable[[], bool]) -> PostResult:
        """See `Steps.post`."""
        return await self._steps.post(claim, last_check)

    async def settle(self, transaction_id: str, owner: str, settlement: Settlement) -> SettleReply:
        """See `Steps.settle`."""
        ended = "lost"
        try:
            ended = reply = await self._steps.settle(transaction_id, owner, settlement)
            return reply
        finally:
            self._end(owner, settlement.outcome, ended)

    def _begin(self, claim: Claim, began_ns: int) -> None:
        context = within(claim.trace)
        span = self._tracer.start_span(
            "deliver transaction",
            context=context,
            kind=SpanKind.CONSUMER,
            attributes={
                "messaging.system": "dramatiq",
                "messaging.operation.name": "deliver",
                "messaging.operation.type": "process",
                "txn.transaction.id": claim.id,
                "txn.attempt": claim.attempts,
                "txn.mode": claim.mode.value,
            },
            links=[Link(get_current_span(context).get_span_context())],
            start_time=began_ns,
        )
        if span.is_recording():
            self._spans[claim.owner] = span
            CURRENT.set(span)

    def _end(self, owner: str, outcome: Outcome, reply: str) -> None:
        CURRENT.set(None)  # a thread goes on with another delivery
        span = self._spans.pop(owner, None)
        if span is None:
            return
        span.set_attributes({"txn.outcome": named(outcome), "txn.settle": reply})
        if isinstance(outcome, Failed) or (isinstance(outcome, Retry) and outcome.cause is not Cause.IN_DOUBT):
            span.set_attribute("error.type", named(outcome))
            span.set_status(StatusCode.ERROR)
        elif reply != "settled":
            span.set_attribute("error.type", f"settle_{reply}")
            span.set_status(StatusCode.ERROR)
        span.end()
