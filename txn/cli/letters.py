"""Dead letters at the command line: the options that say which, and how they are shown."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, NamedTuple, Self

import typer
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from txn.cli.output import plain
from txn.cli.times import past
from txn.errors import Invalid
from txn.model.dead_letter import Filter
from txn.model.transaction import ErrorCode
from txn.operate import letter_filter
from txn.readers import formats
from txn.readers.letter import Letter

Code = Annotated[
    str,
    typer.Option(
        "--code",
        metavar="CODE",
        help=f"Only this error code: {', '.join(ErrorCode)}.",
        autocompletion=lambda: list(ErrorCode),
    ),
]
Since = Annotated[
    str,
    typer.Option("--since", metavar="TIME", help="Failed since: 1h30m (ago), 02:00, yesterday, 2026-11-23T18:15; UTC."),
]
Until = Annotated[str, typer.Option("--until", metavar="TIME", help="Failed until then; as for --since.")]
Currency = Annotated[str, typer.Option("--currency", metavar="CUR", help="For example USD.")]
Text_ = Annotated[str, typer.Option("--text", metavar="TEXT", help="Part of the error text, in any case.")]

Discarded = Annotated[
    bool, typer.Option("--discarded", metavar="", help="Those that were discarded. --since, --until: when that was.")
]

#: Of a table with four columns.
_GAPS = 8


def read_filter(code: str, since: str, until: str, currency: str, text: str, *, discarded: bool = False) -> Filter:
    """Raises: Invalid, naming the option."""
    now = datetime.now(UTC)
    given = {"code": code, "since": past("--since", since, now), "until": past("--until", until, now, until=True)}
    given |= {"currency": currency, "text": text, "state": letter_filter.DISCARDED if discarded else ""}
    try:
        return letter_filter.read_filter(given.get)
    except Invalid as error:
        raise Invalid(f"--{error.field}", f"--{error.field}: {error}") from None


def table(letters: Sequence[Letter], now_ms: int, columns: int | None) -> RenderableType:
    """The newest first. Ids are whole and on one line, as they are copied. `columns` of a terminal; None: no bound."""
    rows = [_Row.of(letter, now_ms) for letter in letters]
    if columns is None:
        return _one_line_each(rows)
    return _side_by_side(rows) if columns >= _needed(rows) else _below_each_other(rows)


class _Row(NamedTuple):
    id: str
    code: str
    amount: str
    failed: str
    error: str

    @classmethod
    def of(cls, letter: Letter, now_ms: int) -> Self:
        amount, failed = f"{letter.amount} {letter.currency}", formats.ago(letter.failed_ms, now_ms)
        return cls(*map(plain, (letter.id, letter.code, amount, failed, letter.detail)))


def _one_line_each(rows: Sequence[_Row]) -> Table:
    """For programs that read lines."""
    found = Table("id", "code", "amount", "failed", "error", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        found.add_row(*map(Text, row))
    return found


def _side_by_side(rows: Sequence[_Row]) -> Table:
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    found.add_column("id and error", ratio=1)
    found.add_column("code", no_wrap=True)
    found.add_column("amount", justify="right", no_wrap=True)
    found.add_column("failed", justify="right", no_wrap=True)
    for row in rows:
        cell = Group(Text(row.id, no_wrap=True), _cut(row.error))
        found.add_row(cell, Text(row.code), Text(row.amount), Text(row.failed))
    return found


def _below_each_other(rows: Sequence[_Row]) -> Group:
    lines = [
        (Text(row.id, style="bold"), Text(f"{row.code}  {row.amount}  {row.failed}"), _cut(row.error), Text())
        for row in rows
    ]
    return Group(*(line for block in lines for line in block))


def _cut(error: str) -> Text:
    return Text(error, style="dim", no_wrap=True, overflow="ellipsis")


def _needed(rows: Sequence[_Row]) -> int:
    """Columns in which nothing but the error has to be cut; the spaces between columns are `_GAPS`."""
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:4]]
    return sum(widths) + _GAPS


def described(wanted: Filter) -> str:
    """`code rejected, since ...`, for questions."""
    said = letter_filter.fields(wanted)
    return ", ".join(f"{name} {plain(value)}" for name, value in said.items())
