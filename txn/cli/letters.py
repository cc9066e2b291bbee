"""Dead letters at the command line: the options that say which, and how they are shown."""

import re
import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from txn.cli.output import plain
from txn.errors import Invalid
from txn.model.dead_letter import Filter
from txn.model.transaction import ErrorCode, rfc3339
from txn.operate import letter_query
from txn.readers import words
from txn.readers.dead_letters import Letter

Code = Annotated[str, typer.Option("--code", metavar="CODE", help=f"Only this error code: {', '.join(ErrorCode)}.")]
Since = Annotated[
    str,
    typer.Option("--since", metavar="TIME", help="Failed since this time: 2026-11-23T18:15 (UTC), or 30m, 2h, 7d ago."),
]
Until = Annotated[str, typer.Option("--until", metavar="TIME", help="Failed until this time.")]
Currency = Annotated[str, typer.Option("--currency", metavar="CUR", help="For example USD.")]
Text_ = Annotated[str, typer.Option("--text", metavar="TEXT", help="Part of the error text, in any case.")]

_AGO = re.compile(r"(\d{1,6})([mhd])")
_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


def read_filter(code: str, since: str, until: str, currency: str, text: str) -> Filter:
    """Raises: Invalid, naming the option."""
    given = {"code": code, "since": _time(since), "until": _time(until), "currency": currency, "text": text}
    try:
        return letter_query.read_filter(given.get)
    except Invalid as error:
        raise Invalid(f"--{error.field}", f"--{error.field}: {error}") from None


def as_json(letter: Letter) -> dict[str, Any]:
    """For programs."""
    return {
        "id": letter.id,
        "failedAt": rfc3339(letter.failed_ms),
        "submittedAt": None if letter.submitted_ms is None else rfc3339(letter.submitted_ms),
        "code": letter.code,
        "detail": letter.detail,
        "attempts": letter.attempts,
        "http": letter.last_answer,
        "amount": letter.amount,
        "currency": letter.currency,
    }


def table(letters: Sequence[Letter], now_ms: int) -> Table:
    """The newest first, the error under the id. Ids are whole, whatever the width: they are copied."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    found.add_column("id and error", ratio=1)
    found.add_column("code", no_wrap=True)
    found.add_column("amount", justify="right", no_wrap=True)
    found.add_column("failed", justify="right", no_wrap=True)
    for letter in letters:
        error = Text(plain(letter.detail), style="dim", no_wrap=True, overflow="ellipsis")
        amount = plain(f"{letter.amount} {letter.currency}")
        cell = Group(Text(plain(letter.id), overflow="fold"), error)
        found.add_row(cell, letter.code, Text(amount), words.ago(letter.failed_ms, now_ms))
    return found


def described(wanted: Filter) -> str:
    """`code rejected, since ...`, for questions."""
    said = letter_query.fields(wanted)
    return ", ".join(f"{name} {plain(value)}" for name, value in said.items())


def _time(text: str) -> str:
    """A time as the filter reads it; `2h` is that long ago."""
    if found := _AGO.fullmatch(text.strip()):
        ago_ms = int(found[1]) * _UNITS_MS[found[2]]
        return rfc3339(max(0, time.time_ns() // 1_000_000 - ago_ms))[:-1]
    return text.strip().removesuffix("Z")
