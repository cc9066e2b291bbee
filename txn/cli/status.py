"""`txn status`: is anything wrong, and how much is going on."""

import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.text import Text

from txn.cli.connect import look_at_durability, open_tools
from txn.cli.output import AsJson, console, print_json
from txn.cli.status_page import Seen, page
from txn.errors import StoreUnavailable
from txn.model.transaction import rfc3339
from txn.operate.tools import Tools
from txn.readers.health import Finding, Look, findings
from txn.readers.workers import Worker

WATCH_S = 1.0


def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", metavar="", help="Look again every second.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is wrong, what waits, how fast it goes, and which workers are alive.

    Exit code [bold]0[/]: all is well. [bold]1[/]: something is wrong. [bold]2[/]: Redis is away.

    [bold]txn status --watch[/]
    """
    tools = open_tools()
    if watch:
        _watch(tools, as_json=as_json)
    seen = _see(tools)
    if as_json:
        print_json(_document(seen))
    else:
        console().print(page(tools.settings, seen))
    raise typer.Exit(1 if seen.found else 0)


def _watch(tools: Tools, *, as_json: bool) -> None:
    """Until Ctrl-C."""
    if as_json:
        for seen in _looks(tools):
            document = {"status": "unknown", "problem": seen} if isinstance(seen, str) else _document(seen)
            print_json(document, indent=None)
    with Live(console=console(), auto_refresh=False, screen=console().is_terminal) as live:
        for seen in _looks(tools):
            live.update(
                Text(seen, style="bold red") if isinstance(seen, str) else page(tools.settings, seen), refresh=True
            )


def _looks(tools: Tools) -> Iterator[Seen | str]:
    """One a second; why there is none, while there is none."""
    while True:
        try:
            yield _see(tools)
        except StoreUnavailable as error:
            yield str(error)
        time.sleep(WATCH_S)


def _see(tools: Tools) -> Seen:
    look_at_durability(tools)
    statistics = tools.statistics.read()
    look = Look(statistics, tools.workers.marks(), tools.charts.read(statistics.now_ms), tools.durability)
    return Seen(look, findings(look), tools.workers.read())


def _document(seen: Seen) -> dict[str, Any]:
    statistics = seen.look.statistics
    bad = any(finding.level == "bad" for finding in seen.found)
    return {
        "status": "bad" if bad else "warn" if seen.found else "ok",
        "at": rfc3339(statistics.now_ms),
        "findings": [_finding(finding) for finding in seen.found],
        "waiting": statistics.counts.get("pending", 0),
        "processing": statistics.counts.get("processing", 0),
        "inDoubt": statistics.counts.get("in_doubt", 0),
        "retrying": statistics.counts.get("retrying", 0),
        "failed": statistics.counts.get("dead", 0),
        "completed": statistics.counts.get("completed", 0),
        "oldestWaitingSeconds": statistics.oldest_waiting_ms / 1000,
        "errorRate": round(statistics.error_rate, 4),
        "perSecond": {name: round(seen.per_second(name), 3) for name in ("accepted", "completed", "failed")},
        "postingService": statistics.posting_state,
        "redis": seen.durability,
        "workers": [_worker(worker) for worker in seen.floor.workers if worker.alive],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    since = None if finding.since_ms is None else rfc3339(finding.since_ms)
    return {"level": finding.level, "what": finding.what, "hint": finding.hint, "since": since}


def _worker(worker: Worker) -> dict[str, Any]:
    threads = int(worker.threads) if worker.threads else None
    return {"name": worker.name, "threads": threads, "holds": worker.held, "messagesPerSecond": worker.rate}
