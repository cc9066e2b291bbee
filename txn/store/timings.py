"""How long things take, as histograms in Redis: noted in memory, and added there once a second by every process."""

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from txn.store.fields import whole
from txn.store.keys import Keys
from txn.store.scripts import unavailable

#: Upper ends of the buckets; slower ones are in `inf`.
BUCKETS_MS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
_NAMES = (*map(str, BUCKETS_MS), "inf")
#: Pause between two additions: what a process that dies can lose.
FLUSH_S = 1.0
#: Minutes of which `recent` tells: this one and those before it.
RECENT_MINUTES = 6
#: Notes kept while they cannot be added.
_MAX_NOTES = 100_000


@dataclass(frozen=True, slots=True)
class Histogram:
    """`counts`: how many were in each bucket, one more than there are `limits_ms` (not cumulated); `sum_s`: in all."""

    limits_ms: Sequence[int]
    counts: Sequence[int]
    sum_s: float


class Timings:
    """Safe to use from many threads."""

    def __init__(self, client: redis.Redis, keys: Keys, shift_ms: Callable[[], int] = lambda: 0) -> None:
        self._client, self._keys, self._shift_ms = client, keys, shift_ms
        self._notes: deque[str] = deque(maxlen=_MAX_NOTES)

    def note(self, what: str, seconds: float) -> None:
        """Something took so long. On the hot path: it only appends; a text, which no garbage collection visits."""
        self._notes.append(f"{what}:{int(seconds * 1_000_000)}")

    def flush(self) -> float:
        """Add what was noted to the totals, and return the seconds to the next time.

        Raises: StoreUnavailable; then these notes are gone: a few too few are better than some twice.
        """
        if sums := self._drain():
            try:
                minute = self._minute(self._now_minute())
                with self._client.pipeline(transaction=True) as pipeline:
                    for field, amount in sums.items():
                        pipeline.hincrby(self._keys.timings, field, amount)
                        pipeline.hincrby(minute, field, amount)
                    pipeline.expire(minute, 2 * RECENT_MINUTES * 60)
                    pipeline.execute()
            except redis.RedisError as error:
                raise unavailable(error) from error
        return FLUSH_S

    def read(self) -> Mapping[str, Histogram]:
        """The totals of all processes, by what was noted. Raises: StoreUnavailable."""
        try:
            fields: Any = self._client.hgetall(self._keys.timings)
        except redis.RedisError as error:
            raise unavailable(error) from error
        return _histograms([fields])

    def recent(self) -> Mapping[str, Histogram]:
        """The same, of the latest minutes: five to six. Raises: StoreUnavailable."""
        try:
            now = self._now_minute()
            with self._client.pipeline(transaction=False) as pipeline:
                for minute in range(now - RECENT_MINUTES + 1, now + 1):
                    pipeline.hgetall(self._minute(minute))
                return _histograms(pipeline.execute())
        except redis.RedisError as error:
            raise unavailable(error) from error

    def _minute(self, minute: int) -> str:
        return f"{self._keys.recent_timings}{minute}"

    def _now_minute(self) -> int:
        """On Redis's clock: hosts disagree."""
        found: Any = self._client.time()
        return int(found[0] * 1000 + self._shift_ms()) // 60_000

    def _drain(self) -> Counter[str]:
        sums: Counter[str] = Counter()
        for _ in range(len(self._notes)):
            what, _, text = self._notes.popleft().rpartition(":")
            spent_us = int(text)
            sums[f"{what}:{_NAMES[bisect_left(BUCKETS_MS, spent_us / 1000)]}"] += 1
            sums[f"{what}:us"] += spent_us
        return sums


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
