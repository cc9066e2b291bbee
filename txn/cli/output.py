"""What commands have in common: options, JSON, questions, and text that comes from elsewhere."""

import getpass
import os
import sys
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Annotated, Any

import simplejson
import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from txn.errors import Invalid

AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Write JSON, for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Do not ask first.")]
Who = Annotated[
    str, typer.Option("--as", metavar="NAME", help="Who does it, for the journal. Default: your user name.")
]

#: Columns where lines have no end.
_UNBOUNDED = 100_000
#: Columns of a terminal in which three blocks of numbers do not fit side by side.
NARROW = 66


def console() -> Console:
    """Standard output. Nothing that looks like markup or a number is coloured by itself."""
    return Console(highlight=False, markup=False, emoji=False, width=width())


def width() -> int | None:
    """For a console of standard output; None: as wide as it is."""
    return None if is_bounded() else _UNBOUNDED


def is_bounded() -> bool:
    """Whether lines have an end: at a terminal, or where COLUMNS says so. In a pipe or a file nothing is cut."""
    return sys.stdout.isatty() or "COLUMNS" in os.environ


def write(shown: RenderableType) -> None:
    """To standard output, without the spaces that fill a table up to its right edge."""
    found = console()
    if found.is_terminal:
        found.print(shown)
        return
    with found.capture() as captured:
        found.print(shown)
    typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def print_json(document: Any, indent: int | None = 2) -> None:
    """Decimals stay decimal; what is not ASCII is escaped, because a terminal could take some of it for a command."""
    typer.echo(simplejson.dumps(document, use_decimal=True, indent=indent))


def side_by_side(*blocks: Sequence[tuple[str, str]]) -> Table:
    """Blocks of names and values; where the terminal is too narrow for that, one below the other."""
    narrow = console().width < NARROW
    rows: Iterable[tuple[tuple[str, str], ...]]
    rows = [(pair,) for block in blocks for pair in block] if narrow else zip_longest(*blocks, fillvalue=("", ""))
    table = Table.grid(padding=(0, 2))
    for _ in range(1 if narrow else len(blocks)):
        table.add_column(style="dim", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for pair in row for cell in pair))
    return table


def plain(text: str) -> str:
    """Text from elsewhere, in one line: what a terminal could take for a command is replaced."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def ask(question: str, *, yes: bool) -> None:
    """Go on if the answer is yes.

    Raises: Invalid if there is nobody to ask, typer.Exit if the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Invalid("--yes", "there is no terminal to ask on: give --yes to do it without asking")
    if not typer.confirm(question, err=True):
        typer.echo("Nothing was done.", err=True)
        raise typer.Exit(1)


def operator(name: str) -> str:
    """Who does it. Raises: Invalid."""
    name = name or _user()
    if not name.isprintable() or not 0 < len(name) <= 64:
        raise Invalid("--as", "a name has 1 to 64 printable characters")
    return name


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user id has no name
        raise Invalid("--as", "your user name is not known: give a name with --as") from None
