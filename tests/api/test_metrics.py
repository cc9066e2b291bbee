import pytest
from falcon.testing import Result, TestClient
from prometheus_client.parser import text_string_to_metric_families

from tests.api.client import Connected, submit, with_id
from tests.parts import BODY, Parts
from tests.proxy import CuttingProxy
from txn.api.app import create_app
from txn.model.outcome import Cause, Clear, Completed, Failed, Maybe, Outcome, Released, Retry
from txn.model.transaction import ErrorCode, Evidence
from txn.store.durability import Durability, DurabilityMonitor
from txn.store.timings import LAG

TOKEN = "a-token-that-nobody-guesses"


def values(result: Result) -> dict[str, float]:
    """Sample with its labels, as Prometheus shows it, and its value."""
    assert result.status_code == 200, result.text
    return {
        sample.name + "".join(f"{{{name}={value}}}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(result.text)
        for sample in family.samples
    }


def read(api: TestClient, **headers: str) -> Result:
    return api.simulate_get("/metrics", headers=headers, remote_addr="127.0.0.1")


def scrape(api: TestClient) -> dict[str, float]:
    return values(read(api))


def deliver(parts: Parts, name: str, outcome: Outcome, **learnt: object) -> None:
    if not parts.record(name):
        parts.accept(name)
    parts.settle(parts.claimed(name), outcome, **learnt)


def test_every_end_of_a_delivery_is_counted_under_its_own_name(api: TestClient, parts: Parts) -> None:
    for evidence in Evidence:
        deliver(parts, evidence.value, Completed(evidence))
    for code in ErrorCode:
        deliver(parts, code.value, Failed(code, "no", Clear()))
    for cause in Cause:
        deliver(parts, cause.value, Retry(cause, "later", Clear(), 60_000))
    deliver(parts, "back", Released())
    found = scrape(api)
    assert {name: value for name, value in found.items() if name.startswith("txn_completed")} == {
        f"txn_completed_total{{evidence={evidence.value}}}": 1 for evidence in Evidence
    }
    assert {name: value for name, value in found.items() if name.startswith("txn_failed")} == {
        f"txn_failed_total{{code={code.value}}}": 1 for code in ErrorCode
    }
    outcomes = [*Evidence, *ErrorCode, *Cause, "released"]
    assert {name: value for name, value in found.items() if name.startswith("txn_attempts")} == {
        f"txn_attempts_total{{outcome={outcome}}}": 1 for outcome in outcomes
    }
    assert found["txn_accepted_total"] == len(outcomes)
    assert found["txn_dead_letters"] == len(ErrorCode)
    assert found["txn_retrying"] == len(Cause) - 1, "a look that came too early has not failed"
    assert found["txn_waiting"] == len(Cause) + 1


def test_states_are_those_of_now(api: TestClient, parts: Parts) -> None:
    deliver(parts, "doubtful", Retry(Cause.UNCERTAIN, "500", Maybe(60_000), 60_000))
    parts.accept("waits")
    parts.accept("held")
    parts.claimed("held")
    parts.messages().heartbeat()
    parts.clock.forward(7_000)
    parts.messages().heartbeat()
    found = scrape(api)
    assert {name: found[f"txn_{name}"] for name in ("up", "redis_durable", "waiting", "processing", "in_doubt")} == {
        "up": 1,
        "redis_durable": 1,
        "waiting": 2,
        "processing": 1,
        "in_doubt": 1,
    }
    assert found["txn_workers"] == 1
    assert 7.0 <= found["txn_most_overdue_seconds"] < 12
    assert 2.0 <= found["txn_due_lag_seconds"] < 7, "the grace of 5 s was over 2 s ago"


def test_the_posting_service_away_or_refusing_shows(api: TestClient, parts: Parts) -> None:
    deliver(parts, "a", Retry(Cause.OUTAGE, "refused", Clear(), 0), outage="refused")
    parts.clock.forward(6_000)
    found = scrape(api)
    assert (found["txn_posting_away"], found["txn_posting_refuses_seconds"]) == (1, 0)
    deliver(parts, "b", Retry(Cause.OUTAGE, "403", Clear(), 0), outage="403", answered=True)
    parts.clock.forward(6_000)
    found = scrape(api)
    assert found["txn_posting_away"] == 0
    assert 6 <= found["txn_posting_refuses_seconds"] < 12


def test_late_settles_and_those_that_posted_are_counted(api: TestClient, parts: Parts) -> None:
    parts.accept("a")
    late = parts.claimed("a")
    parts.clock.forward(parts.settings.lease_ms)
    parts.claimed("a")
    parts.settle(late, Completed(Evidence.POSTED))
    found = scrape(api)
    assert (found["txn_fence_rejected_total"], found["txn_possible_doubles_total"]) == (1, 1)


def test_submit_to_completed_is_a_histogram_with_its_sum(api: TestClient, parts: Parts) -> None:
    parts.accept("a")
    parts.clock.forward(2_000)
    deliver(parts, "a", Completed(Evidence.POSTED))
    found = scrape(api)
    assert found["txn_end_to_end_seconds_count"] == 1
    assert 2.0 <= found["txn_end_to_end_seconds_sum"] < 7
    assert found["txn_end_to_end_seconds_bucket{le=1.0}"] == 0
    assert found["txn_end_to_end_seconds_bucket{le=1800.0}"] == found["txn_end_to_end_seconds_bucket{le=+Inf}"] == 1


def test_acknowledged_submits_are_timed_and_others_are_not(api: TestClient, parts: Parts) -> None:
    for body in (with_id("a"), with_id("a"), with_id("a", b'{"amount": 1, "currency": "USD"}'), b"{"):
        submit(api, body)
    assert "txn_submit_seconds_count" not in scrape(api), "not before a second has passed"
    parts.timings.flush()
    found = scrape(api)
    assert found["txn_submit_seconds_count"] == 2
    assert 0 < found["txn_submit_seconds_sum"] < 10


def test_calls_to_the_posting_service_are_told_apart_by_operation_and_answer(api: TestClient, parts: Parts) -> None:
    for what in ("get:404", "get:404", "post:201", "post:none"):
        parts.timings.note(what, 0.02)
    parts.timings.flush()
    found = scrape(api)
    counts = {name: value for name, value in found.items() if name.startswith("txn_posting_seconds_count")}
    assert counts == {
        "txn_posting_seconds_count{op=get}{status=404}": 2,
        "txn_posting_seconds_count{op=post}{status=201}": 1,
        "txn_posting_seconds_count{op=post}{status=none}": 1,
    }


def test_the_lag_of_event_loops_is_no_call_to_the_posting_service(api: TestClient, parts: Parts) -> None:
    parts.timings.note(LAG, 0.3)
    parts.timings.flush()
    found = scrape(api)
    assert found["txn_loop_lag_seconds_count"] == 1
    assert found["txn_loop_lag_seconds_sum"] == pytest.approx(0.3)
    assert not [name for name in found if name.startswith("txn_posting_seconds_count")]


def test_without_redis_it_says_just_that(remote: Connected, proxy: CuttingProxy) -> None:
    submit(remote.api, BODY)
    proxy.refuse()
    assert scrape(remote.api) == {"txn_up": 0, "txn_redis_durable": 0, "txn_accepting": 0}
    proxy.mend()
    assert scrape(remote.api)["txn_accepted_total"] == 1


@pytest.mark.parametrize("found", [None, Durability("lossy", "appendonly is 'no'"), Durability("unknown", "no right")])
def test_a_redis_that_is_not_known_to_be_durable_is_not(
    api: TestClient, monitor: DurabilityMonitor, found: Durability | None
) -> None:
    monitor.latest = found
    assert scrape(api)["txn_redis_durable"] == 0


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize(
    ("found", "accepts"),
    [
        (Durability("durable", ""), (1, 1)),
        (Durability("lossy", "appendonly is 'no'"), (0, 1)),
        (Durability("unknown", "no right"), (0, 1)),
        (Durability("durable", "", full=True), (0, 0)),
    ],
)
def test_whether_transactions_are_accepted_is_told_from_whether_they_are_kept(
    parts: Parts, found: Durability, accepts: tuple[int, int], allowed: bool
) -> None:
    monitor = DurabilityMonitor(allow_lossy=allowed)
    monitor.latest = found
    api = TestClient(create_app(parts.store, parts.statistics, monitor, parts.timings))
    said = scrape(api)
    assert said["txn_accepting"] == accepts[allowed]
    assert said["txn_redis_durable"] == (found.level == "durable")
    assert (api.simulate_get("/readyz").status_code == 200) == accepts[allowed]


def test_it_speaks_openmetrics_to_those_who_ask(api: TestClient) -> None:
    result = read(api, Accept="application/openmetrics-text; version=1.0.0")
    assert result.headers["Content-Type"].startswith("application/openmetrics-text")
    assert result.text.endswith("# EOF\n")
    assert read(api).headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("version", ["abc", "1.0.0.x", "-1", "9" * 5000])
def test_whoever_asks_for_a_version_that_is_none_gets_the_default(api: TestClient, version: str) -> None:
    result = read(api, Accept=f"application/openmetrics-text; version={version}")
    assert result.status_code == 200


def test_no_label_holds_an_id(api: TestClient, parts: Parts) -> None:
    deliver(parts, "an-id-of-ours", Failed(ErrorCode.REJECTED, "an-id-of-ours", Clear()), answered=True)
    assert "an-id-of-ours" not in read(api).text


@pytest.mark.parametrize(
    ("address", "headers", "expected"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("10.0.0.9", {}, 403),
        ("", {}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 403),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, 403),
    ],
)
def test_without_a_token_only_this_machine_reads(
    api: TestClient, address: str, headers: dict[str, str], expected: int
) -> None:
    result = api.simulate_get("/metrics", headers=headers, extras={"REMOTE_ADDR": address})
    assert result.status_code == expected
    if expected == 403:
        assert "TXN_METRICS_TOKEN" in result.json["detail"]


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (None, 401),
        ("Bearer ", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer \xe9", 401),
    ],
)
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.9"])
def test_with_a_token_whoever_brings_it_reads(
    parts: Parts, monitor: DurabilityMonitor, authorization: str | None, expected: int, address: str
) -> None:
    api = TestClient(create_app(parts.store, parts.statistics, monitor, parts.timings, metrics_token=TOKEN))
    headers = {} if authorization is None else {"Authorization": authorization}
    result = api.simulate_get("/metrics", headers=headers, remote_addr=address)
    assert result.status_code == expected
    if expected == 401:
        assert result.headers["WWW-Authenticate"] == "Bearer"
        assert TOKEN not in result.text
