import json
from collections import Counter
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.system.stack import PATIENCE_S, Stack, stack_fixture

pytestmark = pytest.mark.timeout(300)

#: Of every kind of fault, at the highest rates at which all is over in a minute.
WORST = {
    "fail_before": 0.15,
    "fail_after": 0.15,
    "hang_write": 0.05,
    "truncate": 0.05,
    "reject": 0.05,
    "throttle": 0.05,
    "unavailable": 0.05,
    "get_fail": 0.1,
    "retry_after_s": 0,
    "hang_min_ms": 2_000,
    "hang_max_ms": 2_500,
    "latency_ms": 5,
}


#: What hangs is written within a quarter of the doubt window after its deadline. A service that stands still for longer
#: than the timeout may never see what was sent to it.
SLOW = {"TXN_POSTING_TIMEOUT_MS": "2000", "TXN_DOUBT_WINDOW_MS": "2000"}
#: So long that no call is given up, also where the machine stands still: the service may not have seen such a call.
PATIENT = {"TXN_POSTING_TIMEOUT_MS": "60000", "TXN_DOUBT_WINDOW_MS": "60000"}

stack = stack_fixture()


def scrape(stack: Stack) -> dict[str, float]:
    """Totals by name, or by name and the labels' values."""
    answer = requests.get(f"{stack.url}/metrics", timeout=60)
    assert answer.status_code == 200
    return {
        ":".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def modes_in_history(stack: Stack, transaction_id: str) -> list[str]:
    """Of its deliveries."""
    history = stack.client.hget(f"txn:t:{transaction_id}", "history") or b""
    return [json.loads(line.split(b" ", 1)[1])["mode"] for line in history.splitlines()]


def total(found: dict[str, float], name: str) -> float:
    return sum(value for sample, value in found.items() if sample == name or sample.startswith(f"{name}:"))


@pytest.mark.parametrize("stack", [SLOW], ids=["slow"], indirect=True)
def test_the_counters_equal_the_ledger_after_everything_that_can_go_wrong(stack: Stack) -> None:
    stack.mock.faults(**WORST)
    stack.start_worker(threads=16)
    accepted = stack.submit_many(400)
    assert stack.submit("n-0") == accepted[0], "a repeated submit is no second one"
    stack.until_quiet(120)
    calls = stack.mock.stats()
    stack.until(
        lambda: total(scrape(stack), "txn_posting_seconds_count") == calls["posts"] + calls["gets"],
        "the workers' notes are added up: as many calls as the posting service has seen",
    )
    found = scrape(stack)
    statuses = Counter(stack.status(name)["status"] for name in accepted)
    codes = Counter(answer["error"]["code"] for answer in map(stack.status, accepted) if answer["status"] == "failed")
    posted = Counter(row["id"] for row in stack.mock.rows())

    assert statuses["failed"] == codes["rejected"] > 0, "the mock refuses some for good"
    assert set(posted.values()) == {1}
    assert found["txn_accepted_total"] == len(set(accepted)) == 400
    assert total(found, "txn_completed_total") == statuses["completed"] == len(posted)
    assert total(found, "txn_failed_total") == statuses["failed"] == found["txn_dead_letters"]
    assert found["txn_failed_total:rejected"] == codes["rejected"]
    assert found["txn_end_to_end_seconds_count"] == statuses["completed"]
    assert found["txn_end_to_end_seconds_bucket:+Inf"] == statuses["completed"]
    assert found["txn_submit_seconds_count"] >= 400
    posts = total({name: value for name, value in found.items() if "_count:post:" in name}, "txn_posting_seconds_count")
    assert posts == calls["posts"]
    # Every delivery that was claimed was settled, by one name or another.
    finished = {"posted", "verified", "found", "rejected"}
    outcomes = {name.partition(":")[2]: value for name, value in found.items() if name.startswith("txn_attempts_total")}
    assert sum(outcomes[name] for name in finished) == 400
    # Redis counts claims that may post. Others are in the history: only what went well at once leaves none.
    modes = Counter(mode for name in accepted for mode in modes_in_history(stack, name))
    claims = int(stack.client.hget("txn:epoch", "claims") or 0)
    assert sum(outcomes.values()) == claims + modes.total() - modes["post"], modes
    assert outcomes["uncertain"] > 0
    assert {name: found[f"txn_{name}"] for name in ("waiting", "processing", "in_doubt", "retrying")} == dict.fromkeys(
        ("waiting", "processing", "in_doubt", "retrying"), 0
    )
    assert (found["txn_possible_doubles_total"], found["txn_fence_rejected_total"]) == (0, 0)


def test_every_api_process_tells_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    with Stack(tmp_path) as stack:
        stack.start_worker()
        stack.submit_many(20)
        stack.until_quiet()
        stack.until(
            lambda: (
                [total(scrape(stack), name) for name in ("txn_submit_seconds_count", "txn_posting_seconds_count")]
                == [20, 40]
            ),
            "all processes have added theirs",
        )
        stack.workers[0].stop(PATIENCE_S)  # it notes each late beat of its loop, whenever there is one
        gauges = ("txn_most_overdue_seconds", "txn_due_lag_seconds", "txn_redis_memory_bytes")
        told = {tuple((name, value) for name, value in scrape(stack).items() if name not in gauges) for _ in range(12)}
        assert len(told) == 1


@pytest.mark.parametrize("stack", [PATIENT], ids=["patient"], indirect=True)
def test_a_worker_that_is_stopped_leaves_no_call_uncounted(stack: Stack) -> None:
    stack.mock.faults(latency_ms=300)
    worker = stack.start_worker()
    stack.submit_many(60)
    stack.until(lambda: stack.mock.stats()["posts"] > 0, "deliveries are under way")
    assert worker.stop(PATIENCE_S) == 0
    calls = stack.mock.stats()
    assert total(scrape(stack), "txn_posting_seconds_count") == calls["posts"] + calls["gets"]
    assert "same type twice" not in stack.logs()
