"""`txn doctor`: is everything as txn needs it."""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated

import typer
from rich.console import Console

from txn.cli.connect import READ_TIMEOUT_MS, look_at_durability, open_tools, without_secrets
from txn.cli.doctor_table import document, page
from txn.cli.output import AsJson, Yes, ask, print_json, write
from txn.composition.databases import open_database
from txn.doctor import calls, clocks, cluster, partitions, posting, probe_row, replicas, settings, workers
from txn.doctor import redis as redis_checks
from txn.doctor.finding import Finding, Level
from txn.errors import StoreUnavailable
from txn.operate.tools import Tools
from txn.partitions.parts import Parts
from txn.posting.listing import PostingList
from txn.posting.service import PostingService
from txn.posting.transports import open_transport
from txn.redis_places import split_cluster_url, split_sentinel_url
from txn.store.database import Database
from txn.store.timings import Timings


def doctor(
    post: Annotated[
        bool,
        typer.Option("--post", metavar="", help="Also post one marked row, and check that it comes back unchanged."),
    ] = False,
    currency: Annotated[str, typer.Option(metavar="CUR", help="Currency of that row.")] = "USD",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Check settings, Redis, clocks, the posting service's contract and the workers, and say what to do.

    Nothing is posted without --post. Run it before going live, and when something seems wrong.

    Exit code [bold]0[/]: nothing is wrong, there may be warnings. [bold]1[/]: something is wrong.

    [bold]txn doctor[/]
    """
    tools = open_tools()
    payload = None
    if post:
        payload = probe_row.payload_in(currency)
        where = without_secrets(tools.settings.posting_url)
        ask(f"Post one row with the smallest amount of {currency} to {where}? You must delete it afterwards.", yes=yes)
    with Console(stderr=True).status("Checking") as spinner:
        found = list(_look(tools, payload, lambda what: spinner.update(f"Checking {what}")))
    if as_json:
        print_json(document(found))
    else:
        write(page(found))
    raise typer.Exit(1 if any(one.level is Level.BAD for one in found) else 0)


def _look(tools: Tools, payload: bytes | None, say: Callable[[str], None]) -> Iterator[Finding]:
    """`payload`: of a row to post."""
    yield from settings.check(tools.settings)
    yield from settings.strangers(os.environ)
    say("Redis")
    if behind := split_sentinel_url(tools.settings.redis_url):
        yield from replicas.sentinels(behind, tools.settings.sentinel_access)
    parts = Parts(open_database(tools.settings, READ_TIMEOUT_MS), tools.settings)
    if nodes := split_cluster_url(tools.settings.redis_url):
        yield from cluster.check(nodes, *parts.on_each_client)
    away = list(redis_checks.away(parts.on_each_client))
    yield from away or _redis(tools, parts)
    say("the posting service")
    transport = open_transport(tools.settings)
    service = PostingService(transport, tools.settings.posting_timeout_ms)
    answered = calls.Calls((), ())
    absent = posting.absent(service)
    yield absent
    if absent.level is Level.OK:
        answered = calls.some(service)
        yield from calls.check(tools.settings, answered)
        yield from posting.check(tools.settings, transport)
        if payload is not None:
            yield from probe_row.check(service, PostingList(tools.settings.posting_url), payload)
    if not away:
        say("the workers")
        yield from _unless_away(lambda: _workers(tools, answered.typical_ms))


def _redis(tools: Tools, parts: Parts) -> Iterator[Finding]:
    look_at_durability(tools)

    def one(database: Database) -> Iterator[Finding]:
        yield from _unless_away(lambda: redis_checks.check(database, tools.durability.under(database.keys)))
        on_it = [database] if parts.apart else parts.all
        yield from _unless_away(lambda: redis_checks.rights(on_it, tools.settings.prefix))
        yield from _unless_away(lambda: clocks.check(database, tools.workers.read().workers))

    yield from partitions.on_each_node(parts.on_each_client, one) if parts.apart else one(parts.first)
    if parts.partitions:
        yield from _unless_away(lambda: partitions.check(tools.settings.partitions, tools.statistics.read()))


def _workers(tools: Tools, call_ms: float | None) -> Iterator[Finding]:
    statistics, load = tools.statistics.read(), None
    if call_ms is not None:
        recent = tools.charts.read(statistics.now_ms).recent
        rate = recent.accepted / recent.minutes(statistics.now_ms) / 60
        deadline_ms = tools.settings.posting_timeout_ms
        timings = Timings(tools.database).recent()
        load = workers.Load(rate, call_ms, workers.hangs(timings, deadline_ms), deadline_ms)
    yield from workers.check(tools.workers.read().workers, statistics, load)


def _unless_away(check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except StoreUnavailable as error:
        do = "see its log, and what the user of TXN_REDIS_URL may do (ACL)"
        yield Finding("redis", Level.BAD, str(error), do)
