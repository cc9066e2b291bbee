"""The verdict for people: a few lines, the last of them the one that counts."""

from collections.abc import Iterator

from ops.swarm.verdict import SUBMIT_P99_MS, Ledger, Load, Verdict

OUTCOMES = {
    0: "VERDICT: PASSED: every promise kept",
    1: "VERDICT: FAILED",
    2: "VERDICT: NOT SHOWN: nothing is known to be broken, and not everything was seen",
}


def lines(load: Load, ledger: Ledger, verdict: Verdict) -> Iterator[str]:
    """What was seen, every reason, and the outcome."""
    achieved = "not seen" if load.achieved is None else f"{load.achieved:.1f}/s"
    yield f"  rate             {load.asked:g}/s asked for, {achieved} made"
    yield f"  generator        late by {load.late_p99_ms:.0f} ms (p99): the submits' times have that in them"
    yield f"  submits          {load.submits:,}, p99 {load.submit_p99_ms:.0f} ms (at most {SUBMIT_P99_MS} ms)"
    yield f"  unexpected       {sum(load.failures.values()):,}"
    yield f"  acknowledged     {ledger.acknowledged:,} new"
    if ledger.skipped:
        yield "  ledger           not looked at, as TXN_SWARM_LEDGER=skip says"
    else:
        yield f"  asked one by one {ledger.completed:,} completed, {ledger.failed:,} failed with a reason"
    if ledger.audit is not None:
        counts = {name: count for name, count in ledger.audit["counts"].items() if count}
        told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        yield f"  audit            {ledger.audit['accepted']:,} accepted: {told}"
    yield ""
    yield OUTCOMES[verdict.exit_code]
    yield from (f"  - {reason}" for reason in verdict.broken + verdict.unproven)
