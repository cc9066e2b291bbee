import time

import pytest
from falcon.testing import Result, TestClient

from tests.api.client import submit, with_id
from tests.api.test_submit import TIME
from tests.parts import Parts
from txn import __version__
from txn.api.app import create_app
from txn.model.outcome import Cause, Clear, Completed, Failed, Maybe, Retry
from txn.model.transaction import ErrorCode, Evidence
from txn.readers.statistics import SILENT_MS
from txn.store.durability import Durability, DurabilityMonitor

NUMBERS = {
    *("queueDepth", "pending", "processing", "completed", "failed", "retryCount", "inDoubt"),
    *("sentAway", "leftAlone", "possibleDoubles", "errorRate", "callbacksWaiting", "callbacksDead"),
    *("oldestPendingSeconds", "mostOverdueSeconds", "oldestUnfinishedSeconds"),
    *("workers", "durability", "durableOn", "attestedBy", "postingService", "paused", "limits"),
}
PROCESS = {"uptime", "version"}
CLOSED = {"breaker": "closed", "openedAt": None, "nextProbe": None, "held": 0, "heldUntil": None}


def health(api: TestClient) -> Result:
    result = api.simulate_get("/api/health", remote_addr="127.0.0.1")
    assert result.headers["Content-Type"] == "application/json"
    return result


def outage(parts: Parts, transaction_id: str) -> None:
    parts.settle(
        parts.claimed(transaction_id),
        Retry(Cause.OUTAGE, "connection refused", Clear(), 0),
        outage="connection refused",
    )


@pytest.fixture
def worker(parts: Parts) -> str:
    parts.messages("worker").heartbeat()
    return "worker"


def test_a_fresh_system_with_a_worker_is_healthy(api: TestClient, worker: str) -> None:
    result = health(api)
    assert result.status_code == 200
    document = result.json
    uptime = document.pop("uptime")
    assert isinstance(uptime, int)
    assert 0 <= uptime < 60
    assert document == {
        "status": "healthy",
        "problems": [],
        "version": __version__,
        "queueDepth": 0,
        "pending": 0,
        "processing": 0,
        "completed": 0,
        "failed": 0,
        "retryCount": 0,
        "inDoubt": 0,
        "sentAway": 0,
        "leftAlone": 0,
        "callbacksWaiting": 0,
        "callbacksDead": 0,
        "possibleDoubles": 0,
        "errorRate": 0.0,
        "mostOverdueSeconds": 0,
        "oldestPendingSeconds": 0,
        "oldestUnfinishedSeconds": 0,
        "workers": 1,
        "durability": "durable",
        "durableOn": 1,
        "attestedBy": None,
        "postingService": {"state": "unknown", "lastAnswered": None, "reason": None} | CLOSED,
        "paused": None,
        "limits": None,
    }


def test_each_state_is_counted(api: TestClient, parts: Parts, worker: str) -> None:
    began_s = time.monotonic()
    for name in ("waiting", "again", "doubtful", "done", "dead", "busy"):
        submit(api, with_id(name))
    parts.settle(parts.claimed("again"), Retry(Cause.NOT_WRITTEN, "500", Clear(), 1_000), answered=True)
    parts.settle(parts.claimed("doubtful"), Retry(Cause.UNCERTAIN, "deadline", Maybe(15_000), 1_000))
    parts.settle(parts.claimed("done"), Completed(Evidence.POSTED), answered=True)
    parts.settle(parts.claimed("dead"), Failed(ErrorCode.REJECTED, "no", Clear()), answered=True)
    parts.claimed("busy")
    numbers = health(api).json
    assert numbers["queueDepth"] == 4
    assert (numbers["pending"], numbers["processing"]) == (3, 1)
    assert (numbers["completed"], numbers["failed"]) == (1, 1)
    assert (numbers["retryCount"], numbers["inDoubt"]) == (2, 1)
    assert numbers["workers"] == 1
    assert 0 <= numbers["oldestPendingSeconds"] <= time.monotonic() - began_s
    assert 0 < numbers["errorRate"] < 1
    assert numbers["postingService"]["state"] == "answering"
    assert TIME.fullmatch(numbers["postingService"]["lastAnswered"])


def test_the_error_rate_is_failed_attempts_by_attempts(api: TestClient, parts: Parts) -> None:
    for name in ("a", "b", "c"):
        submit(api, with_id(name))
        parts.settle(parts.claimed(name), Completed(Evidence.POSTED), answered=True)
    assert health(api).json["errorRate"] == 0
    submit(api, with_id("d"))
    parts.settle(parts.claimed("d"), Retry(Cause.NOT_WRITTEN, "500", Clear(), 0), answered=True)
    assert health(api).json["errorRate"] == 0.25


def test_the_error_rate_forgets_after_five_minutes(api: TestClient, parts: Parts) -> None:
    parts.begin_a_minute()
    submit(api, with_id("a"))
    parts.settle(parts.claimed("a"), Retry(Cause.NOT_WRITTEN, "500", Clear(), 0), answered=True)
    assert health(api).json["errorRate"] == 1
    parts.clock.forward(4 * 60_000)
    assert health(api).json["errorRate"] == 1
    parts.clock.forward(60_000)
    assert health(api).json["errorRate"] == 0


def test_without_a_worker_it_is_degraded_and_still_accepts(api: TestClient) -> None:
    result = health(api)
    assert result.status_code == 200
    assert (result.json["status"], result.json["workers"]) == ("degraded", 0)
    [said] = result.json["problems"]
    assert "dramatiq txn.worker" in said
    assert submit(api).status_code == 202


def test_a_worker_that_has_gone_silent_does_not_count(api: TestClient, parts: Parts, worker: str) -> None:
    parts.clock.forward(4_000)
    assert health(api).json["status"] == "healthy"
    parts.clock.forward(2_000)
    assert health(api).json["status"] == "degraded"
    parts.messages(worker).heartbeat()
    assert health(api).json["status"] == "healthy"


def test_while_the_posting_service_is_away_it_is_degraded(api: TestClient, parts: Parts, worker: str) -> None:
    submit(api, with_id("a"))
    outage(parts, "a")
    result = health(api)
    assert result.status_code == 200
    assert result.json["status"] == "degraded"
    [said] = result.json["problems"]
    assert said.startswith("The posting service does not answer: connection refused.")
    away = {"state": "away", "lastAnswered": None, "reason": "connection refused"}
    assert result.json["postingService"] == away | CLOSED


def test_why_it_is_away_is_for_this_machine(api: TestClient, parts: Parts, worker: str) -> None:
    submit(api, with_id("a"))
    outage(parts, "a")
    for address, headers in (("203.0.113.9", {}), ("127.0.0.1", {"X-Forwarded-For": "203.0.113.9"})):
        result = api.simulate_get("/api/health", remote_addr=address, headers=headers)
        assert "connection refused" not in result.text
        assert result.json["problems"][0].startswith("The posting service does not answer: see /api/health on its")
        assert result.json["postingService"]["state"] == "away"


def test_one_refused_call_is_not_an_outage_yet(api: TestClient, parts: Parts, worker: str) -> None:
    for name in ("a", "b"):
        submit(api, with_id(name))
    parts.settle(parts.claimed("a"), Completed(Evidence.POSTED), answered=True)
    parts.clock.forward(1_000)
    outage(parts, "b")
    parts.messages(worker).heartbeat()
    assert health(api).json["status"] == "healthy"
    parts.clock.forward(5_000)
    parts.messages(worker).heartbeat()
    assert health(api).json["status"] == "degraded"


def test_when_the_posting_service_answers_again_it_is_healthy(api: TestClient, parts: Parts, worker: str) -> None:
    submit(api, with_id("a"))
    outage(parts, "a")
    parts.clock.forward(1_000)
    parts.settle(parts.claimed("a"), Completed(Evidence.POSTED), answered=True)
    parts.messages(worker).heartbeat()
    found = health(api).json
    assert (found["status"], found["postingService"]["state"]) == ("healthy", "answering")
    assert found["postingService"]["reason"] is None


def test_when_the_oldest_has_waited_for_over_a_minute_it_is_degraded(
    api: TestClient, parts: Parts, worker: str
) -> None:
    submit(api)
    parts.clock.forward(59_000)
    parts.messages(worker).heartbeat()
    assert health(api).json["status"] == "healthy"
    assert health(api).json["oldestPendingSeconds"] == 59
    parts.clock.forward(2_000)
    parts.messages(worker).heartbeat()
    found = health(api)
    assert (found.status_code, found.json["status"], found.json["oldestPendingSeconds"]) == (200, "degraded", 61)
    assert found.json["problems"] == [
        "Transactions wait too long: the most overdue one has been due for 61 s; the workers do not keep up"
    ]


def test_a_transaction_whose_next_attempt_is_ahead_is_not_waiting(api: TestClient, parts: Parts, worker: str) -> None:
    submit(api, with_id("a"))
    parts.settle(parts.claimed("a"), Retry(Cause.NOT_WRITTEN, "500", Clear(), 300_000), answered=True)
    parts.clock.forward(120_000)
    parts.messages(worker).heartbeat()
    assert health(api).json["oldestPendingSeconds"] == 0
    assert health(api).json["status"] == "healthy"


def test_several_problems_are_all_named(api: TestClient, parts: Parts) -> None:
    submit(api, with_id("a"))
    outage(parts, "a")
    parts.clock.forward(61_000)
    assert len(health(api).json["problems"]) == 3


def test_a_redis_that_can_lose_what_it_acknowledges_is_unhealthy_and_the_numbers_are_still_there(
    api: TestClient, monitor: DurabilityMonitor, worker: str
) -> None:
    submit(api)
    monitor.latest = Durability(
        "lossy", "appendonly is 'no', so nothing is logged to disk: run CONFIG SET appendonly yes"
    )
    result = health(api)
    assert (result.status_code, result.json["status"], result.json["durability"]) == (503, "unhealthy", "lossy")
    assert result.json["queueDepth"] == 1
    assert result.json.keys() == NUMBERS | PROCESS | {"status", "problems"}
    [said] = result.json["problems"]
    assert "CONFIG SET appendonly yes" in said


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            Durability("lossy", "appendonly is 'no': run CONFIG SET appendonly yes"),
            "accepted that Redis can lose: append",
        ),
        (Durability("unknown", "Redis refuses INFO"), "whether Redis can lose them is not known: Redis refuses INFO"),
    ],
)
def test_what_is_accepted_although_redis_can_lose_it_is_degraded_and_named(
    parts: Parts, worker: str, found: Durability, said: str
) -> None:
    monitor = DurabilityMonitor(allow_lossy=True)
    monitor.latest = found
    api = TestClient(create_app(parts.store, parts.statistics, monitor, parts.timings))
    assert submit(api).status_code == 202
    result = health(api)
    assert (result.status_code, result.json["status"], result.json["durability"]) == (200, "degraded", found.level)
    [problem] = result.json["problems"]
    assert said in problem


def test_a_lossy_redis_and_no_worker_are_both_named(parts: Parts) -> None:
    monitor = DurabilityMonitor(allow_lossy=True)
    monitor.latest = Durability("lossy", "appendonly is 'no'")
    api = TestClient(create_app(parts.store, parts.statistics, monitor, parts.timings))
    assert [problem.split(":")[0] for problem in health(api).json["problems"]] == [
        "Transactions are accepted that Redis can lose",
        "No worker is alive",
    ]


def test_a_posting_service_that_answers_and_takes_no_post_is_degraded_until_it_takes_one(
    api: TestClient, parts: Parts, worker: str
) -> None:
    parts.accept("there")
    for name in ("a", "b"):
        parts.accept(name)
        parts.settle(
            parts.claimed(name),
            Retry(Cause.SENT_AWAY, "POST: answered 403", Clear(), 0),
            answered=True,
            outage="POST: 403",
        )
        assert health(api).json["status"] == "healthy"
    parts.clock.forward(SILENT_MS + 1_000)
    parts.messages(worker).heartbeat()
    found = health(api).json
    assert found["status"] == "degraded"
    [problem] = found["problems"]
    assert problem.startswith("The posting service takes no POSTs: POST: 403. Deliveries go on by themselves")
    assert found["postingService"] == found["postingService"] | {"state": "refusing", "reason": "POST: 403"}
    parts.settle(parts.claimed("there"), Completed(Evidence.FOUND), answered=True)
    assert health(api).json["status"] == "degraded", "what a GET found says nothing about POSTs"
    parts.settle(parts.claimed("a"), Failed(ErrorCode.REJECTED, "no", Clear()), answered=True, taken=True)
    assert health(api).json["status"] == "healthy"


def test_an_outage_and_a_pause_are_told_with_their_times(api: TestClient, parts: Parts) -> None:
    parts.messages("one").heartbeat()
    for _ in range(10):
        claim = parts.claimed(parts.accept())
        parts.settle(claim, Retry(Cause.UNCERTAIN, "503", Maybe(0), 0), answered=True, outage="503", calls="gPg")
    parts.pauses.pause("ann", "moved")
    found = health(api).json
    assert found["status"] == "degraded"
    assert [problem.partition(":")[0] for problem in found["problems"]] == [
        "Deliveries are paused",
        "The posting service takes no POSTs",
    ]
    service = found["postingService"]
    assert (service["state"], service["breaker"], service["held"]) == ("refusing", "open", 10)
    assert TIME.fullmatch(service["openedAt"])
    assert TIME.fullmatch(service["nextProbe"])
    assert found["paused"]["by"] == "ann"
    parts.pauses.resume("ann")
    assert health(api).json["paused"] is None


def test_limits_and_a_service_that_asks_to_wait_are_told(api: TestClient, parts: Parts) -> None:
    parts.messages("one").heartbeat()
    assert health(api).json["limits"] is None
    parts.limits.set("ann", "their night batch", in_flight=3)
    found = health(api).json
    assert (found["status"], found["postingService"]["heldUntil"]) == ("healthy", None)
    assert TIME.fullmatch(found["limits"].pop("since"))
    said = {"inFlight": 3, "inUse": 0, "rate": None, "by": "ann", "why": "their night batch"}
    assert found["limits"] == said
    for _ in range(2):
        claim = parts.claimed(parts.accept())
        busy = Retry(Cause.SENT_AWAY, "429", Clear(), 0)
        parts.settle(claim, busy, answered=True, outage="429", calls="gP", hold_ms=30_000)
    found = health(api).json
    assert found["status"] == "degraded"
    assert TIME.fullmatch(found["postingService"]["heldUntil"])
    assert found["problems"][0].startswith("The posting service asks to be left alone")
