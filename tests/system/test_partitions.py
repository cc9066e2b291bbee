import os
import signal
from collections import Counter
from typing import Any

import pytest
import requests

from tests.system.stack import BODY, Stack, stack_fixture
from txn.partitions.place import partition_of

pytestmark = pytest.mark.timeout(300)

COUNT = 8

stack = stack_fixture({"TXN_PARTITIONS": str(COUNT)})


def submit(stack: Stack, name: str) -> requests.Response:
    return requests.post(f"{stack.url}/api/transactions", json=BODY | {"id": name}, timeout=60)


def follow(stack: Stack, count: int) -> list[str]:
    """Ids of the feed, in small pages, until there are so many."""
    found: list[str] = []
    parameters: dict[str, Any] = {"limit": 7, "wait": 5}
    while len(found) < count:
        answer = requests.get(f"{stack.url}/api/events", params=parameters, timeout=60)
        if answer.status_code == 503:  # Redis stands still
            continue
        page = answer.json()
        found += [event["transactionId"] for event in page["events"]]
        parameters["after"] = page["cursor"]
    return found


def test_a_killed_worker_loses_and_doubles_nothing_and_feed_and_audit_see_all(stack: Stack) -> None:
    stack.mock.faults(fail_before=0.1, fail_after=0.1, get_fail=0.05, latency_ms=20)
    worker = stack.start_worker()
    accepted = stack.submit_many(200)
    os.kill(worker.children()[0].pid, signal.SIGKILL)
    assert worker.popen is not None
    worker.popen.wait(30)
    stack.start_worker()
    accepted += stack.submit_many(50, "later")
    assert sorted(follow(stack, len(accepted))) == sorted(accepted)
    stack.until_quiet(120)
    stack.check_ledger(accepted)
    there = Counter(name.split(b":")[1] for name in stack.client.keys("txn:{*}:t:*"))
    assert len(there) == COUNT
    assert sum(there.values()) == len(accepted) == stack.count("accepted")
    assert not stack.client.keys("txn:t:*")
    certificate = stack.audit()
    assert (certificate["exit_code"], certificate["accepted"]) == (0, len(accepted))


def test_a_process_with_another_number_is_refused_and_says_which_it_must_be(stack: Stack) -> None:
    stack.submit("first")
    for other in ("4", "0"):
        stack.processes["api"].stop()
        stack.settings["TXN_PARTITIONS"] = other
        stack.start_api()
        answer = submit(stack, "second")
        assert answer.status_code == 503
        assert "set TXN_PARTITIONS=8 for every process" in answer.json()["detail"]
        assert "set TXN_PARTITIONS=8" in stack.health()["problems"][0]
        for command in (["status"], ["doctor"], ["audit"], ["failed"]):
            done = stack.command(*command)
            assert done.returncode
            assert "TXN_PARTITIONS=8" in " ".join((done.stdout + done.stderr).split()), command
    assert not [name for name in stack.client.keys("txn:*") if not name.startswith((b"txn:{", b"txn:partitions"))]


def test_a_partition_that_is_away_takes_only_its_own_with_it(stack: Stack) -> None:
    stack.start_worker()
    names = [f"n{number}" for number in range(40)]
    away = [name for name in names if partition_of(name, COUNT) == 3]
    assert away
    stack.client.set("txn:{3}:due", "no index")
    answers = {name: submit(stack, name) for name in names}
    assert {name for name, answer in answers.items() if answer.status_code == 503} == set(away)
    assert all(answers[name].headers["Retry-After"] for name in away)
    rest = [name for name in names if name not in away]
    stack.until(lambda: all(stack.status(name)["status"] == "completed" for name in rest), "the others are delivered")
    health = stack.health()
    assert health["status"] == "degraded"
    assert any(problem.startswith("Partition 3 of 8 is away") for problem in health["problems"])
    assert "partition 3 of 8" in stack.command("doctor").stdout.lower()
    stack.client.delete("txn:{3}:due")
    assert {submit(stack, name).status_code for name in away} == {202}
    stack.until(lambda: all(stack.status(name)["status"] == "completed" for name in away), "they are delivered, too")
    stack.check_ledger(names)
    stack.until(lambda: stack.health()["status"] == "healthy", "all is well")
