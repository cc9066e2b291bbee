import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from falcon.testing import TestClient
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind

from tests.api.client import submit, with_id
from tests.api.conforming import Conforming
from tests.parts import Parts
from tests.spans import Recorder, named, parent
from tests.unit.test_trace import GIVEN, TRACE
from txn.api.app import create_app
from txn.errors import StoreUnavailable
from txn.logs.trace import TRACE_ID
from txn.store.durability import DurabilityMonitor

Open = Callable[[Recorder], TestClient]


@pytest.fixture
def opened(parts: Parts, monitor: DurabilityMonitor) -> Open:
    return lambda recorder: Conforming(
        create_app(parts.store, parts.statistics, monitor, parts.timings, tracer=recorder.tracer)
    )


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def traced(opened: Open, recorder: Recorder) -> TestClient:
    return opened(recorder)


def test_a_submit_is_one_span_and_its_transaction_is_part_of_it(
    traced: TestClient, recorder: Recorder, parts: Parts
) -> None:
    submit(traced, with_id("a"), **{"X-Request-Id": "r-1"})
    [span] = recorder.spans
    assert (span.name, span.kind, span.parent) == ("POST /api/transactions", SpanKind.SERVER, None)
    assert dict(span.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/api/transactions",
        "url.path": "/api/transactions",
        "url.scheme": "http",
        "http.response.status_code": 202,
        "txn.request.id": "r-1",
        "txn.transaction.id": "a",
        "txn.repeated": False,
    }
    assert parts.record("a")["trace"] == named(span)


def test_it_belongs_to_the_trace_that_it_came_with(traced: TestClient, recorder: Recorder, parts: Parts) -> None:
    submit(traced, with_id("a"), Traceparent=GIVEN)
    [span] = recorder.spans
    assert parent(span) == GIVEN
    assert parts.record("a")["trace"] == named(span)
    assert TRACE in named(span)


def test_a_repeat_is_a_span_too_and_says_so(traced: TestClient, recorder: Recorder, parts: Parts) -> None:
    submit(traced, with_id("a"))
    submit(traced, with_id("a"))
    first, second = recorder.spans
    assert [(span.attributes or {})["txn.repeated"] for span in (first, second)] == [False, True]
    assert parts.record("a")["trace"] == named(first)


def test_nothing_of_the_content_is_in_a_span(traced: TestClient, recorder: Recorder) -> None:
    body = b'{"amount": 987.65, "currency": "CHF", "description": "S3cret", "metadata": {"m": "S3cret"}}'
    submit(traced, body, Authorization="Bearer S3cret")
    submit(traced, body.replace(b"987.65", b'"9876.543"'))
    batch = b"[" + body + b"]"
    traced.simulate_post("/api/transactions/batch?x=S3cret", body=batch, headers={"Content-Type": "application/json"})
    assert [(span.attributes or {})["http.response.status_code"] for span in recorder.spans] == [202, 400, 200]
    assert not [word for word in ("987.65", "9876.543", "CHF", "S3cret") if word in recorder.text()]


@pytest.mark.parametrize(("raised", "status"), [(StoreUnavailable("x"), 503), (KeyError(), 500)])
def test_a_submit_that_fails_for_our_reasons_is_an_error_whose_log_lines_name_the_trace(
    opened: Open,
    recorder: Recorder,
    parts: Parts,
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    status: int,
) -> None:
    seen: list[str] = []

    def accept(_submission: Any) -> Any:
        seen.append(TRACE_ID.get())
        raise raised

    monkeypatch.setattr(parts.store, "accept", accept)
    assert submit(opened(recorder), Traceparent=GIVEN).status_code == status
    [span] = recorder.spans
    assert (span.status.is_ok, (span.attributes or {})["error.type"]) == (False, str(status))
    assert (seen, TRACE_ID.get()) == ([TRACE], "")


def test_a_refused_one_is_no_error_of_ours(traced: TestClient, recorder: Recorder) -> None:
    submit(traced, b"{")
    [span] = recorder.spans
    assert span.status.is_ok
    assert "error.type" not in (span.attributes or {})


@pytest.mark.parametrize("given", ["", GIVEN[:-1] + "0"])
def test_one_that_is_not_sampled_leaves_behind_what_it_came_with_and_no_more(
    opened: Open, parts: Parts, given: str
) -> None:
    recorder = Recorder(ALWAYS_OFF)
    submit(opened(recorder), with_id("a"), **({"Traceparent": given} if given else {}))
    assert recorder.spans == []
    assert parts.record("a").get("trace", "") == given


def test_all_of_a_batch_are_part_of_its_span(traced: TestClient, recorder: Recorder, parts: Parts) -> None:
    body = b"[%s, %s]" % (with_id("a"), with_id("b"))
    traced.simulate_post("/api/transactions/batch", body=body, headers={"Content-Type": "application/json"})
    [span] = recorder.spans
    assert span.name == "POST /api/transactions/batch"
    assert [parts.record(name)["trace"] for name in ("a", "b")] == [named(span)] * 2


def test_what_only_reads_makes_no_span(traced: TestClient, recorder: Recorder) -> None:
    traced.simulate_get("/api/transactions/none")
    traced.simulate_get("/api/health")
    assert recorder.spans == []


#: What a process loads for spans and for Sentry. (redis-py itself loads OpenTelemetry's API, where it is.)
LOADED = """
import sys, txn.worker, txn.wsgi
print([name for name in sys.modules if sys.modules[name] and name.startswith(("opentelemetry.sdk.trace", "sentry_sdk"))
    or name in ("txn.api.spans", "txn.delivery.spans", "txn.posting.spans", "txn.logs.sentry")])
"""
NOT_INSTALLED = "import sys; sys.modules['opentelemetry'] = sys.modules['sentry_sdk'] = None"


@pytest.mark.parametrize("before", ["", NOT_INSTALLED], ids=["installed", "not installed"])
def test_without_a_provider_nothing_of_it_is_loaded(parts: Parts, before: str) -> None:
    url = f"redis://127.0.0.1:{parts.client.connection_pool.connection_kwargs['port']}/0"
    done = subprocess.run(
        [sys.executable, "-c", before + LOADED],
        env={"TXN_REDIS_URL": url, "TXN_PREFIX": parts.settings.prefix},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.stdout == "[]\n", done.stderr
