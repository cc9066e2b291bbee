import time
from pathlib import Path

import pytest

from tests.system.bulk import (
    Operator,
    audit,
    check_replayed_once,
    fill,
    kill_the_api_process,
    kill_whoever_moves,
    run_of,
    users,
)
from tests.system.stack import Stack

pytestmark = pytest.mark.timeout(300)


def test_2000_failed_are_replayed_through_killed_processes_a_stop_and_a_second_run(tmp_path: Path) -> None:
    with Stack(tmp_path, users() | {"TXN_IN_FLIGHT": "8"}, processes=1) as stack:
        stack.start_worker()
        stack.start_worker()
        replay_all(stack, count=2_000, rejected=50, latency_ms=20)


def test_what_an_operator_does_is_in_the_log_of_the_api(tmp_path: Path) -> None:
    with Stack(tmp_path, users()) as stack:
        fill(stack, 3)
        run = Operator(stack.url).replay_all().rpartition("/")[2]
        lines = [line for line in (tmp_path / "api.log").read_text().splitlines() if "txn.journal" in line]
        assert len(lines) == 1
        assert f"ada: replay all that match, run {run}" in lines[0]


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_100_000_failed_are_replayed_through_killed_processes_a_stop_and_a_second_run(tmp_path: Path) -> None:
    with Stack(tmp_path, users() | {"TXN_IN_FLIGHT": "32"}, processes=1, threads=32) as stack:
        stack.start_worker()
        stack.start_worker()
        replay_all(stack, count=100_000, rejected=200, latency_ms=5)


def replay_all(stack: Stack, count: int, rejected: int, latency_ms: int) -> None:
    """Most were rejected long ago, some just now; then the posting service is well again.

    Few deliveries at a time: a run waits for its transactions, and must not be over before it is stopped.
    """
    stack.mock.faults(reject=1.0)
    names = stack.submit_many(rejected)
    stack.until(lambda: stack.numbers()["failed"] == rejected, "they are rejected")
    names += fill(stack, count - rejected)
    stack.mock.faults(latency_ms=latency_ms)

    ada, began = Operator(stack.url), time.monotonic()
    run = ada.replay_all()
    stack.until(lambda: run_of(stack, run).get("done", 0) >= count // 10, "the run moves", 60)
    kill_the_api_process(stack)
    first = run_of(stack, run)["owner"]
    kill_whoever_moves(stack, run)
    stack.until(lambda: run_of(stack, run)["owner"] != first, "somebody else moves it on", 30)
    taken_over = run_of(stack, run)["done"]
    stack.start_worker()
    stack.until(lambda: run_of(stack, run)["done"] > taken_over, "it goes on", 60)
    assert "Replay all that match" in ada.page(run)

    ada.stop(run)
    stopped = run_of(stack, run)
    assert (stopped["state"], stopped["done"] < count) == ("stopped", True)
    last, others, spent = replay_the_rest(stack, ada)
    took, rest = time.monotonic() - began, run_of(stack, last)
    assert run_of(stack, run)["done"] == stopped["done"]
    assert (stopped["done"] + rest["done"], rest.get("gone", 0)) == (count, 0)
    check_replayed_once(stack, names)
    stack.check_ledger([*others, names[0]])
    audited = audit(stack)
    middle, worst = sorted(spent)[len(spent) // 2] * 1000, max(spent) * 1000
    print(f"{count} replayed and completed in {took:.0f} s; submits: median {middle:.0f} ms, worst {worst:.0f} ms")
    print(audited)


def replay_the_rest(stack: Stack, ada: Operator) -> tuple[str, list[str], list[float]]:
    """A second run to its end, while a client submits: (the run, his transactions, how long each submit took)."""
    run, others, spent = ada.replay_all(), [], []
    deadline = time.monotonic() + 900
    while run_of(stack, run)["state"] == "running" or not spent:
        assert time.monotonic() < deadline, run_of(stack, run)
        began = time.monotonic()
        others.append(stack.submit(f"meanwhile-{len(spent)}"))
        spent.append(time.monotonic() - began)
    stack.until_quiet(300)
    return run, others, spent
