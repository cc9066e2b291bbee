"""`EventLog`: compares what a worker process sees with what it saw before, and writes down what has changed."""

import time
from collections.abc import Callable

from txn.operate.events import Events, News
from txn.readers import formats
from txn.readers.calls import CallTimes
from txn.readers.statistics import Statistics
from txn.readers.workers import SLOW

#: Submits count as refused for so long after the latest that was.
REFUSED_MS = 10_000
#: A Retry-After that is shorter is no event.
LONG_HOLD_MS = 5_000
#: How often it is looked whether the posting service is slow, which is told by the minute.
SLOW_LOOK_S = 10.0
#: Limits that are about the whole system; the third is about one client.
_LIMITS = {"unfinished": "too much is unfinished", "memory": "Redis is nearly full"}


class EventLog:
    """One worker process's. Others see the same: what one has written down is not written again.

    `calls`: how long calls take; None: nobody wants to know.
    Every method raises StoreUnavailable; then the change is still there at the next look.
    """

    def __init__(
        self,
        events: Events,
        monotonic_s: Callable[[], float] = time.monotonic,
        calls: Callable[[], CallTimes] | None = None,
    ) -> None:
        self._events, self._monotonic_s, self._calls = events, monotonic_s, calls
        self._looks_slow_s = monotonic_s()
        self._told: dict[str, str] = {}
        self._trouble: tuple[str, str, float] | None = None
        self._shed: dict[str, int] | None = None
        self._shed_ms: dict[str, int] = {}

    def look(self, seen: Statistics | None, redis: str, reason: str) -> None:
        """What there is now: `redis` is `there`, `away` or `refusing writes`, and `reason` why. None: Redis is away."""
        if redis != "there":
            began_s = self._trouble[2] if self._trouble else self._monotonic_s()
            self._trouble = (redis, reason, began_s)
        if seen is None or redis != "there":
            return
        self._redis_is_back(seen.now_ms)
        self._posting(seen)
        self._breaker(seen)
        self._pause(seen)
        self._hold(seen)
        self._limits(seen)
        self._slow(seen)
        if seen.quarantined_until_ms > seen.now_ms:
            until_ms = seen.quarantined_until_ms
            self._tell(seen, "lost", str(until_ms), seen.now_ms, f"deliveries only look until {formats.utc(until_ms)}")

    def _redis_is_back(self, now_ms: int) -> None:
        if self._trouble:
            state, reason, began_s = self._trouble
            since_ms = now_ms - round((self._monotonic_s() - began_s) * 1000)
            self._events.notice("redis", state, since_ms, now_ms, reason, "span")
            self._trouble = None

    def _posting(self, seen: Statistics) -> None:
        state, flow = seen.posting_state, seen.flow
        if state in ("away", "refusing"):
            since_ms = flow.opened_ms or (seen.refused_ms if state == "refusing" else seen.answered_ms)
            self._tell(seen, "posting", state, since_ms or seen.now_ms, seen.outage_reason)
        elif state == "answering":
            self._tell(seen, "posting", state, seen.now_ms, news="quiet")

    def _breaker(self, seen: Statistics) -> None:
        flow = seen.flow
        if flow.breaker == "open":
            self._tell(seen, "breaker", "open", flow.opened_ms or seen.now_ms, seen.outage_reason)
        elif flow.breaker == "closed":
            self._tell(seen, "breaker", "closed", seen.now_ms, news="quiet")

    def _pause(self, seen: Statistics) -> None:
        if paused := seen.flow.paused:
            end = "until somebody resumes it" if paused.until_ms is None else f"until {formats.utc(paused.until_ms)}"
            detail = f"by {paused.by}: {paused.why}, {end}"
            self._tell(seen, "pause", f"on {detail}", paused.since_ms or seen.now_ms, detail)
        else:
            self._tell(seen, "pause", "off", seen.now_ms, news="quiet")

    def _hold(self, seen: Statistics) -> None:
        """Asked to wait a little is no event; asked to wait again before that is over is the same one."""
        until_ms = seen.flow.hold_ms
        if until_ms is None:
            self._tell(seen, "hold", "off", seen.now_ms, news="quiet")
        elif until_ms - seen.now_ms > LONG_HOLD_MS:
            self._tell(seen, "hold", "on", seen.now_ms, f"at first until {formats.utc(until_ms)}")

    def _limits(self, seen: Statistics) -> None:
        shed = {name: seen.totals.shed_by.get(name, 0) for name in _LIMITS}
        for name, number in shed.items():
            if self._shed is not None and number > self._shed[name]:
                self._shed_ms[name] = seen.now_ms
        self._shed = shed
        now = [name for name, at_ms in self._shed_ms.items() if abs(seen.now_ms - at_ms) < REFUSED_MS]
        if now:
            self._tell(seen, "limit", now[0], self._shed_ms[now[0]], _LIMITS[now[0]])
        else:
            self._tell(seen, "limit", "off", seen.now_ms, news="quiet")

    def _slow(self, seen: Statistics) -> None:
        """While it answers. Too few calls to tell: it stays as it was."""
        if self._calls is None or seen.posting_state != "answering" or self._monotonic_s() < self._looks_slow_s:
            return
        calls = self._calls()
        self._looks_slow_s = self._monotonic_s() + SLOW_LOOK_S
        if calls.is_slow:
            self._tell(seen, SLOW, "on", seen.now_ms, calls.words)
        elif calls.now_ms is not None:
            self._tell(seen, SLOW, "off", seen.now_ms, news="quiet")

    def _tell(
        self, seen: Statistics, what: str, now: str, since_ms: int, detail: str = "", news: News = "change"
    ) -> None:
        if self._told.get(what) != now:
            self._events.notice(what, now, since_ms, seen.now_ms, detail, news)
            self._told[what] = now
