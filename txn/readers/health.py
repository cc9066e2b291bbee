"""What counts as a problem, and since when: the same words on the overview, in `txn status` and in health."""

from collections.abc import Iterator
from dataclasses import dataclass

from txn.errors import Unavailable
from txn.readers.calls import CallTimes
from txn.readers.charts import History, Span
from txn.readers.problem import Problem
from txn.readers.standing_still import standing_still
from txn.readers.statistics import Statistics
from txn.readers.workers import Marks
from txn.store.durability import DurabilityMonitor
from txn.store.intake import Overload

#: The error rate is worth a word from this share on, if there were so many attempts in five minutes.
HIGH_ERROR_RATE = 0.2
MIN_ATTEMPTS = 10
#: What is younger is told as the latest.
NEW_MS = 60_000


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
