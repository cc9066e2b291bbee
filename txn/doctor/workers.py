"""Workers: are there any, and enough."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from txn.advice import START_WORKERS
from txn.doctor.finding import Finding, Level
from txn.readers.statistics import Statistics
from txn.readers.workers import Worker
from txn.store.record import whole
from txn.store.timings import Histogram

#: The due index is looked at all the time; later than this, somebody has no time for it.
_LATE_MS = 5_000


@dataclass(frozen=True, slots=True)
class Load:
    """What there is to do: `rate` transactions a second, each with two calls of `call_ms` to the posting service.

    `hangs`: deliveries with a call that ends at the deadline, as a share of all; `deadline_ms`: that deadline.
    """

    rate: float
    call_ms: float
    hangs: float
    deadline_ms: int

    @property
    def needed(self) -> float:
        """Deliveries that are in flight at a time."""
        return self.rate * (2 * self.call_ms + self.hangs * self.deadline_ms) / 1000

    def __str__(self) -> str:
        hanging = f" and {self.hangs:.2%} of the deliveries hanging" if self.hangs else ""
        return f"{self.rate:,.0f}/s, {self.call_ms:,.0f} ms a call{hanging}"


def check(workers: Sequence[Worker], statistics: Statistics, load: Load | None) -> Iterator[Finding]:
    """`load` is None if nobody knows how long a call takes."""
    alive = [worker for worker in workers if worker.alive]
    if alive:
        yield _enough(alive, load)
    else:
        yield Finding("workers", Level.BAD, "none is alive", f"start one: {START_WORKERS}")
    yield _lag(statistics)


def hangs(timings: Mapping[str, Histogram], deadline_ms: int) -> float:
    """Deliveries with a call that was given up at the deadline, as a share of all in `timings`."""
    hung = sum(_at_least(histogram, deadline_ms) for what, histogram in timings.items() if what.endswith(":none"))
    deliveries = max(_calls(timings, "get"), _calls(timings, "post"))
    return min(1.0, hung / deliveries) if deliveries else 0.0


def _enough(alive: Sequence[Worker], load: Load | None) -> Finding:
    places = sum(whole(worker.threads) or 0 for worker in alive)
    found = f"{len(alive)} alive, for {places:,} deliveries at a time"
    if load is not None and places < load.needed:
        do = f"raise TXN_IN_FLIGHT or start more: with {load}, {load.needed:,.0f} deliveries are in flight at a time"
        return Finding("workers", Level.WARN, found, do)
    return Finding("workers", Level.OK, found)


def _lag(statistics: Statistics) -> Finding:
    if statistics.waits_too_long:
        waits = f"the most overdue one has been due for {statistics.most_overdue_ms // 1000:,} s"
        return Finding("queue", Level.BAD, waits, "start more workers, or find out why the posting service is slow")
    if statistics.workers and statistics.due_lag_ms > _LATE_MS:
        late = f"due transactions are looked at {statistics.due_lag_ms / 1000:,.0f} s late"
        return Finding("queue", Level.WARN, late, "find out whether Redis is slow or the workers have no CPU left")
    return Finding("queue", Level.OK, f"{statistics.unfinished:,} unfinished, none of them late")


def _calls(timings: Mapping[str, Histogram], verb: str) -> int:
    return sum(sum(histogram.counts) for what, histogram in timings.items() if what.startswith(f"{verb}:"))


def _at_least(histogram: Histogram, ms: int) -> int:
    """In the bucket that `ms` falls into, and above: calls end a little after their deadline."""
    return sum(count for limit, count in zip((*histogram.limits_ms, ms), histogram.counts, strict=True) if limit >= ms)
