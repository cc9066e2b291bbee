"""Clocks: Redis's decides about leases and due times, so that hosts may disagree, but not run wild."""

import time
from collections.abc import Iterator, Sequence

from txn.doctor.finding import Finding, Level
from txn.readers.workers import Worker
from txn.store.database import Database

#: More than this is a clock that nobody keeps.
MAX_SKEW_MS = 1_000.0
_TIMES = 5
_DO = "keep both with NTP: a clock that is set by hand can jump, and a jump of Redis's shortens the doubt window"


def check(database: Database, workers: Sequence[Worker]) -> Iterator[Finding]:
    """This host's clock and the workers' against Redis's. Raises: StoreUnavailable."""
    skew_ms, unsure_ms = min((_look(database) for _ in range(_TIMES)), key=lambda found: found[1])
    found = f"this host's is {_said(skew_ms)} Redis's (± {unsure_ms:.1f} ms)"
    yield Finding("clocks", *((Level.WARN, found, _DO) if abs(skew_ms) > MAX_SKEW_MS else (Level.OK, found)))
    if not hasattr(time, "CLOCK_BOOTTIME"):
        do = "do not let this host sleep while it delivers: a worker would not notice, and may post too late"
        yield Finding("clocks", Level.WARN, "this host's stops while it sleeps", do)
    yield from _workers(workers)


def _workers(workers: Sequence[Worker]) -> Iterator[Finding]:
    """One line for all that are right, and one for each host that is not: its processes share its clock."""
    hosts: dict[str, float] = {}
    for worker in workers:
        if worker.alive and worker.clock_ms is not None:  # what was sent late seems to be behind: the best counts
            apart_ms = float(worker.clock_ms - worker.beat_ms)
            hosts[worker.host] = min(apart_ms, hosts.get(worker.host, apart_ms), key=abs)
    wrong = {host: skew_ms for host, skew_ms in hosts.items() if abs(skew_ms) > MAX_SKEW_MS}
    if right := [abs(skew_ms) for host, skew_ms in hosts.items() if host not in wrong]:
        where = "the workers'" if not wrong else "other workers'"
        yield Finding("clocks", Level.OK, f"{where} are within {max(right):.0f} ms of Redis's")
    for host, skew_ms in sorted(wrong.items()):
        yield Finding("clocks", Level.WARN, f"that of {host}, with workers, is {_said(skew_ms)} Redis's", _DO)


def _look(database: Database) -> tuple[float, float]:
    """(how far this host is ahead of Redis, by how much that may be wrong), in ms."""
    began = time.time()
    seconds, micros = database.call(lambda client: client.time())
    ended = time.time()
    middle = (began + ended) / 2
    return (middle - (seconds + micros / 1e6)) * 1000, (ended - began) / 2 * 1000


def _said(skew_ms: float) -> str:
    return f"{abs(skew_ms):.0f} ms {'ahead of' if skew_ms >= 0 else 'behind'}"
