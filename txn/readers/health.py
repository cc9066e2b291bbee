"""What counts as a problem, and since when: the same words on the overview, in `txn status` and in health."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from txn.advice import START_WORKERS
from txn.errors import Unavailable
from txn.readers import formats
from txn.readers.calls import CallTimes
from txn.readers.charts import History, Span
from txn.readers.statistics import Statistics
from txn.readers.workers import Marks
from txn.store.durability import DurabilityMonitor
from txn.store.intake import Overload

#: The error rate is worth a word from this share on, if there were so many attempts in five minutes.
HIGH_ERROR_RATE = 0.2
MIN_ATTEMPTS = 10
#: What is younger is told as the latest.
NEW_MS = 60_000

#: What a call says that was given up, and what is wrong where POSTs are refused, and where they hang.
NO_ANSWER = "no answer within"
NO_POSTS = ("The posting service takes no POSTs", "The posting service does not answer POSTs")

_GO_ON = "Deliveries go on by themselves when it does, and no attempt is used up"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `bad`: the promise or the work is at stake. `warn`: somebody should look at it.

    `since_ms` is on Redis's clock; None: not known. `about`: where there is more to see and to do, if there is.
    """

    level: Literal["bad", "warn"]
    what: str
    hint: str
    since_ms: int | None = None
    about: Literal["", "workers", "queue", "dead letters", "callbacks"] = ""

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        return f"{self.what}: {self.hint}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that can be wrong, as it is at one time."""

    statistics: Statistics
    marks: Marks
    history: History
    durability: DurabilityMonitor
    overload: Overload | None = None
    calls: CallTimes | None = None


def problems_in(seen: Snapshot) -> list[Problem]:
    """What is wrong, the worst first; empty: all is well."""
    pressing = standing_still(seen.statistics, seen.marks.beat_ms)
    found = [*_durability(seen), *pressing, *_errors(seen), *_slow(seen), *_failed(seen), *_callbacks(seen)]
    return sorted(found, key=lambda problem: problem.level != "bad")


def often_fails(seen: Snapshot) -> bool:
    """Whether so many attempts fail now that somebody should look at it."""
    span = _now(seen.history)
    return span.attempts >= MIN_ATTEMPTS and _failing_share(seen, span) >= HIGH_ERROR_RATE


def _now(history: History) -> Span:
    """This minute, and those before it that are needed for a share."""
    for minutes in (1, 2):
        if (span := history.latest(minutes)).attempts >= MIN_ATTEMPTS:
            return span
    return history.recent if span.failed_attempts else span


def _failing_share(seen: Snapshot, span: Span) -> float:
    """Of the attempts, those that fail. If the latest calls go well, those that are repeated are the past."""
    if _calls_go_well(seen.statistics) and span.attempts:
        return min(1.0, span.failed / span.attempts)
    return span.error_rate


def _calls_go_well(statistics: Statistics) -> bool:
    """Whether the posting service answers nearly all of the latest calls as it should, if only with a no."""
    return max(statistics.failing_gets, statistics.failing_posts) < HIGH_ERROR_RATE


def standing_still(statistics: Statistics, beat_ms: int | None = None) -> list[Problem]:
    """Why transactions are accepted and do not get on; empty: they do. `beat_ms`: when a worker last lived."""
    return [
        *_away(statistics),
        *_lost(statistics),
        *_paused(statistics),
        *_held(statistics),
        *_workers(statistics, beat_ms),
        *_posting(statistics),
        *_waiting(statistics),
    ]


def at_risk(durability: DurabilityMonitor) -> Iterator[Problem]:
    """That what is accepted can be lost, which only TXN_ALLOW_LOSSY_REDIS=1 allows, and what is refused of a part."""
    refusals = durability.refusals()
    for whose, why in refusals:
        yield Problem("bad", f"New transactions of {whose} are refused", why)
    latest = durability.latest
    if latest is None or latest.is_kept:
        if durability.may_lose_at_failover:
            hint = "a failover can lose the latest: set TXN_REDIS_REPLICAS=1, so that a replica has each of them"
            yield Problem("bad", "Transactions are acknowledged that only one server has", hint)
        return
    if refusals:
        return
    if latest.level == "lossy":
        yield Problem("bad", "Transactions are accepted that Redis can lose", latest.problem)
    else:
        yield Problem("bad", "Transactions are accepted; whether Redis can lose them is not known", latest.problem)


def _durability(seen: Snapshot) -> Iterator[Problem]:
    try:
        seen.durability.require()
    except Unavailable as error:
        yield Problem("bad", "New transactions are refused", str(error))
    else:
        if over := seen.overload:
            yield Problem("bad", "New transactions are refused", over.sentence, over.since_ms, "queue")
        yield from at_risk(seen.durability)


def _workers(statistics: Statistics, beat_ms: int | None) -> Iterator[Problem]:
    if not statistics.workers:
        hint = f"start one: {START_WORKERS}. Until then nothing is delivered, and nothing is lost"
        yield Problem("bad", "No worker is alive", hint, beat_ms, "workers")


def _away(statistics: Statistics) -> Iterator[Problem]:
    for what in statistics.away:
        name, _, why = what.partition(": ")
        hint = f"{why}. Its transactions wait and submits of its ids are refused; the other partitions go on"
        verb = "are" if name.startswith("partitions") else "is"
        yield Problem("bad", f"{name[:1].upper()}{name[1:]} {verb} away", hint)


def _lost(statistics: Statistics) -> Iterator[Problem]:
    if statistics.quarantined_until_ms > statistics.now_ms:
        until = formats.since(statistics.quarantined_until_ms, statistics.now_ms)
        hint = f"until {until} deliveries only look, so that what was sent in the lost time shows itself. Run txn audit"
        yield Problem("bad", "Redis has lost data", hint)


def _paused(statistics: Statistics) -> Iterator[Problem]:
    if paused := statistics.flow.paused:
        end = "somebody resumes it" if paused.until_ms is None else formats.utc(paused.until_ms)
        hint = f"by {paused.by}: {paused.why}. Nothing goes out until {end} (txn resume); submits are accepted"
        hint += _catching_up(statistics)
        yield Problem("warn", "Deliveries are paused", hint, paused.since_ms)


def _held(statistics: Statistics) -> Iterator[Problem]:
    if (until_ms := statistics.flow.hold_ms) is not None:
        hint = f"with Retry-After; nothing goes out until {formats.utc(until_ms)}, and no attempt is used up"
        yield Problem("warn", "The posting service asks to be left alone", hint)


def _posting(statistics: Statistics) -> Iterator[Problem]:
    flow = statistics.flow
    if flow.breaker == "half":
        hint = f"at most {flow.most} in flight now, twice as many with each success, until all may go out"
        hint += _catching_up(statistics)
        yield Problem("warn", "The posting service is back", hint, flow.opened_ms)
    elif statistics.posting_away:
        since_ms = flow.opened_ms or statistics.answered_ms
        yield Problem("bad", "The posting service does not answer", _outage(statistics), since_ms)
    elif statistics.posting_refuses:
        what = NO_POSTS[NO_ANSWER in statistics.outage_reason]
        yield Problem("bad", what, _outage(statistics), statistics.refused_ms or flow.opened_ms)
    elif away := statistics.totals.sent_away:
        what = f"{away:,} transaction{'s are' if away > 1 else ' is'} not let in by the posting service; others are"
        yield Problem("warn", what, f"{statistics.outage_reason}; they fail when their attempts are used up")


def _outage(statistics: Statistics) -> str:
    """Why, what to do, what waits, and what it costs."""
    flow = statistics.flow
    waits = (
        f"{formats.number(statistics.unfinished)} wait, the oldest for {formats.span(statistics.oldest_unfinished_ms)}"
    )
    probes = "; only probes go out" if flow.breaker == "open" else ""
    waiting = f" {waits}{probes}." if statistics.oldest_id else ""
    ahead = _catching_up(statistics).removeprefix("; ").capitalize()
    waiting += f" {ahead}." if ahead else ""
    return f"{statistics.outage_reason}. {_GO_ON}.{waiting}{_advice(statistics.outage_reason)}"


def _catching_up(statistics: Statistics) -> str:
    if (ahead_ms := statistics.catching_up_ms) is None:
        return ""
    return f"; what waits then takes {formats.span(ahead_ms)} at the pace of the best minute before, or less"


def _advice(reason: str) -> str:
    for words_in_it, advice in _ADVICE.items():
        if words_in_it in reason:
            return f" {advice}"
    return ""


#: What is in the reason -> what to do. Where the reason says it itself, nothing is added.
_ADVICE = {
    NO_ANSWER: "It takes connections and hangs: see whether it is overloaded or waits for something itself. "
    "If it is only slow, raise TXN_POSTING_TIMEOUT_MS",
    "no connection within": "See whether it runs, and whether a firewall is in between",
    "connection refused": "See whether it runs, and whether TXN_POSTING_URL leads to it",
    "no such host name": "Check TXN_POSTING_URL and the name server",
    "answered 5": "It answers with errors: ask those who run it",
    "answered 429": "It limits how much it takes: ask those who run it",
}


def _waiting(statistics: Statistics) -> Iterator[Problem]:
    waiting_ms, flow = statistics.most_overdue_ms, statistics.flow
    if statistics.waits_too_long and flow.breaker == "closed" and not flow.paused:
        hint = f"the most overdue one has been due for {waiting_ms // 1000} s; the workers do not keep up"
        if flow.limits is not None:
            hint += f", or the limit is too low: {formats.limits(flow.limits)} (txn limit)"
        since_ms = statistics.now_ms - waiting_ms
        yield Problem("bad", "Transactions wait too long", hint, since_ms, "queue")


def _errors(seen: Snapshot) -> Iterator[Problem]:
    if seen.statistics.flow.breaker != "closed" or not often_fails(seen):
        return  # an outage has a word of its own
    since_ms = None
    for minute in reversed(seen.history.hour):
        if minute.attempts and minute.error_rate < HIGH_ERROR_RATE:
            break
        since_ms = minute.start_ms if minute.attempts else since_ms
    share = _failing_share(seen, _now(seen.history))
    yield Problem("warn", f"{share:.0%} of the attempts fail", _why_they_fail(seen.statistics), since_ms)


def _why_they_fail(statistics: Statistics) -> str:
    if _calls_go_well(statistics):
        return "the posting service answers, and says no: they end as failed. txn failed says why"
    is_new = statistics.outage_ms is not None and statistics.now_ms - statistics.outage_ms < NEW_MS
    last = f"the latest: {statistics.outage_reason}. " if is_new and statistics.outage_reason else ""
    if statistics.taken_ms is not None and statistics.now_ms - statistics.taken_ms < NEW_MS:
        return f"{last}They are repeated. Others get through, so attempts are used up; with the last one it fails"
    return f"{last}They are repeated. As nobody's POST gets through, no attempt is used up"


def _slow(seen: Snapshot) -> Iterator[Problem]:
    """Compared with what is waited for, and with itself an hour ago."""
    calls = seen.calls
    if calls is None or calls.now_ms is None or not calls.is_slow or seen.statistics.posting_state != "answering":
        return
    costs = "Each delivery holds its place for longer, so fewer get through: see why it is slow, or raise TXN_IN_FLIGHT"
    yield Problem(
        "warn",
        "The posting service is slow",
        f"{calls.words}. {costs}",
        seen.marks.slow_since_ms,
    )


def _failed(seen: Snapshot) -> Iterator[Problem]:
    if dead := seen.statistics.totals.dead:
        what = f"{dead:,} failed transaction{'s wait' if dead > 1 else ' waits'} for a decision"
        hint = "replay those that can be sent again; discard those that must not be"
        yield Problem("warn", what, hint, seen.marks.first_failed_ms, "dead letters")


def _callbacks(seen: Snapshot) -> Iterator[Problem]:
    if dead := seen.statistics.totals.callbacks_dead:
        what = f"{dead:,} callback{'s were' if dead > 1 else ' was'} given up"
        hint = "txn callbacks says why: send them again when their receivers are well, or discard them"
        yield Problem("warn", what, hint, about="callbacks")
