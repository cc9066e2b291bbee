"""What the doctor has found, for people and for programs."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from txn.cli.output import plain
from txn.doctor.finding import Finding, Level

_MARKS = {
    Level.OK: ("✓", "green"),
    Level.NOTE: ("·", "cyan"),
    Level.WARN: ("!", "bold yellow"),
    Level.BAD: ("✗", "bold red"),
}


def page(found: Sequence[Finding]) -> Group:
    """A line a finding, what to do about it below; a name once, an empty line between what is looked at."""
    table = Table.grid(padding=(0, 2), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for number, (_, some) in enumerate(groupby(found, _subject)):
        if number:
            table.add_row()
        for cells in _rows(some):
            table.add_row(*cells)
    return Group(table, "", _verdict(found))


def document(found: Sequence[Finding]) -> dict[str, Any]:
    """`level` is ok, note, warn or bad; `do` is empty if there is nothing to do."""
    return {
        "worst": max(one.level for one in found).name.lower(),
        "findings": [
            {"check": one.check, "level": one.level.name.lower(), "found": one.found, "do": one.do} for one in found
        ],
    }


def _subject(one: Finding) -> str:
    return "workers" if one.check == "queue" else one.check.partition(" ")[0]


def _rows(found: Iterator[Finding]) -> Iterator[tuple[Text, Text, Text]]:
    before = ""
    for one in found:
        mark, style = _MARKS[one.level]
        said = Text.assemble((plain(one.found), style if one.level >= Level.WARN else ""))
        yield Text(mark, style=style), Text("" if one.check == before else one.check), said
        if one.do:
            yield Text(), Text(), Text(f"→ {plain(one.do)}")
        before = one.check


def _verdict(found: Sequence[Finding]) -> Text:
    wrong, warnings = (sum(one.level is level for one in found) for level in (Level.BAD, Level.WARN))
    style = _MARKS[max(Level.OK, *(one.level for one in found if one.level is not Level.NOTE))][1]
    return Text(f"{wrong or 'Nothing'} wrong, {warnings or 'no'} warning{'' if warnings == 1 else 's'}.", style=style)
