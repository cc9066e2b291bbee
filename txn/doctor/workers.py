"""Workers: are there any, and enough."""

from collections.abc import Iterator

from txn.doctor.finding import Finding, Level
from txn.store.charts import Span
from txn.store.statistics import MAX_WAITING_MS, Statistics
from txn.store.workers import Worker


def check(workers: list[Worker], statistics: Statistics, recent: Span, call_ms: float | None) -> Iterator[Finding]:
    """`recent`: the last five minutes; `call_ms`: what a call to the posting service takes (None: not known)."""
    alive = [worker for worker in workers if worker.alive]
    threads = sum(int(worker.threads or 0) for worker in alive)
    if not alive:
        yield Finding(
            "workers", Level.BAD, "none is alive", "start one: dramatiq txn.worker --processes 2 --threads 192"
        )
        return
    needed = 0.0 if call_ms is None else recent.accepted / 300 * 2 * call_ms / 1000
    found = f"{len(alive)} alive, {threads:,} threads"
    if threads < needed:
        do = f"start more: as fast as transactions come in, {needed:,.0f} are on their way at a time"
        yield Finding("workers", Level.WARN, found, do)
    else:
        yield Finding("workers", Level.OK, found)
    if statistics.oldest_waiting_ms > MAX_WAITING_MS:
        waits = f"the oldest has been waiting for {statistics.oldest_waiting_ms // 1000:,} s"
        yield Finding("queue", Level.BAD, waits, "start more workers, or see why the posting service is slow")
