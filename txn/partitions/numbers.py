"""The numbers of all partitions, added up. Those that are away are named, and missing in the sums."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from txn.errors import StoreUnavailable
from txn.model.flow import Flow, Limits
from txn.model.totals import Totals
from txn.partitions.place import Partitions, those_there
from txn.readers.charts import Charts
from txn.readers.statistics import Statistics, StatisticsReader
from txn.readers.workers import MAX_LOOKED_AT, Floor, InFlight, Marks, Worker, WorkerReader
from txn.settings import Settings
from txn.store.intake import IntakeMonitor

#: From the one whose breaker says most about the posting service to the one that says least.
_BREAKERS = ("open", "half", "closed")


class AllStatistics(StatisticsReader):
    """As `StatisticsReader`, with a call for each partition."""

    def __init__(self, partitions: Partitions) -> None:
        super().__init__(partitions.first)
        self._partitions, self._all = partitions, [StatisticsReader(database) for database in partitions.all]

    def read(self) -> Statistics:
        """See `StatisticsReader.read`. Raises: StoreUnavailable, if all partitions are away."""
        answers = self._partitions.answers([reader.read for reader in self._all])
        failures = {number: str(one) for number, one in enumerate(answers) if isinstance(one, StoreUnavailable)}
        away = [f"{which}: {why}" for which, why in self._partitions.named(failures)]
        return replace(_together(those_there(answers)), away=tuple(away))


def _together(found: Sequence[Statistics]) -> Statistics:
    latest = max(found, key=lambda one: one.outage_ms or -1)
    oldest = max(found, key=lambda one: one.oldest_unfinished_ms if one.oldest_id else -1)

    def most(name: str) -> Any:
        return max((value for one in found if (value := getattr(one, name)) is not None), default=None)

    def added(name: str) -> int:
        return sum(getattr(one, name) for one in found)

    return Statistics(
        totals=_sum_of_totals([one.totals for one in found]),
        unfinished=added("unfinished"),
        most_overdue_ms=most("most_overdue_ms"),
        oldest_unfinished_ms=oldest.oldest_unfinished_ms,
        oldest_id=oldest.oldest_id,
        due_lag_ms=most("due_lag_ms"),
        workers=most("workers"),
        attempts=added("attempts"),
        failed_attempts=added("failed_attempts"),
        answered_ms=most("answered_ms"),
        outage_ms=latest.outage_ms,
        outage_reason=latest.outage_reason,
        refused_ms=_refused_ms(found),
        left_alone=added("left_alone"),
        flow=_flow(found),
        now_ms=most("now_ms"),
        taken_ms=most("taken_ms"),
        quarantined_until_ms=most("quarantined_until_ms"),
        failing_gets=added("failing_gets") / len(found),
        failing_posts=added("failing_posts") / len(found),
        best_minute=added("best_minute"),
    )


def _sum_of_totals(found: Sequence[Totals]) -> Totals:
    def added(values: Sequence[Any]) -> Any:
        if isinstance(values[0], Mapping):
            return {name: sum(value.get(name, 0) for value in values) for name in values[0]}
        return sum(values)

    return Totals(**{name: added([getattr(one, name) for one in found]) for name in Totals.__dataclass_fields__})


def _refused_ms(found: Sequence[Statistics]) -> int | None:
    """Since when no POST is let through: not, while those of one partition are."""
    asked = [one for one in found if one.taken_ms is not None or one.refused_ms is not None]
    times = [one.refused_ms for one in asked]
    return max((ms for ms in times if ms is not None), default=None) if None not in times else None


def _flow(statistics: Sequence[Statistics]) -> Flow:
    """Each partition has a breaker of its own: the one that says most stands for all."""
    found = [one.flow for one in statistics]
    told = [one.flow for one in statistics if not _is_overtaken(one, statistics)]
    [first, *_] = sorted(told or found, key=lambda flow: _BREAKERS.index(flow.breaker))
    caps = [flow.most for flow in told if flow.most is not None]
    return replace(
        first,
        held=sum(flow.held for flow in found),
        most=sum(caps) if caps else None,
        paused=next((flow.paused for flow in found if flow.paused), None),
        limits=_limits([flow.limits for flow in found if flow.limits]),
        hold_ms=max((flow.hold_ms for flow in found if flow.hold_ms is not None), default=None),
    )


def _is_overtaken(one: Statistics, found: Sequence[Statistics]) -> bool:
    """Whether a breaker is open only because nobody has asked there since calls go well in other partitions."""
    when = "taken_ms" if one.flow.kind == "posts" else "answered_ms"
    return one.flow.breaker == "open" and any(
        other.flow.breaker == "closed" and (getattr(other, when) or 0) > (one.outage_ms or 0) for other in found
    )


def _limits(found: Sequence[Limits]) -> Limits | None:
    if not found:
        return None
    caps = [limits.in_flight for limits in found if limits.in_flight is not None]
    return replace(
        found[0],
        in_flight=sum(caps) if caps else None,
        in_use=sum(limits.in_use for limits in found),
        rate_a_second=sum(limits.rate_a_second for limits in found),
        rate_in_use=sum(limits.rate_in_use for limits in found) / len(found),
    )


class AllCharts(Charts):
    """As `Charts`, with a call for each partition. Raises: StoreUnavailable, if one is away."""

    def __init__(self, partitions: Partitions) -> None:
        super().__init__(partitions.first)
        self._all = [Charts(database) for database in partitions.all]

    def rows(self, minutes: Sequence[int]) -> list[tuple[int, tuple[int, ...]]]:
        """See `Charts.rows`."""
        found = [charts.rows(minutes) for charts in self._all]
        return [
            (rows[0][0], tuple(sum(column) for column in zip(*(counts for _, counts in rows), strict=True)))
            for rows in zip(*found, strict=True)
        ]


class AllWorkers(WorkerReader):
    """As `WorkerReader`: each worker process says the same in all partitions, but for what it holds."""

    def __init__(self, partitions: Partitions) -> None:
        super().__init__(partitions.first)
        self._partitions = partitions
        self._all = [WorkerReader(database) for database in partitions.all]

    def read(self) -> Floor:
        """See `WorkerReader.read`. Raises: StoreUnavailable, if all partitions are away."""
        found = self._partitions.of_those_there([reader.read for reader in self._all])
        workers: dict[str, list[Worker]] = {}
        for floor in found:
            for worker in floor.workers:
                workers.setdefault(worker.consumer, []).append(worker)
        flights = sorted((flight for floor in found for flight in floor.in_flight), key=_ends)
        return Floor(
            now_ms=max(floor.now_ms for floor in found),
            queued=sum(floor.queued for floor in found),
            unfinished=sum(floor.unfinished for floor in found),
            dead_letters=sum(floor.dead_letters for floor in found),
            workers=sorted(map(_one_worker, workers.values()), key=lambda worker: worker.name),
            in_flight=flights[:MAX_LOOKED_AT],
            complete=all(floor.complete for floor in found) and len(flights) <= MAX_LOOKED_AT,
        )

    def marks(self) -> Marks:
        """See `WorkerReader.marks`."""
        found = self._partitions.of_those_there([reader.marks for reader in self._all])
        return Marks(_of(max, (one.beat_ms for one in found)), _of(min, (one.first_failed_ms for one in found)))


def _of(choose: Callable[[list[int]], int], times: Iterable[int | None]) -> int | None:
    known = [ms for ms in times if ms is not None]
    return choose(known) if known else None


def _ends(flight: InFlight) -> int:
    return flight.lease_end_ms or 0


def _one_worker(same: Sequence[Worker]) -> Worker:
    latest = max(same, key=lambda worker: worker.beat_ms)
    processed = [worker.processed for worker in same if worker.processed is not None]
    rates = [worker.rate for worker in same if worker.rate is not None]
    return replace(
        latest,
        held=sum(worker.held for worker in same),
        alive=any(worker.alive for worker in same),
        processed=sum(processed) if processed else None,
        rate=sum(rates) if rates else None,
    )


class AllIntake(IntakeMonitor):
    """As `IntakeMonitor`: what is unfinished in all partitions counts, and the memory of the fullest server."""

    def __init__(self, partitions: Partitions, settings: Settings) -> None:
        super().__init__(partitions.first, settings)
        self._partitions = partitions

    def counts(self, pairs: Sequence[str | int]) -> tuple[int, int, int]:
        """See `IntakeMonitor.counts`. Raises: StoreUnavailable, if all partitions are away."""
        first, *others = self._partitions.all
        asks: list[Callable[[], tuple[int, int, int]]] = [lambda: self.counts_of(first, pairs)]
        asks += [lambda database=database: self.counts_of(database, ()) for database in others]  # type: ignore[misc]
        unfinished, ended, now_ms = zip(*self._partitions.of_those_there(asks), strict=True)
        return sum(unfinished), sum(ended), max(now_ms)

    def memory(self) -> Mapping[str, Any]:
        """See `IntakeMonitor.memory`."""
        if not self._partitions.apart:
            return super().memory()
        asks = [lambda database=database: self.memory_of(database) for database in self._partitions.all]
        return max(self._partitions.of_those_there(asks), key=_fullness)


def _fullness(memory: Mapping[str, Any]) -> tuple[float, int]:
    used, most = int(memory.get("used_memory", 0)), int(memory.get("maxmemory", 0))
    return used / most if most else 0.0, used
