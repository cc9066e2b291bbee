"""What `txn status` shows, at home in 80 columns and in 40."""

from dataclasses import dataclass

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from txn.cli.connect import without_secrets
from txn.cli.output import plain, side_by_side
from txn.operate.events import Event
from txn.readers import formats
from txn.readers.charts import Span
from txn.readers.health import Snapshot
from txn.readers.problem import Problem
from txn.readers.workers import Floor
from txn.settings import Settings
from txn.store.inspection import Durability

#: What happened longer ago is in `txn events`.
NEWS_MS = 3_600_000
_SHARES = (0.5, 0.95, 0.99)
#: Of states that could be misread: a service that hangs refuses nothing.
_STATES = {"refusing": "takes no POSTs"}


@dataclass(frozen=True, slots=True)
class Seen:
    """One look. What is wrong, the numbers, the workers."""

    now: Snapshot
    problems: list[Problem]
    floor: Floor
    events: list[Event]

    @property
    def recent(self) -> Span:
        """The last five minutes."""
        return self.now.history.recent

    @property
    def durability(self) -> Durability:
        """Whether Redis keeps what it acknowledges."""
        return self.now.durability.latest or Durability("unknown")

    def per_second(self, name: str) -> float:
        """How many were accepted, completed or failed in the last minutes."""
        return float(getattr(self.recent, name)) / self.recent.minutes(self.now.statistics.now_ms) / 60


def page(settings: Settings, seen: Seen) -> Group:
    """What is wrong first."""
    where = f"{without_secrets(settings.redis_url)}  {settings.prefix}"
    head = Text.assemble(("txn", "bold"), f"  {where}  ", (formats.utc(seen.now.statistics.now_ms), "dim"))
    return Group(head, *_problems(seen), *_latest(seen), "", _numbers(seen), _workers(seen))


def _latest(seen: Seen) -> list[Text]:
    """What happened last, if that is not long ago: when trouble ended."""
    now_ms = seen.now.statistics.now_ms
    return [
        Text(f"  {formats.since(event.since_ms, now_ms)}  {plain(event.sentence)}", style="dim")
        for event in seen.events
        if now_ms - event.since_ms < NEWS_MS
    ]


def _problems(seen: Seen) -> list[Text]:
    if not seen.problems:
        return [Text("● nothing is wrong", style="green")]
    lines = []
    for problem in seen.problems:
        style = "bold red" if problem.level == "bad" else "bold yellow"
        since = ""
        if problem.since_ms is not None:
            since = f"  since {formats.since(problem.since_ms, seen.now.statistics.now_ms)}"
        lines.append(Text.assemble((f"● {problem.what}", style), (since, "dim")))
        lines.append(Text(f"  {plain(problem.hint)}"))
    return lines


def _numbers(seen: Seen) -> Table:
    statistics, totals = seen.now.statistics, seen.now.statistics.totals
    how_many = [
        ("waiting", formats.number(totals.pending)),
        ("processing", formats.number(totals.processing)),
        ("in doubt", formats.number(totals.in_doubt)),
        ("retrying", formats.number(totals.retrying)),
        ("failed", formats.number(totals.dead)),
        ("completed", formats.number(totals.completed)),
    ]
    how_well = [
        ("accepted", f"{seen.per_second('accepted'):,.1f}/s"),
        ("completed", f"{seen.per_second('completed'):,.1f}/s"),
        ("errors", formats.percent(statistics.error_rate)),
        ("oldest", formats.span(statistics.oldest_unfinished_ms) if statistics.oldest_id else "\N{EN DASH}"),
        ("most overdue", formats.span(statistics.most_overdue_ms)),
        ("posting service", _STATES.get(statistics.posting_state, statistics.posting_state)),
        ("Redis", seen.durability.words),
    ]
    if (limits := statistics.flow.limits) is not None:
        how_well.append(("limit", formats.limits(limits)))
    how_fast = [(f"p{share * 100:.0f}", formats.percentile(seen.recent.percentile(share))) for share in _SHARES]
    return side_by_side(how_many, how_well, how_fast)


def _workers(seen: Seen) -> Table | Text:
    alive = [worker for worker in seen.floor.workers if worker.alive]
    if not alive:
        return Text("\nno workers", style="dim")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("worker", overflow="fold")
    for column in ("at a time", "holds", "messages/s", "for"):
        table.add_column(column, justify="right")
    for worker in alive:
        age = "" if worker.started_ms is None else formats.span(seen.now.statistics.now_ms - worker.started_ms)
        rate = "" if worker.rate is None else f"{worker.rate:,.1f}"
        table.add_row(Text(plain(worker.name)), Text(plain(worker.threads)), str(worker.held), rate, age)
    return table
