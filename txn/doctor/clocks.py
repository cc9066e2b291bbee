"""Clocks: Redis's decides about leases and due times, so that hosts may disagree, but not run wild."""

import time
from collections.abc import Iterator

import redis

from txn.doctor.finding import Finding, Level
from txn.store.workers import Worker

#: More than this is a clock that nobody keeps.
MAX_SKEW_MS = 1_000.0
_TIMES = 5


def check(client: redis.Redis, workers: list[Worker]) -> Iterator[Finding]:
    """This host's clock and each worker's against Redis's. Raises: redis.RedisError."""
    skew_ms, unsure_ms = min((_look(client) for _ in range(_TIMES)), key=lambda found: found[1])
    yield _finding("clock of this host", skew_ms, f" (± {unsure_ms:.1f} ms)")
    for worker in workers:
        if worker.alive and worker.clock_ms is not None:
            yield _finding(f"clock of {worker.name}", worker.clock_ms - worker.beat_ms, "")
    if not hasattr(time, "CLOCK_BOOTTIME"):
        do = "do not let this host sleep while it delivers: a worker would not notice, and may post too late"
        yield Finding("clock of this host", Level.WARN, "does not go on while the host sleeps", do)


def _look(client: redis.Redis) -> tuple[float, float]:
    """(how far this host is ahead of Redis, by how much that may be wrong), in ms."""
    began = time.time()
    seconds, micros = client.time()
    ended = time.time()
    middle = (began + ended) / 2
    return (middle - (seconds + micros / 1e6)) * 1000, (ended - began) / 2 * 1000


def _finding(name: str, skew_ms: float, unsure: str) -> Finding:
    direction = "ahead of" if skew_ms >= 0 else "behind"
    found = f"{abs(skew_ms):.0f} ms {direction} Redis{unsure}"
    if abs(skew_ms) > MAX_SKEW_MS:
        do = "let NTP keep both: a clock that is set by hand can jump, and a jump of Redis's cuts into the doubt window"
        return Finding(name, Level.WARN, found, do)
    return Finding(name, Level.OK, found)
