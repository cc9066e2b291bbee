"""How long calls to the posting service take now, and took an hour ago."""

from collections.abc import Mapping
from dataclasses import dataclass

from txn.readers import formats
from txn.store.timings import Histogram, Timings

#: Minutes that count as now, as few as say something, ...
NOW = (1, 2)
#: ... and as an hour ago.
AGO, BEFORE = 60, 5
#: Fewer calls say nothing.
MIN_CALLS = 20
#: Slow is half of the deadline, or so many times what it was, if that is long enough to matter.
SHARE_OF_DEADLINE = 0.5
TIMES_SLOWER = 4
LONG_ENOUGH_MS = 250


@dataclass(frozen=True, slots=True)
class CallTimes:
    """`now_ms`, `before_ms`: half of the calls took that long at least, to the buckets' accuracy. None: not known."""

    deadline_ms: int
    now_ms: float | None
    before_ms: float | None

    @property
    def is_slow(self) -> bool:
        """Whether somebody should look at it."""
        if self.now_ms is None or self.now_ms < LONG_ENOUGH_MS:
            return False
        if self.now_ms >= SHARE_OF_DEADLINE * self.deadline_ms:
            return True
        return self.before_ms is not None and self.now_ms >= TIMES_SLOWER * self.before_ms

    @property
    def words(self) -> str:
        """How long they take, and what that is compared with."""
        if self.now_ms is None:
            return "too few calls to tell"
        before = "" if self.before_ms is None else f" (an hour ago: {formats.span(self.before_ms)})"
        take = f"half of the calls take {formats.span(self.now_ms)} or longer{before}"
        return f"{take}; txn waits {formats.span(self.deadline_ms)}"


class CallReader:
    """Raises: StoreUnavailable."""

    def __init__(self, timings: Timings, deadline_ms: int) -> None:
        self._timings, self._deadline_ms = timings, deadline_ms

    def read(self) -> CallTimes:
        """Two or three reads of a few minutes each. Now is this minute, if it has enough calls already."""
        now = next((found for minutes in NOW if (found := half_take(self._timings.recent(minutes))) is not None), None)
        return CallTimes(self._deadline_ms, now, half_take(self._timings.recent(BEFORE, AGO)))


def half_take(timings: Mapping[str, Histogram]) -> float | None:
    """Of GETs or of POSTs, whichever are slower: what half of them take at least. None: too few calls."""
    found = [_median_ms(timings, kind) for kind in ("get", "post")]
    return max((one for one in found if one is not None), default=None)


def _median_ms(timings: Mapping[str, Histogram], kind: str) -> float | None:
    """The lower end of the bucket that the middle call is in."""
    calls = [histogram for what, histogram in timings.items() if what.partition(":")[0] == kind]
    if not calls:
        return None
    counts = [sum(column) for column in zip(*(one.counts for one in calls), strict=True)]
    total, below = sum(counts), 0
    if total < MIN_CALLS:
        return None
    for low, count in zip((0, *calls[0].limits_ms), counts, strict=True):
        below += count
        if 2 * below >= total:
            return low
    return None
