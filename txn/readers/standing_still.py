"""Why transactions are accepted and do not get on: nobody works, nothing may go out, or the posting service is away."""

from collections.abc import Iterator

from txn.advice import START_WORKERS
from txn.readers import formats
from txn.readers.problem import Problem
from txn.readers.statistics import Statistics

#: What a call says that was given up, and what is wrong where POSTs are refused, and where they hang.
NO_ANSWER = "no answer within"
NO_POSTS = ("The posting service takes no POSTs", "The posting service does not answer POSTs")

_GO_ON = "Deliveries go on by themselves when it does, and no attempt is used up"


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
