"""What an audit found, and the certificate that says so."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from txn import __version__
from txn.audit.join import Case
from txn.audit.verdict import BROKEN, Verdict
from txn.model.transaction import rfc3339
from txn.settings import Settings
from txn.store.inspection import Durability
from txn.store.integrity import Flaw

#: Raised when a field changes its meaning or goes; new fields may come without.
FORMAT = 1
#: Findings listed per class; all are counted.
LISTED = 1000

NOT_LOOKED_AT = Durability("unknown")
#: What bounds the promise: see docs/how/delivery.md.
_BOUNDS = ("posting_timeout_ms", "margin_ms", "lease_ms", "doubt_window_ms", "answer_is_final", "verify")


@dataclass(frozen=True, slots=True)
class Report:
    """One audit.

    `listed`: rows in the posting service's list, or None if it has none: then only one row of an id can be seen.
    `asked`, `only_by_get`: ids that were asked about one by one, and those of them that were there and not in the list:
    of these a second row could not be seen. `left_out`: those of them that were completed before the list was read.
    `unknown_ids`, `unknown_rows`: in the list, and not known to us. `unknown_to_us`: ids of these that are like those
    that we make: Redis has lost them, unless the list is `shared` with others who make such ids. `digest`: SHA-256 over
    every accepted id, sorted, each with a line feed behind it. `flaws`: what the indexes and counters did not say of
    the records. `findings`: by verdict, or `unknown`, the first of each by id. `durability`: whether Redis keeps what
    it acknowledges, at the end.
    """

    began_ms: int
    ended_ms: int
    counts: Mapping[Verdict, int]
    evidence: Mapping[str, int]
    listed: int | None
    asked: int
    only_by_get: int
    left_out: int
    unknown_ids: int
    unknown_rows: int
    unknown_to_us: int
    digest: str
    flaws: Sequence[Flaw]
    findings: Mapping[str, list[Case]]
    durability: Durability = NOT_LOOKED_AT
    shared: bool = False

    @property
    def accepted(self) -> int:
        """All transactions that were looked at."""
        return sum(self.counts.values())

    @property
    def broken(self) -> int:
        """Transactions for which a promise was broken."""
        return sum(self.counts[verdict] for verdict in BROKEN)

    @property
    def strayed(self) -> list[Flaw]:
        """What would not have been delivered or listed, or was counted wrong. Unreadable records are findings."""
        return [flaw for flaw in self.flaws if flaw.what != "unreadable"]

    @property
    def exit_code(self) -> int:
        """0: nothing is broken · 1: something is · 2: not everything could be looked at."""
        if self.broken or self.strayed or self.lost:
            return 1
        return 2 if self.left_out or self.counts[Verdict.UNANSWERED] else 0

    @property
    def lost(self) -> int:
        """Ids that must have been ours, and that Redis does not know any more."""
        return 0 if self.shared else self.unknown_to_us

    @property
    def whole(self) -> bool | None:
        """Whether the list held all that it had to; None without a list. It is the only thing that shows doubles."""
        return None if self.listed is None else self.left_out == 0


def conclusion(report: Report) -> str:
    """What follows, in one sentence."""
    if report.broken:
        return f"{report.broken:,} of {report.accepted:,} are not as promised."
    if report.lost:
        return f"{report.lost:,} in the list are unknown to us, and have ids like ours: Redis has lost transactions."
    if report.strayed:
        flaws = "is 1 flaw" if len(report.strayed) == 1 else f"are {len(report.strayed):,} flaws"
        return f"There {flaws} in records, indexes or counters: see above."
    if report.left_out:
        return _incomplete(report)
    if unanswered := report.counts[Verdict.UNANSWERED]:
        return f"Nothing can be said about {unanswered:,} of {report.accepted:,}: audit again."
    if report.listed is None:
        return "Nothing is missing or different. Doubles could not be seen."
    if report.only_by_get:
        return "Nothing is missing or different, and nothing in the list is doubled."
    return "Nothing is missing, doubled or different."


def notes(report: Report) -> list[str]:
    """What else must be known to read the figures."""
    found = [f"{flaw.sentence}." for flaw in report.strayed[:LISTED]]
    if report.listed is None:
        found.append("the posting service has no list, so a second row of an id could not be seen.")
    elif report.broken and report.left_out:
        found.append(_incomplete(report))
    elif report.only_by_get and not report.left_out:
        found.append(
            f"{report.only_by_get:,} are not in the list, but a GET finds them (settled during the audit?): "
            "of these a second row could not be seen."
        )
    if unreadable := report.counts[Verdict.UNREADABLE]:
        found.append(f"{unreadable:,} have a status that this version of txn does not know: audit with a newer one.")
    if report.lost:
        found.append(
            f"{report.lost:,} ids there are unknown to us and like those that we make (UUIDs): Redis has lost them, by "
            "a failover, an old backup or a cleanup. If others write UUIDs there, audit with --shared."
        )
    if report.durability.level == "attested":
        found.append(f"that Redis keeps what it acknowledges is attested by {report.durability.by}, not checked.")
    return found


def _incomplete(report: Report) -> str:
    return (
        f"The list is incomplete: {report.left_out:,} of {report.accepted:,} were completed before it was read and are "
        "not in it, although a GET finds them, so doubles could not be seen."
    )


def certificate(report: Report, settings: Settings) -> dict[str, Any]:
    """The report as JSON values."""
    return {
        "format": FORMAT,
        "txn": __version__,
        "began_at": rfc3339(report.began_ms),
        "ended_at": rfc3339(report.ended_ms),
        "exit_code": report.exit_code,
        "conclusion": conclusion(report),
        "notes": notes(report),
        "accepted": report.accepted,
        "counts": {verdict.value: count for verdict, count in report.counts.items()},
        "evidence": dict(report.evidence),
        "posting": {
            "list": report.listed is not None,
            "whole": report.whole,
            "rows": report.listed,
            "unknown_ids": report.unknown_ids,
            "unknown_rows": report.unknown_rows,
            "unknown_to_us": report.unknown_to_us,
            "shared": report.shared,
            "asked": report.asked,
            "only_by_get": report.only_by_get,
            "left_out": report.left_out,
        },
        "redis": {"durability": report.durability.level, "attested_by": report.durability.by or None},
        "settings": {name: getattr(settings, name) for name in _BOUNDS},
        "flaws": [asdict(flaw) for flaw in report.flaws[:LISTED]],
        "digest": {"sha256": report.digest, "over": "every accepted id, sorted, each followed by a line feed"},
        "findings_listed_per_class": LISTED,
        "findings": {name: [asdict(finding) for finding in found] for name, found in report.findings.items()},
    }
