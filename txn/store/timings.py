"""How long things take, as histograms in Redis: noted in memory, and added there once a second by every process."""

from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from redis.client import Pipeline

from txn.store.database import Database
from txn.store.record import whole

#: Upper ends of the buckets; slower ones are in `inf`.
BUCKETS_MS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
_NAMES = (*map(str, BUCKETS_MS), "inf")
#: What the lag of workers' event loops is noted as.
LAG = "loop:lag"
#: Pause between two additions: what a process that dies can lose.
FLUSH_S = 1.0
#: Minutes of which `recent` tells, if it is not told otherwise: this one and those before it.
RECENT_MINUTES = 6
#: Minutes are kept for so long, so that now can be compared with an hour ago.
KEPT_MINUTES = 75
#: Notes of one kind kept while they cannot be added.
_MAX_NOTES = 100_000


@dataclass(frozen=True, slots=True)
class Histogram:
    """`counts`: how many were in each bucket, one more than there are `limits_ms` (not cumulated); `sum_s`: in all."""

    limits_ms: Sequence[int]
    counts: Sequence[int]
    sum_s: float


class Timings:
    """Safe to use from many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._notes: defaultdict[str, deque[float]] = defaultdict(partial(deque, (), _MAX_NOTES))

    def note(self, what: str, seconds: float) -> None:
        """Something took so long. On the hot path: it only appends a number, which no garbage collection visits."""
        self._notes[what].append(seconds)

    def flush(self) -> float:
        """Add what was noted to the totals, and return the seconds to the next time.

        Raises: StoreUnavailable; then these notes are gone: a few too few are better than some twice.
        """
        if sums := self._drain():
            minute = self._minute(self._now_minute())
            self._database.pipeline(lambda pipeline: self._add(pipeline, minute, sums), transaction=True)
        return FLUSH_S

    def read(self) -> Mapping[str, Histogram]:
        """The totals of all processes, by what was noted. Raises: StoreUnavailable."""
        return _histograms([self._database.call(lambda client: client.hgetall(self._database.keys.timings))])

    def recent(self, minutes: int = RECENT_MINUTES, minutes_ago: int = 0) -> Mapping[str, Histogram]:
        """The same, of so many minutes, the last of which is not over yet. Raises: StoreUnavailable."""
        last = self._now_minute() - minutes_ago
        names = [self._minute(minute) for minute in range(last - minutes + 1, last + 1)]
        return _histograms(self._database.pipeline(lambda pipeline: [pipeline.hgetall(name) for name in names]))

    def _add(self, pipeline: Pipeline, minute: str, sums: Mapping[str, int]) -> None:
        for field, amount in sums.items():
            pipeline.hincrby(self._database.keys.timings, field, amount)
            pipeline.hincrby(minute, field, amount)
        pipeline.expire(minute, KEPT_MINUTES * 60)

    def _minute(self, minute: int) -> str:
        return f"{self._database.keys.recent_timings}{minute}"

    def _now_minute(self) -> int:
        return self._database.now_ms() // 60_000

    def _drain(self) -> Counter[str]:
        sums: Counter[str] = Counter()
        for what, notes in list(self._notes.items()):
            spent_us = sorted(int(notes.popleft() * 1_000_000) for _ in range(len(notes)))
            ends = [0, *(bisect_right(spent_us, limit_ms * 1000) for limit_ms in BUCKETS_MS), len(spent_us)]
            for name, (start, end) in zip(_NAMES, pairwise(ends), strict=True):
                sums[f"{what}:{name}"] += end - start
            sums[f"{what}:us"] += sum(spent_us)
        return +sums  # without the buckets that nothing was in


def _histograms(parts: Iterable[Mapping[bytes, bytes]]) -> Mapping[str, Histogram]:
    """All parts added up, by what was noted."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for fields in parts:
        for name, amount in fields.items():
            what, _, bucket = name.decode(errors="replace").rpartition(":")
            found[what][bucket] += whole(amount) or 0
    return {
        what: Histogram(BUCKETS_MS, [buckets[name] for name in _NAMES], buckets["us"] / 1e6)
        for what, buckets in sorted(found.items())
    }
