"""What txn knows about itself, as Prometheus reads it. All of it comes from Redis: every process tells the same."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from txn.errors import StoreUnavailable, Unavailable
from txn.model.flow import Breaker, Flow
from txn.model.totals import COUNTERS, END_TO_END_MS, Totals
from txn.readers.statistics import Statistics, StatisticsReader
from txn.store.durability import DurabilityMonitor
from txn.store.inspection import Durability
from txn.store.intake import IntakeMonitor
from txn.store.timings import BUCKETS_MS, LAG, Histogram, Timings


class SystemCollector(Collector):
    """One look a scrape. With Redis away it says that, and nothing else."""

    def __init__(
        self,
        statistics: StatisticsReader,
        timings: Timings,
        durability: DurabilityMonitor,
        intake: IntakeMonitor | None = None,
    ) -> None:
        self._statistics, self._timings, self._durability, self._intake = statistics, timings, durability, intake

    def collect(self) -> Iterator[Metric]:
        """See `Collector.collect`."""
        try:
            statistics, timings = self._statistics.read(), self._timings.read()
        except StoreUnavailable:
            yield from _redis(up=False, latest=None, accepting=False)
            return
        yield from _redis(up=True, latest=self._durability.latest, accepting=self._accepts())
        yield _attested(self._durability.latest)
        yield from _counters(statistics.totals)
        yield from _gauges(statistics)
        yield from _limits(self._intake)
        yield _end_to_end(statistics.totals)
        yield from _timed(timings)

    def _accepts(self) -> bool:
        try:
            self._durability.require()
        except Unavailable:
            return False
        return True


def _counters(totals: Totals) -> Iterator[Metric]:
    for name, counter in COUNTERS.items():
        if counter.metric and counter.values:
            yield _labelled(counter.metric, counter.words, counter.label, getattr(totals, name))
        elif counter.metric:
            family = GaugeMetricFamily if counter.level else CounterMetricFamily
            yield family(f"txn_{counter.metric}", counter.words, getattr(totals, name))
    yield _labelled("attempts", "Deliveries that were settled, by their outcome", "outcome", totals.outcomes)


def _labelled(name: str, meaning: str, label: str, numbers: Mapping[str, int]) -> CounterMetricFamily:
    """Every label from the start: a rate over a counter that appears with its first increment misses that one."""
    family = CounterMetricFamily(f"txn_{name}", meaning, labels=[label])
    for value, number in numbers.items():
        family.add_metric([value], number)
    return family


def _gauges(statistics: Statistics) -> Iterator[Metric]:
    refused_ms = 0 if statistics.refused_ms is None else statistics.now_ms - statistics.refused_ms
    overdue_s = statistics.most_overdue_ms / 1000
    yield _gauge("most_overdue_seconds", "How long the most overdue one has been due without being claimed", overdue_s)
    yield _gauge("oldest_waiting_seconds", "The same as most_overdue_seconds, by its name until 0.2", overdue_s)
    yield _gauge(
        "oldest_unfinished_seconds",
        "How long ago the oldest unfinished one was submitted, or last replayed",
        statistics.oldest_unfinished_ms / 1000,
    )
    yield _gauge("due_lag_seconds", "How late the loop over the due index is", statistics.due_lag_ms / 1000)
    yield _gauge(
        "left_alone", "Records that can neither be delivered nor mended: the log names them", statistics.left_alone
    )
    yield _gauge("workers", "Worker processes with a heartbeat in the last five seconds", statistics.workers)
    yield _gauge("posting_away", "Whether the posting service does not answer", int(statistics.posting_away))
    yield _gauge(
        "posting_refuses_seconds",
        "How long GETs have been answered and POSTs refused; 0 if POSTs are let through",
        refused_ms / 1000,
    )
    flow = statistics.flow
    family = GaugeMetricFamily(
        "txn_breaker_state", "The breaker of the posting service: 1 for the state it is in", labels=["state"]
    )
    for state in get_args(Breaker):
        family.add_metric([state], int(flow.breaker == state))
    yield family
    yield _gauge("held", "Transactions that wait because it is away or paused, beside those in the queue", flow.held)
    yield from _outgoing(flow)
    yield _gauge("paused", "Whether an operator has paused deliveries", int(flow.paused is not None))


def _limits(intake: IntakeMonitor | None) -> Iterator[Metric]:
    overload, level = (intake.overload, intake.level) if intake else (None, None)
    family = GaugeMetricFamily("txn_shedding", "Whether submits are refused because of this limit", labels=["limit"])
    for limit in ("unfinished", "memory"):
        family.add_metric([limit], int(overload is not None and overload.reason == limit))
    yield family
    if level:
        yield _gauge("redis_memory_bytes", "What Redis counts against its maxmemory", level.memory)
        yield _gauge(
            "redis_memory_limit_bytes", "From so many on submits are refused; 0: there is no limit", level.memory_limit
        )


def _outgoing(flow: Flow) -> Iterator[Metric]:
    """0 for a limit that is not set: a metric that comes and goes cannot be compared."""
    found = flow.limits
    in_flight = found.in_flight or 0 if found else 0
    yield _gauge("limit_in_flight", "Most deliveries in flight; 0: no limit", in_flight)
    yield _gauge(
        "limit_in_use", "Places in flight that are taken, of those; 0 without a limit", found.in_use if found else 0
    )
    yield _gauge("limit_rate", "Most deliveries that begin a second; 0: no limit", found.rate_a_second if found else 0)
    yield _gauge(
        "limit_rate_in_use", "Share of what may begin at once that is used up", found.rate_in_use if found else 0
    )
    yield _gauge(
        "posting_asks_to_wait", "Whether its Retry-After says to leave it alone", int(flow.hold_ms is not None)
    )


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"txn_{name}", meaning, value)


def _redis(*, up: bool, latest: Durability | None, accepting: bool) -> Iterator[Metric]:
    yield _gauge("up", "Whether Redis could be read", int(up))
    kept = latest is not None and latest.is_kept
    yield _gauge("redis_durable", "Whether Redis keeps what it acknowledges, as seen or attested", int(kept))
    yield _gauge("accepting", "Whether new transactions are accepted", int(accepting))


def _attested(latest: Durability | None) -> Metric:
    family = GaugeMetricFamily(
        "txn_redis_attested", "Whether that is attested by somebody, and not seen", labels=["by"]
    )
    family.add_metric([latest.by if latest else ""], int(latest is not None and latest.level == "attested"))
    return family


def _end_to_end(totals: Totals) -> HistogramMetricFamily:
    histogram = Histogram(END_TO_END_MS, list(totals.end_to_end.values()), totals.end_to_end_ms / 1000)
    family = HistogramMetricFamily(
        "txn_end_to_end_seconds", "From the submit or the latest replay to completed", labels=[]
    )
    family.add_metric([], _cumulated(histogram), histogram.sum_s)
    return family


#: Nothing was late.
_NONE = Histogram(BUCKETS_MS, [0] * (len(BUCKETS_MS) + 1), 0.0)


def _timed(timings: Mapping[str, Histogram]) -> Iterator[Metric]:
    submit = HistogramMetricFamily("txn_submit_seconds", "From a submit's body to its acknowledgement", labels=[])
    posting = HistogramMetricFamily(
        "txn_posting_seconds", "Calls to the posting service; status none: no answer", labels=["op", "status"]
    )
    lag = HistogramMetricFamily("txn_loop_lag_seconds", "Beats of workers' event loops that came late", labels=[])
    alone = {"submit": submit, LAG: lag}
    for what, histogram in {LAG: _NONE, **timings}.items():
        family, labels = (alone[what], []) if what in alone else (posting, what.split(":"))
        family.add_metric(labels, _cumulated(histogram), histogram.sum_s)
    yield submit
    yield posting
    yield lag


def _cumulated(histogram: Histogram) -> list[tuple[str, float]]:
    limits = [*(str(limit / 1000) for limit in histogram.limits_ms), "+Inf"]
    return list(zip(limits, accumulate(histogram.counts), strict=True))
