"""Numbers for people and probes, read beside the store. The delivery path does not use them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from txn.model.content import loads
from txn.model.flow import Breaker, Flow, Limits, Paused
from txn.model.totals import Totals
from txn.store.database import Database
from txn.store.record import whole

#: The error rate looks back so many minutes.
ERROR_RATE_MINUTES = 5
#: A worker counts as alive for so long after its last heartbeat (one a second).
ALIVE_MS = 5_000
#: The posting service counts as away if, in vain, it was asked and did not answer for so long.
SILENT_MS = 5_000
#: A transaction that waits longer than this to be looked at means that the workers do not keep up.
MAX_WAITING_MS = 60_000


@dataclass(frozen=True, slots=True)
class Statistics:
    """One consistent look, in the order of the script's reply. Times are milliseconds, on Redis's clock.

    `unfinished`: in the due index; `due_lag_ms`: how late its first look is. `attempts`, `failed_attempts`: of the last
    five minutes.
    `most_overdue_ms`: for how long the one that has been due for longest has not been claimed.
    `oldest_unfinished_ms`: how long ago the oldest unfinished one was submitted or last replayed; `oldest_id`: which it
    is (0 and none if there is none). Until the workers' round (txn/store/oldest.py) is over, it may be a younger one.
    `answered_ms`, `outage_ms`: when the posting service last answered, and last could not be reached (None: never).
    `left_alone`: records that cannot be delivered and cannot be mended, as the workers' last look at all of them found.
    `taken_ms`: when a POST was last let through. `quarantined_until_ms`: no POST before, as Redis had lost data.
    `failing_gets`, `failing_posts`: of the latest twenty calls of all workers, the share in which the service failed.
    `best_minute`: how many were completed in the best minute of the last hour, while deliveries are held up; else 0.
    `refused_ms`: since when it has answered GETs and let no POST through (None: it does).
    `away`: partitions that could not be asked, and why: what is in them is in none of these numbers.
    """

    totals: Totals
    unfinished: int
    most_overdue_ms: int
    oldest_unfinished_ms: int
    oldest_id: str
    due_lag_ms: int
    workers: int
    attempts: int
    failed_attempts: int
    answered_ms: int | None
    outage_ms: int | None
    outage_reason: str
    refused_ms: int | None
    left_alone: int
    flow: Flow
    now_ms: int
    taken_ms: int | None = None
    quarantined_until_ms: int = 0
    failing_gets: float = 0.0
    failing_posts: float = 0.0
    best_minute: int = 0
    away: tuple[str, ...] = ()

    @property
    def error_rate(self) -> float:
        """Failed attempts / attempts, 0 if there were none."""
        return min(1.0, self.failed_attempts / self.attempts) if self.attempts else 0.0

    @property
    def catching_up_ms(self) -> float | None:
        """How long what waits takes at most once deliveries go on: as fast as in the best minute before.

        None: nobody knows, or nothing waits.
        """
        return self.unfinished * 60_000 / self.best_minute if self.best_minute and self.unfinished else None

    @property
    def waits_too_long(self) -> bool:
        """Whether the workers do not keep up."""
        return self.most_overdue_ms > MAX_WAITING_MS

    @property
    def posting_refuses(self) -> bool:
        """Whether the posting service answers, but has not taken a POST for a while."""
        if self.flow.breaker == "open" and self.flow.kind == "posts":
            return True
        return self.refused_ms is not None and self.now_ms - self.refused_ms > SILENT_MS

    @property
    def posting_away(self) -> bool:
        """Whether deliveries were tried in vain since the posting service last answered, and that is a while ago."""
        if self.flow.breaker == "open" and self.flow.kind == "gets":
            return True
        answered = self.answered_ms or 0
        if self.outage_ms is not None and answered > self.now_ms >= self.outage_ms:
            answered = 0  # before Redis's clock was set back, and the outage after it
        return self.outage_ms is not None and answered < self.outage_ms and self.now_ms - answered > SILENT_MS

    @property
    def posting_state(self) -> Literal["unknown", "answering", "away", "refusing", "returning"]:
        """The posting service as deliveries have met it; nobody asks it for this."""
        if self.flow.breaker == "half":
            return "returning"
        if self.posting_away:
            return "away"
        if self.posting_refuses:
            return "refusing"
        return "unknown" if self.answered_ms is None else "answering"

    @property
    def posting_problem(self) -> str:
        """Why nothing goes through; empty: nothing is known against it."""
        return self.outage_reason if self.posting_state in ("away", "refusing") else ""


class StatisticsReader:
    """Reads `Statistics` with one call that writes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> Statistics:
        """The numbers as they are now.

        Raises: StoreUnavailable.
        """
        keys = self._database.keys
        names = [keys.count, keys.due, keys.messages, keys.heartbeats, keys.posting, keys.minute, keys.record("")]
        places = [keys.outage, keys.oldest, keys.epoch, keys.in_flight, keys.turned_back]
        arguments = [ERROR_RATE_MINUTES, ALIVE_MS, self._database.shift_ms()]
        reply = self._database.run("statistics", [*names, keys.sweep, *places], arguments)
        counts, unfinished, overdue, age, oldest, *numbers, posting, left_alone, flow, held = reply[:-3]
        quarantine, best, now = reply[-3:]
        answered, outage, reason, refused, taken, gets, posts = posting
        values: list[Any] = [unfinished, overdue, age, oldest.decode(errors="replace"), *numbers]
        values += [whole(answered), whole(outage), (reason or b"").decode(errors="replace"), whole(refused)]
        values += [left_alone, _flow(flow, held, int(now)), int(now), whole(taken), whole(quarantine) or 0]
        values += [_failing(gets), _failing(posts), best]
        return Statistics(_totals(counts), *values)


def _flow(fields: Sequence[Any], held: int, now_ms: int) -> Flow:
    breaker, opened, probe_at, most, kind, paused, paused_at, paused_until, *limits = fields
    until_ms = whole(paused_until)
    pause = None
    if paused is not None and (until_ms is None or until_ms > now_ms):
        pause = Paused(*_said(paused), whole(paused_at), until_ms)
    state: Breaker = "open" if breaker == b"open" else "half" if breaker == b"half" else "closed"
    hold_ms = int(limits[4])
    more = (held, pause, _limits(limits), hold_ms if hold_ms > now_ms else None)
    if state == "closed":
        return Flow("closed", None, None, None, "", *more)
    return Flow(state, whole(opened), whole(probe_at), whole(most), (kind or b"").decode(), *more)


def _limits(fields: Sequence[Any]) -> Limits | None:
    most, rate, limited, limited_at, _, in_use, used, size, pace = fields
    if limited is None:
        return None
    rate = (rate or b"").decode(errors="replace") or None
    a_second = 1_000_000 / float(pace) if pace else 0.0
    return Limits(whole(most), in_use, rate, a_second, int(used) / int(size), *_said(limited), whole(limited_at))


def _said(line: bytes) -> tuple[str, str]:
    """Who has paused or limited, and why."""
    try:
        said = loads(line)
        return str(said["by"]), str(said["why"])
    except (ValueError, TypeError, KeyError):
        return "somebody", "what is written down about it cannot be read"


def _failing(window: bytes | None) -> float:
    """The share of failures in one of the breaker's windows (breaker.lua): three letters a call."""
    calls = [window[at : at + 3] for at in range(0, len(window), 3)] if window else []
    return sum(call != b"..." for call in calls) / len(calls) if calls else 0.0


def _totals(flat: Sequence[bytes]) -> Totals:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return Totals.of({name.decode(errors="replace"): whole(value) or 0 for name, value in pairs})
