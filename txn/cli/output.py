"""What commands have in common: options, JSON, questions, and text that comes from elsewhere."""

import getpass
import sys
from typing import Annotated, Any

import simplejson
import typer
from rich.console import Console

from txn.errors import Invalid

AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Write JSON, for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Do not ask first.")]
Who = Annotated[
    str, typer.Option("--as", metavar="NAME", help="Who does it, for the journal. Default: your user name.")
]


def console() -> Console:
    """Standard output. Nothing that looks like markup or a number is coloured by itself."""
    return Console(highlight=False, markup=False, emoji=False)


def print_json(document: Any) -> None:
    """Decimals stay decimal."""
    typer.echo(simplejson.dumps(document, use_decimal=True, ensure_ascii=False, indent=2))


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
        raise Invalid("--yes", "there is no terminal to ask at: give --yes to do it without a question")
    if not typer.confirm(question, err=True):
        typer.echo("Nothing was done.", err=True)
        raise typer.Exit(1)


def operator(name: str) -> str:
    """Who does it. Raises: Invalid."""
    name = name or getpass.getuser()
    if not name.isprintable() or not 0 < len(name) <= 64:
        raise Invalid("--as", "a name has 1 to 64 printable characters")
    return name
