"""`txn journal`: what operators did."""

from typing import Annotated

import typer
from rich.text import Text

from txn.cli import letters
from txn.cli.connect import open_tools
from txn.cli.output import AsJson, plain, print_json, write
from txn.operate.journal import Entry
from txn.readers import formats


def journal(
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="How many to show, the newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List what operators did, the newest first: who, what, to how many, and why.

    [bold]txn journal --limit 100[/]
    """
    entries = open_tools().journal.read(limit=limit)
    if as_json:
        print_json({"entries": [entry.to_json() for entry in entries]})
        return
    for entry in entries:
        write(_line(entry))
    if not entries:
        write("Nothing was done yet.")


def _line(entry: Entry) -> Text:
    """Ids are only shown where they are few: `--json` has all."""
    count = f" {formats.number(entry.count)}" if entry.count else ""
    of = "" if entry.confirmed in (None, entry.count) else f" of {formats.number(entry.confirmed or 0)} confirmed"
    said = f"{formats.utc(entry.at_ms)}  {entry.by}: {entry.what}{count}{of}"
    said += f"  ({letters.described(entry.filter)})" if entry.filter and entry.filter.to_json() else ""
    said += f"  {' '.join(entry.ids)}" if 0 < len(entry.ids) <= _SHOWN else ""
    said += f"  run {entry.run}" if entry.run else ""
    return Text(plain(said + (f"  why: {entry.why}" if entry.why else "")))


_SHOWN = 3
