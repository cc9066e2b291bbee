"""`txn list`: what was accepted."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from txn.cli.connect import open_tools
from txn.cli.output import AsJson, plain, print_json, write
from txn.cli.times import past
from txn.errors import Invalid
from txn.model.money import DECIMALS
from txn.model.transaction import ErrorCode, Status, Transaction
from txn.readers import formats
from txn.store.listing import Listing, Page, Wanted

_PAGE = 500


InState = Annotated[
    str,
    typer.Option(metavar="STATUS", help=f"Only these: {', '.join(Status)}.", autocompletion=lambda: [*Status]),
]
Code = Annotated[
    str,
    typer.Option(metavar="CODE", help="Only with this error code.", autocompletion=lambda: [*ErrorCode]),
]
Since = Annotated[
    str, typer.Option(metavar="TIME", help="Accepted since: 1h30m (ago), 02:00, yesterday, 2026-11-23T18:15; UTC.")
]
Until = Annotated[str, typer.Option(metavar="TIME", help="Accepted before then; as for --since.")]
Currency = Annotated[str, typer.Option(metavar="CUR", help="For example USD.")]
Client = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only of this client, as in its API key.", show_default=False)
]
Limit = Annotated[int, typer.Option(min=1, max=1_000_000, metavar="N", help="How many to show, the newest first.")]


def list_(
    status: InState = "",
    code: Code = "",
    since: Since = "",
    until: Until = "",
    currency: Currency = "",
    client: Client = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List transactions, the newest first, in whatever state they are.

    [bold]txn list --status pending --since 2h[/]

    [bold]txn list --client shop --limit 100000 --json | jq -r .transactionId[/]
    """
    wanted = _wanted(status, code, since, until, currency)
    tools = open_tools()
    unreadable: list[str] = []
    owner = "" if client == "default" else client
    found = islice(_all(tools.listing, wanted, min(limit, _PAGE), owner, unreadable), limit)
    if as_json:
        for transaction in found:
            print_json(transaction.to_json(), indent=None)
    else:
        _show([*found], limit, tools.statistics.read().now_ms)
    if unreadable:
        names = ", ".join(map(plain, unreadable[:5]))
        typer.echo(f"{len(unreadable)} cannot be read by this version, and are left out: {names}", err=True)


def _show(found: Sequence[Transaction], limit: int, now_ms: int) -> None:
    if not found:
        write("No transaction matches.")
        return
    table = Table("id", "status", "accepted", "error", box=box.SIMPLE_HEAD, pad_edge=False)
    for one in found:
        error = f"{one.failure.code}: {one.failure.detail}" if one.failure else ""
        cells = (one.id, one.status, formats.ago(one.submitted_ms, now_ms), error)
        table.add_row(*(Text(plain(cell), no_wrap=cell == one.id) for cell in cells))
    write(table)
    if len(found) == limit:
        write(f"The newest {formats.number(limit)}; --limit shows more")


def _all(
    listing: Listing, wanted: Wanted, at_once: int, client: str | None, unreadable: list[str]
) -> Iterator[Transaction]:
    page: Page | None = None
    while page is None or page.cursor is not None:
        page = listing.read(wanted, at_once, None if page is None else page.cursor, client)
        unreadable += page.unreadable
        yield from page.transactions


def _wanted(status: str, code: str, since: str, until: str, currency: str) -> Wanted:
    """Raises: Invalid, naming the option."""
    for option, given, known in (("--status", status, [*Status]), ("--code", code, [*ErrorCode])):
        if given and given not in known:
            raise Invalid(option, f"{option} {given}: must be one of {', '.join(known)}")
    if currency and currency not in DECIMALS:
        raise Invalid("--currency", f"--currency {currency}: must be an ISO 4217 code in capitals, such as USD")
    now = datetime.now(UTC)
    # What `past` gives is the last millisecond that belongs to it.
    until_ms = _ms(past("--until", until, now, until=True))
    return Wanted(
        status=Status(status) if status else None,
        since_ms=_ms(past("--since", since, now)),
        until_ms=None if until_ms is None else until_ms + 1,
        currency=currency,
        code=code,
    )


def _ms(moment: str) -> int | None:
    return round(datetime.fromisoformat(f"{moment}+00:00").timestamp() * 1000) if moment else None
