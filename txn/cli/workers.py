"""`txn workers`: who delivers."""

from rich import box
from rich.table import Table
from rich.text import Text

from txn.advice import START_WORKERS
from txn.cli.connect import open_tools
from txn.cli.events import line
from txn.cli.output import AsJson, plain, print_json, write
from txn.model.transaction import rfc3339
from txn.operate.events import Event
from txn.readers import formats
from txn.readers.workers import Floor, Worker


def workers(as_json: AsJson = False) -> None:
    """List worker processes: when each last lived, what it holds, and how fast it is.

    Those that disappeared in the last day, without saying that they stop, are below.

    [bold]txn workers --json | jq -r '.workers\\[] | select(.alive).name'[/]
    """
    tools = open_tools()
    floor = tools.workers.read()
    gone = tools.events.gone(floor.now_ms)
    if as_json:
        print_json({"workers": [_document(worker) for worker in floor.workers], "gone": list(map(_gone, gone))})
        return
    if floor.workers:
        write(_table(floor))
    if not any(worker.alive for worker in floor.workers):
        write(f"No worker is alive: start one: {START_WORKERS}")
    for event in gone:
        write(line(event))


def _table(floor: Floor) -> Table:
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    found.add_column("worker", overflow="fold")
    for column in ("heartbeat", "up for", "at a time", "holds", "messages/s"):
        found.add_column(column, justify="right")
    for worker in floor.workers:
        up = "" if worker.started_ms is None else formats.span(floor.now_ms - worker.started_ms)
        rate = "" if worker.rate is None else f"{worker.rate:,.1f}"
        style = "" if worker.alive else "red"
        cells = [formats.ago(worker.beat_ms, floor.now_ms), up, worker.threads, formats.number(worker.held), rate]
        found.add_row(Text(plain(worker.name), style=style), *(Text(plain(cell)) for cell in cells))
    return found


def _gone(event: Event) -> dict[str, object]:
    return {
        "name": event.detail,
        "lastHeartbeatAt": rfc3339(event.since_ms),
        "inFlight": event.in_flight,
        "returned": event.returned,
    }


def _document(worker: Worker) -> dict[str, object]:
    return {
        "name": worker.name,
        "alive": worker.alive,
        "heartbeatAt": rfc3339(worker.beat_ms),
        "startedAt": None if worker.started_ms is None else rfc3339(worker.started_ms),
        "threads": int(worker.threads) if worker.threads.isascii() and worker.threads.isdigit() else None,
        "holds": worker.held,
        "processed": worker.processed,
        "messagesPerSecond": worker.rate,
        "version": worker.version or None,
    }
