"""`txn doctor`: is everything as txn needs it."""

from collections.abc import Callable, Iterable, Iterator
from statistics import median
from typing import Annotated

import redis
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from txn.cli.connect import READ_TIMEOUT_MS, look_at_durability, open_parts
from txn.cli.output import AsJson, Yes, ask, console, plain, print_json
from txn.doctor import clocks, posting, probe_row, settings, workers
from txn.doctor import redis as redis_checks
from txn.doctor.finding import Finding, Level
from txn.errors import StoreUnavailable
from txn.parts import Parts
from txn.posting.chosen import open_transport
from txn.posting.service import PostingService
from txn.queue.message import NAME
from txn.store.connection import connect
from txn.store.keys import Keys
from txn.store.scripts import unavailable

_MARKS = {
    Level.OK: ("✓", "green"),
    Level.NOTE: ("·", "cyan"),
    Level.WARN: ("!", "bold yellow"),
    Level.BAD: ("✗", "bold red"),
}


def doctor(
    post: Annotated[
        bool, typer.Option("--post", metavar="", help="Also post one marked row, and see that it comes back equal.")
    ] = False,
    currency: Annotated[str, typer.Option(metavar="CUR", help="Of that row.")] = "USD",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Check settings, Redis, clocks, the posting service's contract and the workers, and say what to do.

    Nothing is posted without --post. Run it before going live, and when something is odd.

    Exit code [bold]0[/]: nothing is wrong, there may be warnings. [bold]1[/]: something is wrong.

    [bold]txn doctor[/]
    """
    parts = open_parts()
    if post:
        ask("Post one row of 0.01 to the posting service, for somebody to delete?", yes=yes)
    with Console(stderr=True).status("Looking"):
        found = [*settings.check(parts.settings), *_redis(parts), *_posting(parts, post=post, currency=currency)]
    found = list(dict.fromkeys(found))  # that Redis is away, once
    if as_json:
        print_json(
            {"worst": max(one.level for one in found).name.lower(), "findings": [_document(one) for one in found]}
        )
    else:
        _print(found)
    raise typer.Exit(1 if any(one.level is Level.BAD for one in found) else 0)


def _redis(parts: Parts) -> Iterator[Finding]:
    look_at_durability(parts)
    with connect(parts.settings.redis_url, timeout_ms=READ_TIMEOUT_MS) as client:
        keys = Keys(parts.settings.prefix, NAME)
        yield from _unless_away(lambda: redis_checks.check(client, keys, parts.durability))
        yield from _unless_away(lambda: clocks.check(client, parts.workers.read().workers))


def _unless_away(check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except (redis.RedisError, StoreUnavailable) as error:
        said = str(unavailable(error) if isinstance(error, redis.RedisError) else error)
        do = "start it, or check TXN_REDIS_URL and what its user may do (ACL)"
        yield Finding("redis", Level.BAD, said, do)


def _posting(parts: Parts, *, post: bool, currency: str) -> Iterator[Finding]:
    """The posting service, and whether there are workers enough for it."""
    transport = open_transport(parts.settings)
    service = PostingService(transport, parts.settings.posting_timeout_ms)
    absent, call_ms = posting.absent(service), None
    yield absent
    if absent.level is Level.OK:
        took_ms = posting.took_ms(service)
        call_ms = median(took_ms)
        yield from posting.check(parts.settings, transport, took_ms)
        if post:
            yield from probe_row.check(service, currency)
    yield from _unless_away(lambda: _workers(parts, call_ms))


def _workers(parts: Parts, call_ms: float | None) -> Iterator[Finding]:
    numbers = parts.statistics.read()
    recent = parts.charts.read(numbers.now_ms).recent
    yield from workers.check(parts.workers.read().workers, numbers, recent, call_ms)


def _print(found: list[Finding]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for one in found:
        mark, style = _MARKS[one.level]
        said = Text(plain(one.found), style=style if one.level >= Level.WARN else "")
        if one.do:
            said.append(f"\n→ {plain(one.do)}", style="none")
        table.add_row(Text(mark, style=style), one.check, said)
    out = console()
    out.print(table)
    wrong, warnings = (sum(one.level is level for one in found) for level in (Level.BAD, Level.WARN))
    out.print(f"\n{wrong or 'Nothing'} wrong, {warnings or 'no'} warning{'' if warnings == 1 else 's'}.")


def _document(one: Finding) -> dict[str, str]:
    return {"check": one.check, "level": one.level.name.lower(), "found": one.found, "do": one.do}
