"""Is anything wrong, and since when: said in the same words by the overview, `txn status` and the health check."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from txn.advice import START_WORKERS
from txn.errors import Unavailable
from txn.readers.charts import History
from txn.readers.statistics import MAX_WAITING_MS, Statistics
from txn.readers.workers import Marks
from txn.store.durability import DurabilityMonitor

#: The error rate is worth a word from this share on, if there were so many attempts in five minutes.
HIGH_ERROR_RATE = 0.2
MIN_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `bad`: the promise or the work is at stake. `warn`: somebody should look at it.

    `since_ms` is on Redis's clock; None: not known. `page` is where to put it right.
    """

    level: Literal["bad", "warn"]
    what: str
    hint: str
    since_ms: int | None = None
    page: str = ""
    link: str = "Look"

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        return f"{self.what}: {self.hint}"


@dataclass(frozen=True, slots=True)
class Look:
    """What the verdict is about: one look at everything."""

    statistics: Statistics
    marks: Marks
    history: History
    durability: DurabilityMonitor


def findings(look: Look) -> list[Finding]:
    """What is wrong, the worst first; empty: all is well."""
    pressing = standing_still(look.statistics, look.marks.beat_ms)
    found = [*_durability(look), *pressing, *_errors(look), *_failed(look)]
    return sorted(found, key=lambda finding: finding.level != "bad")


def standing_still(statistics: Statistics, beat_ms: int | None = None) -> list[Finding]:
    """Why transactions are accepted and do not get on; empty: they do. `beat_ms`: when a worker last lived."""
    return [*_workers(statistics, beat_ms), *_posting(statistics), *_waiting(statistics)]


def at_risk(durability: DurabilityMonitor) -> Iterator[Finding]:
    """That what is accepted can be lost, if it can. Only TXN_ALLOW_LOSSY_REDIS=1 lets it come to that."""
    latest = durability.latest
    if latest is None or latest.level == "durable":
        return
    if latest.level == "lossy":
        yield Finding("bad", "Transactions are accepted that Redis can lose", latest.problem)
    else:
        yield Finding("bad", "Transactions are accepted; whether Redis can lose them is not known", latest.problem)


def _durability(look: Look) -> Iterator[Finding]:
    try:
        look.durability.require()
    except Unavailable as error:
        yield Finding("bad", "New transactions are refused", str(error))
    else:
        yield from at_risk(look.durability)


def _workers(statistics: Statistics, beat_ms: int | None) -> Iterator[Finding]:
    if not statistics.workers:
        hint = f"start one: {START_WORKERS}. Until then nothing is delivered, and nothing is lost"
        yield Finding("bad", "No worker is alive", hint, beat_ms, "/admin/queues", "Workers")


def _posting(statistics: Statistics) -> Iterator[Finding]:
    if statistics.posting_away:
        hint = f"{statistics.outage_reason}. Deliveries go on by themselves when it answers, and no attempt is used up"
        yield Finding("bad", "The posting service does not answer", hint, statistics.answered_ms)
    elif statistics.posting_refuses:
        yield Finding("bad", "The posting service takes no POSTs", statistics.outage_reason, statistics.refused_ms)
    elif away := statistics.counts.get("sent_away", 0):
        what = f"{away:,} transaction{'s are' if away > 1 else ' is'} not let in by the posting service; others are"
        yield Finding("warn", what, f"{statistics.outage_reason}; they fail when their attempts are used up")


def _waiting(statistics: Statistics) -> Iterator[Finding]:
    waiting_ms = statistics.oldest_waiting_ms
    if waiting_ms > MAX_WAITING_MS:
        hint = f"the oldest has waited for {waiting_ms // 1000} s; the workers do not keep up"
        since_ms = statistics.now_ms - waiting_ms
        yield Finding("bad", "Transactions wait too long", hint, since_ms, "/admin/queues")


def _errors(look: Look) -> Iterator[Finding]:
    recent = look.history.recent
    if recent.attempts < MIN_ATTEMPTS or recent.error_rate < HIGH_ERROR_RATE:
        return
    since_ms = None
    for minute in reversed(look.history.hour):
        if minute.attempts and minute.error_rate < HIGH_ERROR_RATE:
            break
        since_ms = minute.start_ms if minute.attempts else since_ms
    hint = "they are repeated automatically until they succeed or their attempts are used up"
    yield Finding("warn", f"{recent.error_rate:.0%} of the attempts fail", hint, since_ms)


def _failed(look: Look) -> Iterator[Finding]:
    if dead := look.statistics.counts.get("dead", 0):
        what = f"{dead:,} failed transaction{'s wait' if dead > 1 else ' waits'} for a decision"
        hint = "replay those that can be sent again; discard those that must not be"
        yield Finding("warn", what, hint, look.marks.first_failed_ms, "/admin/failed", "Show them")
