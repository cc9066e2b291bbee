import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from ops.mock_posting.client import MockPosting
from ops.redis_server import RedisServer
from tests.crash.cuts import PassedOn
from tests.delivery.drivers import DRIVERS, TIMEOUT_MS, Deliver, on_a_loop, with_a_doubt
from tests.delivery.rig import Rig
from tests.delivery.test_in_flight import PATIENCE_S, Process
from tests.parts import Clock, Parts, submission
from tests.posting.raw_server import RawServer
from tests.spans import Recorder, named, parent
from tests.unit.test_trace import GIVEN, TRACE
from txn.delivery.blocking_steps import BlockingSteps, run
from txn.delivery.rules import Rules
from txn.delivery.spans import TracedSteps
from txn.errors import SettleLost, StoreUnavailable
from txn.model.claim import Claim
from txn.model.outcome import Settlement, SettleReply
from txn.posting.curl import CurlTransport
from txn.posting.results import Lookup
from txn.posting.service import PostingService
from txn.posting.spans import CallSpans, TracedTransport
from txn.settings import Settings


@pytest.fixture
def parts(valkey: RedisServer, settings: Settings, clock: Clock) -> Iterator[Parts]:
    changed = settings.model_copy(update={"posting_timeout_ms": TIMEOUT_MS, "lease_ms": 60_000})
    with Parts(valkey.url, changed, clock) as found:
        yield found


@pytest.fixture(params=DRIVERS.values(), ids=DRIVERS)
def deliver(request: pytest.FixtureRequest) -> Deliver:
    found: Deliver = request.param
    return found


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def accept(parts: Parts, trace: str = GIVEN) -> None:
    parts.store.accept(replace(submission("a"), trace=trace))


def spans_sent(parts: Parts, deliver: Deliver, recorder: Recorder) -> list[str]:
    """The `traceparent` of each request."""
    heads = with_a_doubt(parts, deliver, recorder)
    return ["".join(re.findall(r"(?im)^traceparent: (.*?)\r?$", head)) for head in heads]


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_delivery_is_a_span_of_the_submit_s_trace_linked_to_it_and_each_call_is_one_below(
    parts: Parts, deliver: Deliver, recorder: Recorder
) -> None:
    accept(parts)
    sent = spans_sent(parts, deliver, recorder)
    *calls, delivery = recorder.spans
    assert (delivery.name, delivery.kind, parent(delivery)) == ("deliver transaction", SpanKind.CONSUMER, GIVEN)
    assert [link.context.span_id for link in delivery.links] == [int(GIVEN[36:52], 16)]
    assert [(call.kind, parent(call)) for call in calls] == [(SpanKind.CLIENT, named(delivery))] * 3
    assert [named(call) for call in calls] == sent
    assert [TRACE in one for one in sent] == [True] * 3
    assert delivery.start_time is not None
    assert delivery.start_time <= min(call.start_time or 0 for call in calls)


def test_what_they_say_of_themselves(parts: Parts, deliver: Deliver, recorder: Recorder) -> None:
    accept(parts)
    with_a_doubt(parts, deliver, recorder)
    before, post, after, delivery = map(attributes, recorder.spans)
    assert delivery == {
        "messaging.system": "dramatiq",
        "messaging.operation.name": "deliver",
        "messaging.operation.type": "process",
        "txn.transaction.id": "a",
        "txn.attempt": 1,
        "txn.mode": "post",
        "txn.outcome": "verified",
        "txn.settle": "settled",
    }
    assert (post["http.response.status_code"], post["error.type"]) == (500, "500")
    assert (before["http.response.status_code"], "error.type" in before) == (404, False)
    assert [span.name for span in recorder.spans[:2]] == ["GET /transactions/{id}", "POST /transactions"]
    port = before.pop("server.port")
    assert before == {
        "http.request.method": "GET",
        "http.response.status_code": 404,
        "server.address": "127.0.0.1",
        "url.full": f"http://127.0.0.1:{port}/base/transactions/a",
        "url.template": "/transactions/{id}",
    }
    assert after["http.response.status_code"] == 200
    assert not [word for word in ("100.5", "USD", "Payment", "order_id", "S3cret") if word in recorder.text()]


@pytest.mark.parametrize("trace", ["", GIVEN[:-1] + "0"])
def test_of_what_was_not_sampled_at_the_submit_nothing_is_made_and_the_trace_is_passed_on(
    parts: Parts, deliver: Deliver, recorder: Recorder, trace: str
) -> None:
    accept(parts, trace)
    sent = spans_sent(parts, deliver, recorder)
    assert recorder.spans == []
    assert [(one[:36], one[52:]) for one in sent] == [(trace[:36], trace[52:])] * 3


def test_a_delivery_that_fails_and_a_call_without_an_answer_are_errors(
    parts: Parts, deliver: Deliver, recorder: Recorder
) -> None:
    accept(parts)
    server = RawServer()
    server.refuse()
    deliver(parts, f"http://127.0.0.1:{server.port}", recorder)
    server.stop()
    call, delivery = recorder.spans
    assert (attributes(call)["error.type"], call.status.is_ok) == ("NotSent", False)
    assert (attributes(delivery)["error.type"], delivery.status.is_ok) == ("outage", False)


class Failing(PassedOn):
    """The settle gets no answer."""

    async def settle(self, transaction_id: str, owner: str, settlement: Settlement) -> SettleReply:
        raise StoreUnavailable("away")


def test_one_that_cannot_be_settled_ends_its_span_too_and_the_next_on_the_thread_is_not_below_it(
    parts: Parts, mock: MockPosting, recorder: Recorder
) -> None:
    accept(parts)
    parts.accept("b")
    transport = CurlTransport(mock.url)
    traced = TracedTransport(transport, CallSpans(recorder.tracer, mock.url))
    steps = BlockingSteps(parts.store, PostingService(traced, TIMEOUT_MS))
    with pytest.raises(SettleLost):
        run(Rules(TracedSteps(Failing(steps), recorder.tracer), parts.settings).deliver("a", "nonce"))
    ended = recorder.spans
    assert (attributes(ended[-1])["txn.settle"], attributes(ended[-1])["error.type"]) == ("lost", "settle_lost")
    run(Rules(TracedSteps(steps, recorder.tracer), parts.settings).deliver("b", "other"))
    assert recorder.spans == ended
    transport.close()


def test_what_a_stopping_process_gives_back_ends_its_span(parts: Parts, mock: MockPosting, recorder: Recorder) -> None:
    looking = threading.Event()

    class Hanging(PassedOn):
        async def find(self, claim: Claim) -> Lookup:
            looking.set()
            await asyncio.Event().wait()
            raise AssertionError

    accept(parts)
    process = Process(parts, mock, wrap=lambda steps: TracedSteps(Hanging(steps), recorder.tracer))
    process.begin("a")
    assert looking.wait(PATIENCE_S)
    process.close()
    assert [attributes(span)["txn.outcome"] for span in recorder.spans] == ["released"]
    assert parts.status("a") == "pending"


def test_every_call_is_of_the_submit_s_trace_and_a_span_of_its_own(parts: Parts, deliver: Deliver) -> None:
    accept(parts, GIVEN)
    heads = with_a_doubt(parts, deliver)
    assert [head.split()[0] for head in heads] == ["GET", "POST", "GET"]
    spans = [re.findall(rf"(?i)^traceparent: 00-{TRACE}-([0-9a-f]{{16}})-01\r?$", head, re.MULTILINE) for head in heads]
    assert [len(found) for found in spans] == [1, 1, 1]
    assert len({GIVEN[36:52], *(found[0] for found in spans)}) == 4


def test_without_a_trace_none_is_made(parts: Parts, deliver: Deliver) -> None:
    accept(parts, "")
    assert "traceparent" not in "".join(with_a_doubt(parts, deliver)).lower()


@pytest.mark.parametrize("damaged", ["x", f"{GIVEN}\r\nX-Evil: 1", "\xff", GIVEN.upper()])
def test_a_damaged_one_is_not_passed_on_and_keeps_nothing_up(parts: Parts, damaged: str) -> None:
    accept(parts, GIVEN)
    parts.client.hset(parts.keys.record("a"), "trace", damaged)
    assert "traceparent" not in "".join(with_a_doubt(parts, on_a_loop)).lower()


def test_it_stays_through_failures_and_replays(rig: Callable[..., Rig]) -> None:
    one = rig()
    one.parts.store.accept(replace(submission("a"), trace=GIVEN))
    one.mock.script("a", post=["reject"])
    one.deliver("a")
    one.parts.replay("a")
    assert one.parts.claimed("a").trace == GIVEN
