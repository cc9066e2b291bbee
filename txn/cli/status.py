"""`txn status`: is anything wrong, and how much is going on."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import simplejson
import typer
from rich import box
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from txn.admin import chart, show
from txn.cli.connect import look_at_durability, open_parts, without_secrets
from txn.cli.output import AsJson, console, plain, print_json
from txn.errors import StoreUnavailable
from txn.model.transaction import rfc3339
from txn.parts import Parts
from txn.store.charts import Span
from txn.store.workers import Floor, Worker
from txn.verdict import Finding, Look, findings

WATCH_S = 1.0
_SHARES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One look. `minutes`: how long `look.history.recent` is."""

    look: Look
    found: list[Finding]
    floor: Floor

    @property
    def minutes(self) -> float:
        return 4 + max(1, self.look.statistics.now_ms % 60_000) / 60_000

    @property
    def recent(self) -> Span:
        return self.look.history.recent


def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", metavar="", help="Look again every second.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong, what waits, how fast it goes, and who works.

    Exit code [bold]0[/]: all is well. [bold]1[/]: something is wrong. [bold]2[/]: Redis is away.

    [bold]txn status --watch[/]
    """
    parts = open_parts()
    if watch:
        _watch(parts, as_json=as_json)
    seen = _see(parts)
    if as_json:
        print_json(_document(seen))
    else:
        console().print(_page(parts, seen))
    raise typer.Exit(1 if seen.found else 0)


def _watch(parts: Parts, *, as_json: bool) -> None:
    """Until Ctrl-C."""
    if as_json:
        for seen in _looks(parts):
            document = {"status": "unknown", "problem": seen} if isinstance(seen, str) else _document(seen)
            typer.echo(simplejson.dumps(document, ensure_ascii=False))
    with Live(console=console(), auto_refresh=False, screen=console().is_terminal) as live:
        for seen in _looks(parts):
            live.update(Text(seen, style="bold red") if isinstance(seen, str) else _page(parts, seen), refresh=True)


def _looks(parts: Parts) -> Iterator[_Seen | str]:
    """One a second; why there is none, while there is none."""
    while True:
        try:
            yield _see(parts)
        except StoreUnavailable as error:
            yield str(error)
        time.sleep(WATCH_S)


def _see(parts: Parts) -> _Seen:
    look_at_durability(parts)
    statistics = parts.statistics.read()
    look = Look(statistics, parts.workers.marks(), parts.charts.read(statistics.now_ms), parts.durability)
    return _Seen(look, findings(look), parts.workers.read())


def _page(parts: Parts, seen: _Seen) -> Group:
    settings = parts.settings
    where = f"{without_secrets(settings.redis_url)}  {settings.prefix}"
    head = Text.assemble(("txn", "bold"), f"  {where}  ", (show.utc(seen.look.statistics.now_ms), "dim"))
    return Group(head, *_verdict(seen), "", _numbers(seen), "", _workers(seen))


def _verdict(seen: _Seen) -> list[Text]:
    if not seen.found:
        return [Text("● nothing is wrong", style="green")]
    lines = []
    for finding in seen.found:
        style = "bold red" if finding.level == "bad" else "bold yellow"
        since = ""
        if finding.since_ms is not None:
            since = f"  since {show.since(finding.since_ms, seen.look.statistics.now_ms)}"
        lines.append(Text.assemble((f"● {finding.what}", style), (since, "dim")))
        lines.append(Text(f"  {plain(finding.hint)}"))
    return lines


def _numbers(seen: _Seen) -> Table:
    statistics, recent = seen.look.statistics, seen.recent
    counts = statistics.counts
    table = Table.grid(padding=(0, 2))
    for justify in ("left", "right", "left", "right", "left", "right"):
        table.add_column(justify=justify, no_wrap=True)
    rates = {name: f"{getattr(recent, name) / seen.minutes / 60:,.1f}/s" for name in ("accepted", "completed")}
    took = [chart.about(recent.percentile(share)) for share in _SHARES]
    rows = [
        ("waiting", _count(counts, "pending"), "accepted", rates["accepted"], "p50", took[0]),
        ("processing", _count(counts, "processing"), "completed", rates["completed"], "p95", took[1]),
        ("in doubt", _count(counts, "in_doubt"), "errors", show.percent(statistics.error_rate), "p99", took[2]),
        ("retrying", _count(counts, "retrying"), "oldest waits", show.span(statistics.oldest_waiting_ms), "", ""),
        ("failed", _count(counts, "dead"), "posting service", statistics.posting_state, "", ""),
        ("completed", _count(counts, "completed"), "Redis", _level(seen), "", ""),
    ]
    for row in rows:
        table.add_row(*(Text(cell, style="dim" if number % 2 == 0 else "") for number, cell in enumerate(row)))
    return table


def _workers(seen: _Seen) -> Table | Text:
    alive = [worker for worker in seen.floor.workers if worker.alive]
    if not alive:
        return Text("no workers", style="dim")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("worker")
    for column in ("threads", "holds", "messages/s", "for"):
        table.add_column(column, justify="right")
    for worker in alive:
        age = "" if worker.started_ms is None else show.span(seen.look.statistics.now_ms - worker.started_ms)
        rate = "" if worker.rate is None else f"{worker.rate:,.1f}"
        table.add_row(Text(plain(worker.name)), worker.threads, str(worker.held), rate, age)
    return table


def _document(seen: _Seen) -> dict[str, Any]:
    statistics, recent = seen.look.statistics, seen.recent
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
        "perSecond": {
            name: round(getattr(recent, name) / seen.minutes / 60, 3) for name in ("accepted", "completed", "failed")
        },
        "postingService": statistics.posting_state,
        "redis": _level(seen),
        "workers": [_worker(worker) for worker in seen.floor.workers if worker.alive],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    since = None if finding.since_ms is None else rfc3339(finding.since_ms)
    return {"level": finding.level, "what": finding.what, "hint": finding.hint, "since": since}


def _worker(worker: Worker) -> dict[str, Any]:
    threads = int(worker.threads) if worker.threads else None
    return {"name": worker.name, "threads": threads, "holds": worker.held, "messagesPerSecond": worker.rate}


def _level(seen: _Seen) -> str:
    latest = seen.look.durability.latest
    return "unknown" if latest is None else latest.level


def _count(counts: Any, name: str) -> str:
    return show.number(counts.get(name, 0))
