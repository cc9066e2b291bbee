"""The audit's report for people, at home in 80 columns."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from txn.audit.join import Case
from txn.audit.report import LISTED, Report, conclusion, notes
from txn.audit.verdict import BROKEN, Verdict

#: Findings shown per class.
SHOWN = 10

_MEANINGS = {
    Verdict.ONCE: "completed, and there",
    Verdict.MISSING: "completed, and not there",
    Verdict.DOUBLED: "there more than once",
    Verdict.DIFFERENT: "there with other content",
    Verdict.POSTED_THOUGH_FAILED: "failed as never posted, and there",
    Verdict.UNANSWERED: "the posting service gives no answer",
    Verdict.IN_FLIGHT: "pending or processing",
    Verdict.FAILED: "failed, and not there",
    Verdict.TO_DECIDE: "not known whether posted: a person must decide",
    Verdict.DISCARDED: "taken off the list by an operator",
    Verdict.UNREADABLE: "a status that this version does not know",
}


def print_report(report: Report, console: Console) -> None:
    """Counts, the findings, and the verdict as the last line."""
    console.print(_counts(report))
    for name, findings in report.findings.items():
        unknown = {"unknown": report.unknown_ids, "unknown_to_us": report.unknown_to_us}
        if name == "unknown" and report.unknown_ids == report.unknown_to_us:
            continue  # each of them is in the other table
        total = unknown[name] if name in unknown else report.counts[Verdict(name)]
        console.print(_findings(name, findings, total))
    for note in notes(report):
        console.print(f"[yellow]Note:[/] {note}")
    console.print(_conclusion(report), highlight=False)


def _counts(report: Report) -> Table:
    table = Table(title="Accepted transactions", box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    table.add_column("class")
    table.add_column("count", justify="right")
    table.add_column("meaning", style="dim")
    for verdict, meaning in _MEANINGS.items():
        count = report.counts[verdict]
        style = _style(verdict) if count else "dim"
        if verdict is Verdict.ONCE and report.whole and not report.only_by_get:
            meaning += " exactly once"  # which a list shows, and a GET does not
        table.add_row(_title(verdict), f"{count:,}", meaning, style=style)
    table.add_section()
    table.add_row("accepted", f"{report.accepted:,}", _evidence(report), style="bold")
    if report.listed is not None:
        table.add_row("rows there", f"{report.listed:,}", f"{report.unknown_rows:,} of them unknown to us")
    return table


def _findings(name: str, findings: Sequence[Case], total: int) -> Table:
    table = Table(title=f"{_title(name)} ({total:,})", box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    table.add_column("id", overflow="fold")
    for column in ("status", "code"):
        table.add_column(column)
    for column in ("rows", "differ"):
        table.add_column(column, justify="right")
    for finding in findings[:SHOWN]:
        rows = "?" if finding.rows is None else str(finding.rows)
        table.add_row(escape(finding.id), finding.status, finding.code, rows, str(finding.differing))
    if total > SHOWN:
        table.caption = f"  and {total - SHOWN:,} more; --json lists the first {LISTED:,}\n"
        table.caption_justify = "left"
    return table


def _conclusion(report: Report) -> str:
    colour = {0: "green", 1: "red", 2: "yellow"}[report.exit_code]
    return f"[bold {colour}]{conclusion(report)}[/]"


def _style(verdict: Verdict) -> str:
    if verdict in BROKEN:
        return "bold red"
    if verdict in (Verdict.UNANSWERED, Verdict.TO_DECIDE, Verdict.UNREADABLE):
        return "yellow"
    return "green" if verdict is Verdict.ONCE else ""


def _evidence(report: Report) -> str:
    return " · ".join(f"{name} {count:,}" for name, count in report.evidence.items())


def _title(name: str) -> str:
    return name.replace("_", " ")
