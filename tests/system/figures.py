"""`python -m tests.system.figures`: how long clients wait, measured on the real processes. Prints; asserts nothing."""

import statistics
import tempfile
import time
from pathlib import Path

import requests

from tests.system.stack import BODY, Stack

ROUNDS, SUBMITS = 6, 1_000


def submit_times(stack: Stack, count: int) -> list[float]:
    """Milliseconds of each of `count` submits, one after the other on one connection."""
    times = []
    with requests.Session() as session:
        for _ in range(count):
            began = time.perf_counter()
            answer = session.post(f"{stack.url}/api/transactions", json=BODY, timeout=10)
            times.append((time.perf_counter() - began) * 1_000)
            assert answer.status_code == 202
    return times


def p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


def hanging_against_healthy(stack: Stack) -> None:
    """p99 of submit in alternating runs: posting service healthy, and hanging."""
    found: dict[str, list[float]] = {"healthy": [], "hanging": []}
    submit_times(stack, SUBMITS)
    for _ in range(ROUNDS):
        for name, rate in (("healthy", 0.0), ("hanging", 1.0)):
            stack.mock.faults(hang_until_released=rate)
            found[name].append(p99(submit_times(stack, SUBMITS)))
            stack.mock.faults()
            stack.mock.release()
            stack.until_quiet(120)
    healthy, hanging = (statistics.median(found[name]) for name in ("healthy", "hanging"))
    print(f"submit p99, median of {ROUNDS} runs of {SUBMITS}: healthy {healthy:.1f} ms {rounded(found['healthy'])}")
    print(f"                                       hanging {hanging:.1f} ms {rounded(found['hanging'])}")
    print(f"ratio {hanging / healthy:.2f}")


def idle_latency(stack: Stack) -> None:
    """Submit to `completed` on an idle system, from the record's own times."""
    spans = []
    for _ in range(100):
        transaction = stack.submit()
        stack.until_quiet()
        record = stack.client.hgetall(f"txn:t:{transaction}")
        spans.append(int(record[b"completed"]) - int(record[b"submitted"]))
        time.sleep(0.05)
    spans.sort()
    print(f"idle, submit to completed: median {spans[50]} ms, p99 {spans[98]} ms")


def rounded(values: list[float]) -> str:
    return "(" + ", ".join(f"{value:.1f}" for value in values) + ")"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder)) as stack:
        stack.start_worker()
        idle_latency(stack)
        hanging_against_healthy(stack)


if __name__ == "__main__":
    main()
