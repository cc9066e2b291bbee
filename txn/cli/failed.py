"""`txn failed`: the dead letters."""

from typing import Annotated

import typer

from txn.cli import letters
from txn.cli.connect import open_tools
from txn.cli.output import AsJson, console, is_bounded, print_json, write
from txn.operate import letter_filter
from txn.readers import formats
from txn.readers.dead_letters import Count


def failed(
    code: letters.Code = "",
    since: letters.Since = "",
    until: letters.Until = "",
    currency: letters.Currency = "",
    text: letters.Text_ = "",
    discarded: letters.Discarded = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="How many to show, the newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List failed transactions that nobody has replayed or discarded yet, the newest first.

    [bold]txn failed --code rejected --since 2h[/]

    [bold]txn failed --json | jq -r '.letters\\[].id'[/]
    """
    tools = open_tools()
    wanted = letters.read_filter(code, since, until, currency, text, discarded=discarded)
    count, page = tools.letters.count(wanted), tools.letters.page(wanted, limit=limit)
    if as_json:
        found = [letter.to_json() for letter in page.letters]
        print_json({"matching": count.matching, "exact": count.exact, "letters": found})
        return
    now_ms = tools.statistics.read().now_ms
    if page.letters:
        write(letters.table(page.letters, now_ms, console().width if is_bounded() else None))
    write(_told(count, len(page.letters), letter_filter.DISCARDED if discarded else "failed"))


def _told(count: Count, shown: int, kind: str) -> str:
    if not count.matching:
        among = "" if count.exact else f" among the newest {formats.number(count.looked)}"
        return f"No {kind} transaction{among}."
    total = ("" if count.exact else "at least ") + formats.number(count.matching)
    return f"{total} {kind}" if shown >= count.matching else f"{shown} of {total} {kind}; --limit shows more"
