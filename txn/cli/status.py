"""`txn status`: is anything wrong, and how much is going on."""

import time
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import typer
from rich.live import Live
from rich.text import Text

from txn.cli.connect import look_at_durability, look_at_intake, open_tools
from txn.cli.output import AsJson, console, print_json, write
from txn.cli.status_page import Seen, page
from txn.errors import StoreUnavailable
from txn.model.transaction import rfc3339
from txn.operate.tools import Tools
from txn.readers import formats
from txn.readers.health import Snapshot, problems_in
from txn.readers.problem import Problem
from txn.readers.workers import Worker

WATCH_S = 1.0
#: The latest things that happened.
SHOWN_EVENTS = 3


def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", metavar="", help="Look again every second.")] = False,
    fail_on: Annotated[
        Literal["warn", "bad"] | None,
        typer.Option("--fail-on", metavar="LEVEL", help="warn or bad: exit with 1 if something is so bad."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is wrong, what waits, how fast it goes, and which workers are alive.

    Exit code [bold]0[/]: this could be told. [bold]1[/]: something is as bad as --fail-on says. [bold]2[/]: Redis is
    away.

    [bold]txn status --watch[/]

    [bold]txn status --fail-on bad || call-somebody[/]
    """
    tools = open_tools()
    if watch:
        _watch(tools, as_json=as_json)
    seen = _see(tools)
    if as_json:
        print_json(_document(seen))
    else:
        write(page(tools.settings, seen))
    raise typer.Exit(int(any(fail_on in ("warn", problem.level) for problem in seen.problems)))


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
    look_at_intake(tools)
    statistics = tools.statistics.read()
    marks, history = tools.workers.marks(), tools.charts.read(statistics.now_ms)
    now = Snapshot(statistics, marks, history, tools.durability, tools.intake.overload, tools.calls.read())
    return Seen(now, problems_in(now), tools.workers.read(), tools.events.read(SHOWN_EVENTS))


def _document(seen: Seen) -> dict[str, Any]:
    statistics = seen.now.statistics
    bad = any(problem.level == "bad" for problem in seen.problems)
    return {
        "status": "bad" if bad else "warn" if seen.problems else "ok",
        "at": rfc3339(statistics.now_ms),
        "findings": [_problem(problem) for problem in seen.problems],
        "waiting": statistics.totals.pending,
        "processing": statistics.totals.processing,
        "inDoubt": statistics.totals.in_doubt,
        "retrying": statistics.totals.retrying,
        "failed": statistics.totals.dead,
        "completed": statistics.totals.completed,
        "mostOverdueSeconds": statistics.most_overdue_ms / 1000,
        "oldestWaitingSeconds": statistics.most_overdue_ms / 1000,  # its name until 0.2
        "oldestUnfinishedSeconds": statistics.oldest_unfinished_ms / 1000,
        "oldestUnfinished": statistics.oldest_id or None,
        "errorRate": round(statistics.error_rate, 4),
        "perSecond": {name: round(seen.per_second(name), 3) for name in ("accepted", "completed", "failed")},
        "postingService": statistics.posting_state,
        "breaker": statistics.flow.breaker,
        "held": statistics.flow.held,
        "paused": statistics.flow.paused is not None,
        "limits": None if (found := statistics.flow.limits) is None else formats.limits(found),
        "redis": seen.durability.level,
        "attestedBy": seen.durability.by or None,
        "workers": [_worker(worker) for worker in seen.floor.workers if worker.alive],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    since = None if problem.since_ms is None else rfc3339(problem.since_ms)
    return {"level": problem.level, "what": problem.what, "hint": problem.hint, "since": since}


def _worker(worker: Worker) -> dict[str, Any]:
    threads = int(worker.threads) if worker.threads else None
    return {"name": worker.name, "threads": threads, "holds": worker.held, "messagesPerSecond": worker.rate}
