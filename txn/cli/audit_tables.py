"""The audit's report for people, at home in 80 columns."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from txn.audit.join import Finding
from txn.audit.report import LISTED, Report
from txn.audit.verdict import BROKEN, Verdict

#: Findings shown per class.
SHOWN = 10

_MEANINGS = {
    Verdict.ONCE: "completed, and there exactly once",
    Verdict.MISSING: "completed, and not there",
    Verdict.DOUBLED: "there more than once",
    Verdict.DIFFERENT: "there with other content",
    Verdict.POSTED_THOUGH_FAILED: "failed as never posted, and there",
    Verdict.UNANSWERED: "the posting service gives no answer",
    Verdict.IN_FLIGHT: "pending or processing",
    Verdict.FAILED: "failed, and not there",
    Verdict.TO_DECIDE: "conflict or undecided: for a person",
    Verdict.DISCARDED: "taken off the list by an operator",
}


def print_report(report: Report, console: Console) -> None:
    """Counts, the findings, and the verdict as the last line."""
    console.print(_counts(report))
    for name, findings in report.findings.items():
        total = report.unknown_ids if name == "unknown" else report.counts[Verdict(name)]
        console.print(_findings(name, findings, total))
    for note in _notes(report):
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
        table.add_row(_title(verdict), f"{count:,}", meaning, style=style)
    table.add_section()
    table.add_row("accepted", f"{report.accepted:,}", _evidence(report), style="bold")
    if report.listed is not None:
        table.add_row("rows there", f"{report.listed:,}", f"{report.unknown_rows:,} of them unknown to us")
    return table


def _findings(name: str, findings: Sequence[Finding], total: int) -> Table:
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


def _notes(report: Report) -> list[str]:
    notes = []
    if report.listed is None:
        notes.append("the posting service has no list, so a second row of an id could not be seen.")
    if report.only_by_get:
        notes.append(f"{report.only_by_get:,} are not in the list, but a GET finds them (settled during the audit?).")
    return notes


def _conclusion(report: Report) -> str:
    if report.broken:
        return f"[bold red]{report.broken:,} of {report.accepted:,} are not as promised.[/]"
    if unanswered := report.counts[Verdict.UNANSWERED]:
        return f"[bold yellow]About {unanswered:,} of {report.accepted:,} nothing can be said: audit again.[/]"
    if report.listed is None:
        return "[bold green]Nothing is missing or different.[/] Doubles could not be seen."
    return "[bold green]Nothing is missing, doubled or different.[/]"


def _style(verdict: Verdict) -> str:
    if verdict in BROKEN:
        return "bold red"
    return {Verdict.ONCE: "green", Verdict.UNANSWERED: "yellow", Verdict.TO_DECIDE: "yellow"}.get(verdict, "")


def _evidence(report: Report) -> str:
    return " · ".join(f"{name} {count:,}" for name, count in report.evidence.items())


def _title(name: str) -> str:
    return name.replace("_", " ")
