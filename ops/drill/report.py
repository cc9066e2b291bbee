"""What a drill found: judged from the posting service's own list and by the audit, told in a few lines."""

import statistics
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from ops.drill.blows import Blow
from ops.drill.stand import Stand
from ops.load import Load


@dataclass(frozen=True)
class Report:
    """Counts of transactions; times in s, submit times in ms from the moment a submit was due."""

    seed: int
    planned: int
    accepted: int
    completed: int
    failed: int
    lost: int
    doubled: int
    refused_with_503: int
    unanswered_and_repeated: int
    rescued: int
    late_settles_refused: int
    possible_doubles: int
    processes_restarted: int
    submit_p50_ms: float
    submit_p99_ms: float
    submit_max_ms: float
    quiet_after_s: float
    submit_errors: list[str]
    recovery_s: dict[str, float]
    blows: list[dict[str, Any]]
    audit_exit_code: int
    audit: dict[str, Any]

    @property
    def passed(self) -> bool:
        """Whether every promise was kept, and all was done that could have broken one."""
        kept = not (self.lost or self.doubled or self.failed or self.audit_exit_code)
        recovered = all(blow["name"] in self.recovery_s for blow in self.blows)
        return kept and recovered and self.accepted == self.planned and not self.submit_errors

    def lines(self) -> list[str]:
        """For people."""
        shown = [(name.replace("_", " "), value) for name, value in asdict(self).items()]
        lines = [f"{name:26}{value:>10,.1f}" if isinstance(value, float) else f"{name:26}{value:>10,}"
                 for name, value in shown if isinstance(value, (int, float))]  # fmt: skip
        lines += ["", "recovery, from the end of a blow until all that was accepted before it is finished:"]
        for blow in self.blows:
            after = self.recovery_s.get(blow["name"])
            recovered = "never" if after is None else f"{after:.1f} s"
            lines.append(f"  {blow['at']:5.1f} s  {blow['name']:32}{recovered:>10}")
        lines += [f"  the load: {error}" for error in self.submit_errors]
        return [*lines, "", "every promise kept" if self.passed else "NOT AS PROMISED, OR NOT AS PLANNED"]


def judge(accepted: list[str], rows: Counter[str]) -> tuple[int, int]:
    """(acknowledged and not there, there more than once)."""
    return len(set(accepted) - set(rows)), sum(copies > 1 for copies in rows.values())


def make_report(
    stand: Stand, load: Load, seed: int, blows: list[Blow], recovery_s: dict[str, float], quiet_after_s: float
) -> Report:
    """Compare both sides, now that all is quiet."""
    found: Any = stand.client.hgetall("txn:count")
    counts = {name.decode(): int(value) for name, value in found.items()}
    rows = Counter(row["id"] for row in stand.mock.rows())
    lost, doubled = judge(load.accepted, rows)
    audit = stand.audit()
    # Of fewer than two there are no percentiles; the report says that all the others are missing.
    latencies_ms = load.latencies_ms if len(load.latencies_ms) > 1 else [0.0, 0.0]
    percentiles = statistics.quantiles(latencies_ms, n=100)
    return Report(
        seed=seed,
        planned=load.planned,
        accepted=len(set(load.accepted)),
        completed=counts.get("completed", 0),
        failed=counts.get("failed", 0),
        lost=lost,
        doubled=doubled,
        refused_with_503=load.statuses["503"],
        unanswered_and_repeated=load.statuses["lost"],
        rescued=counts.get("rescued", 0),
        late_settles_refused=counts.get("late_settles", 0),
        possible_doubles=counts.get("late_posted", 0),
        processes_restarted=stand.restarts,
        submit_p50_ms=percentiles[49],
        submit_p99_ms=percentiles[98],
        submit_max_ms=max(latencies_ms),
        quiet_after_s=quiet_after_s,
        submit_errors=load.errors,
        recovery_s=recovery_s,
        blows=[asdict(blow) for blow in blows],
        audit_exit_code=audit["exit_code"],
        audit=audit,
    )
