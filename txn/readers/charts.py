"""The last hour and the last day, from the minute buckets. Minutes that are over are remembered, not read again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from txn.model.totals import END_TO_END_BUCKETS, END_TO_END_MS
from txn.store.database import Database

#: In the order of `Span`.
_FIELDS = (
    *(b"accepted", b"completed", b"failed", b"attempts", b"failed_attempts"),
    *(f"end_to_end:{bucket}".encode() for bucket in END_TO_END_BUCKETS),
)

HOUR = 60
DAY = 1440
#: Minutes of "now": long enough for a percentile, short enough for an alarm.
RECENT = 5
#: Minutes of one bar of the day.
BAR = 10
#: Minutes read with one call. The first look of a process reads a whole day; others get their turn in between.
CHUNK = 120
#: A minute that ended so many minutes ago does not change any more.
SETTLED = 2

_EMPTY = (0,) * len(_FIELDS)


@dataclass(frozen=True, slots=True)
class Span:
    """What happened in one or more minutes from `start_ms` on. `histogram`: submit-to-completed, by bucket."""

    start_ms: int
    accepted: int
    completed: int
    failed: int
    attempts: int
    failed_attempts: int
    histogram: tuple[int, ...]

    @property
    def error_rate(self) -> float:
        """Failed attempts / attempts, 0 if there were none."""
        return min(1.0, self.failed_attempts / self.attempts) if self.attempts else 0.0

    def minutes(self, now_ms: int) -> float:
        """How long it is if it ends now (Redis's clock): its last minute may not be over."""
        return max(1, now_ms - self.start_ms) / 60_000

    def percentile(self, share: float) -> "Percentile | None":
        """Within which time so many (0.95) of the completed ones were; None if there were none."""
        total = sum(self.histogram)
        if not total:
            return None
        rank, below = share * total, 0
        for limit, low, count in zip((*END_TO_END_MS, None), (0, *END_TO_END_MS), self.histogram, strict=True):
            if count and below + count >= rank:
                estimate = None if limit is None else low + (limit - low) * (rank - below) / count
                return Percentile(low, limit, estimate)
            below += count
        raise AssertionError("a rank beyond the total")


_SUMMED = ("accepted", "completed", "failed", "attempts", "failed_attempts")


@dataclass(frozen=True, slots=True)
class Percentile:
    """Surely above `low_ms` and not above `high_ms` (None: no bound); in between, the estimate is a straight line."""

    low_ms: int
    high_ms: int | None
    estimate_ms: float | None


@dataclass(frozen=True, slots=True)
class History:
    """`hour`: 60 minutes, the last not over yet. `day`: 144 bars of ten minutes. `recent`: five minutes in one."""

    hour: Sequence[Span]
    day: Sequence[Span]
    recent: Span

    def latest(self, minutes: int) -> Span:
        """The last so many minutes of the hour in one; the last is not over yet."""
        spans = self.hour[-minutes:]
        sums: list[Any] = [sum(getattr(span, name) for span in spans) for name in _SUMMED]
        sums.append(tuple(sum(column) for column in zip(*(span.histogram for span in spans), strict=True)))
        return Span(spans[0].start_ms, *sums)


class Charts:
    """Reads and remembers minute buckets. Safe to use from many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._settled: Mapping[int, tuple[int, ...]] = {}

    def read(self, now_ms: int) -> History:
        """The last day until `now_ms` (Redis's clock).

        Raises: StoreUnavailable.
        """
        now = now_ms // 60_000
        first = (now // BAR - DAY // BAR + 1) * BAR
        minutes = range(first, now + 1)
        found = self._minutes(minutes)
        day = [_sum(bar, found) for bar in _chunks(minutes, BAR)]
        hour = [_sum([minute], found) for minute in minutes[-HOUR:]]
        return History(hour, day, _sum(minutes[-RECENT:], found))

    def _minutes(self, wanted: range) -> dict[int, tuple[int, ...]]:
        settled = self._settled
        missing = [minute for minute in wanted if minute not in settled]
        read = {minute: counts for chunk in _chunks(missing, CHUNK) for minute, counts in self.rows(chunk)}
        found = {minute: settled[minute] if minute in settled else read[minute] for minute in wanted}
        # Two threads may both have read: what they have read of a settled minute is the same.
        self._settled = {minute: counts for minute, counts in found.items() if minute < wanted[-1] - SETTLED}
        return found

    def rows(self, minutes: Sequence[int]) -> list[tuple[int, tuple[int, ...]]]:
        """Each of these minutes, which follow each other, and its counts. Raises: StoreUnavailable."""
        first, count = minutes[0], minutes[-1] - minutes[0] + 1
        rows: Any = self._database.run("minutes", [self._database.keys.minute], [first, count])
        return [(first + place, _counts(row)) for place, row in enumerate(rows)]


def _counts(row: list[bytes]) -> tuple[int, ...]:
    if not row:
        return _EMPTY
    found = dict(zip(row[::2], row[1::2], strict=True))
    return tuple(int(found.get(field, 0)) for field in _FIELDS)


def _chunks(minutes: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (minutes[at : at + size] for at in range(0, len(minutes), size))


def _sum(minutes: Sequence[int], found: Mapping[int, tuple[int, ...]]) -> Span:
    totals = [sum(column) for column in zip(*(found[minute] for minute in minutes), strict=True)]
    accepted, completed, failed, attempts, failed_attempts, *histogram = totals
    return Span(minutes[0] * 60_000, accepted, completed, failed, attempts, failed_attempts, tuple(histogram))
