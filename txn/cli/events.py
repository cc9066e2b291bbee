"""`txn events`: what happened, so that a night can be read in the morning."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from txn.cli.connect import open_tools
from txn.cli.output import AsJson, plain, print_json, write
from txn.cli.times import past
from txn.operate.events import Event
from txn.readers import formats

_STYLES = {"bad": "red", "warn": "yellow", "good": "green"}


def events(
    since: Annotated[
        str,
        typer.Option("--since", metavar="TIME", help="Since then: 8h (ago), 02:00, yesterday, 2026-11-23T18:15; UTC."),
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="How many to show, the latest.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Tell what happened, in order: outages, a slow posting service, pauses, workers that disappeared, Redis,
    limits. Times are UTC.

    [bold]txn events --since 'yesterday 22:00'[/]
    """
    begin = past("--since", since, datetime.now(UTC))
    since_ms = round(datetime.fromisoformat(f"{begin}+00:00").timestamp() * 1000) if begin else None
    found = open_tools().events.read(limit, since_ms)[::-1]
    if as_json:
        print_json({"events": [event.to_json() for event in found]})
        return
    for event in found:
        write(line(event))
    if not found:
        write("Nothing has happened.")


def line(event: Event) -> Text:
    """One event: when, and what."""
    return Text.assemble((f"{formats.utc(event.since_ms)}  ", "dim"), (plain(event.sentence), _STYLES[event.level]))
