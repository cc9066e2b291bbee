"""Pass or fail, and every reason why: pure, from what was measured and what the ledger says."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SUBMIT_P99_MS = 100
#: Less than this part of the asked rate is another test than the one asked for.
ENOUGH = 0.95
#: A user who waits longer for an answer makes fewer requests.
USER_PERIOD_MS = 1_000
#: Ids shown in a sentence.
SHOWN = 3

OUTCOMES = {
    0: "VERDICT: PASSED: every promise kept",
    1: "VERDICT: FAILED",
    2: "VERDICT: NOT SHOWN: nothing is known to be broken, and not everything was seen",
}


@dataclass(frozen=True)
class Load:
    """What the users saw. Times in ms.

    `asked`, `achieved`: requests a second at the full rate. `failures`: what should not have failed, and how often.
    `late_p99_ms`: how late the generator itself was. `cut_short`: it did not run to its end.
    """

    asked: float
    achieved: float | None
    submits: int
    submit_p99_ms: float
    failures: Mapping[str, int]
    late_p99_ms: float = 0
    cut_short: bool = False


@dataclass(frozen=True)
class Ledger:
    """What became of what was acknowledged.

    `acknowledged`: how many ids. `told`: ids by what the API answers about them: `completed`, `failed`, `lost` (not
    known), `unfinished`, `unexplained` (failed, and no code says why), `unread` (no answer). `audit`: the certificate
    of `txn audit --json`; `unaudited`: why there is none; `skipped`: nobody looked, as was asked for.
    """

    acknowledged: int
    told: Mapping[str, Sequence[str]] = field(default_factory=dict)
    audit: Mapping[str, Any] | None = None
    unaudited: str = ""
    skipped: bool = False


@dataclass(frozen=True)
class Verdict:
    """`broken`: promises that were broken. `unproven`: why the run does not show what it was made to show."""

    broken: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0: all well · 1: something is broken · 2: nothing is known to be broken, and not everything was shown."""
        return 1 if self.broken else 2 if self.unproven else 0


def judge(load: Load, ledger: Ledger) -> Verdict:
    """Every reason, not only the first."""
    return Verdict(_slow_or_failed(load) + _disowned(ledger) + _audited(ledger), _short(load) + _unchecked(ledger))


def lines(load: Load, ledger: Ledger, verdict: Verdict) -> Iterator[str]:
    """For people: what was seen, the outcome, and every reason for it."""
    achieved = "not seen" if load.achieved is None else f"{load.achieved:.1f}/s"
    yield f"  rate             {load.asked:g}/s asked for, {achieved} made"
    yield f"  generator        late by {load.late_p99_ms:.0f} ms (p99): the submits' times have that in them"
    yield f"  submits          {load.submits:,}, p99 {load.submit_p99_ms:.0f} ms (at most {SUBMIT_P99_MS} ms)"
    yield f"  unexpected       {sum(load.failures.values()):,}"
    yield f"  acknowledged     {ledger.acknowledged:,} new"
    if ledger.skipped:
        yield "  ledger           not looked at, as TXN_SWARM_LEDGER=skip says"
    else:
        completed, failed = (len(ledger.told.get(status, ())) for status in ("completed", "failed"))
        yield f"  asked one by one {completed:,} completed, {failed:,} failed with a reason"
    if ledger.audit is not None:
        yield f"  audit            {ledger.audit['accepted']:,} accepted: {ledger.audit['conclusion']}"
    yield ""
    yield OUTCOMES[verdict.exit_code]
    yield from (f"  - {reason}" for reason in verdict.broken + verdict.unproven)


def _slow_or_failed(load: Load) -> list[str]:
    found = [f"{count:,} unexpected: {what}" for what, count in load.failures.items()]
    if load.submit_p99_ms > SUBMIT_P99_MS:
        late = f" (the generator itself was up to {load.late_p99_ms:.0f} ms late)" if load.late_p99_ms > 10 else ""
        found.append(f"p99 of submit is {load.submit_p99_ms:.0f} ms, more than {SUBMIT_P99_MS} ms{late}")
    return found


def _disowned(ledger: Ledger) -> list[str]:
    kinds = {
        "lost": "acknowledged and LOST: the API does not know",
        "unfinished": "acknowledged and still unfinished:",
        "unexplained": "failed, and no code says why:",
    }
    return [f"{len(ids):,} {what} {_some(ids)}" for kind, what in kinds.items() if (ids := ledger.told.get(kind))]


def _audited(ledger: Ledger) -> list[str]:
    if (audit := ledger.audit) is None:
        return []
    found = []
    if audit["exit_code"] == 1:
        kinds = [f"{kind}: {_some([one['id'] for one in listed])}" for kind, listed in audit["findings"].items()]
        found.append(" ".join(["the audit:", audit["conclusion"], *kinds]))
    if audit["accepted"] < ledger.acknowledged:
        counts = f"{ledger.acknowledged:,} were acknowledged, and the audit finds {audit['accepted']:,} records"
        found.append(f"LOST: {counts}")
    return found


def _short(load: Load) -> list[str]:
    if load.cut_short:
        return ["the run was stopped before its end"]
    if not load.submits:
        return ["nothing was submitted"]
    if load.achieved is None:
        return ["the run was too short to see its full rate: give it 10 s or more"]
    if load.achieved < ENOUGH * load.asked:
        rates = f"{load.asked:g} requests/s were asked for, {load.achieved:.1f} were made"
        if load.submit_p99_ms >= USER_PERIOD_MS:
            return [f"the full rate was not reached, because users had to wait for their answers: {rates}"]
        return [f"the generator could not keep up: {rates}; ask for fewer, or add --processes 2"]
    return []


def _unchecked(ledger: Ledger) -> list[str]:
    if ledger.skipped:
        return []
    unread = ledger.told.get("unread", ())
    found = [f"{len(unread):,} could not be read back: {_some(unread)}"] if unread else []
    if ledger.audit is None:
        return [*found, f"THE LEDGER WAS NOT CHECKED: {ledger.unaudited}"]
    if ledger.audit["exit_code"] == 2 or not ledger.audit["posting"]["list"]:
        found.append(f"the audit: {ledger.audit['conclusion']}")
    return found


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:SHOWN]) + (", ..." if len(ids) > SHOWN else "")
