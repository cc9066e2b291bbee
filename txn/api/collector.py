"""What txn knows about itself, as Prometheus reads it. All of it comes from Redis: every process tells the same."""

from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from txn.errors import StoreUnavailable, Unavailable
from txn.model.outcome import Cause
from txn.model.transaction import ErrorCode, Evidence
from txn.readers.charts import BUCKETS_MS
from txn.readers.statistics import Statistics, StatisticsReader
from txn.store.durability import DurabilityMonitor
from txn.store.timings import Histogram, Timings

#: Name -> (field of the totals, meaning).
_COUNTERS = {
    "accepted": ("accepted", "Transactions accepted: acknowledged to a client, on disk"),
    "rescued": ("rescued", "Transactions brought back after their wake-up was lost or their worker died"),
    "reaped": ("reaped", "Messages taken back from workers that died"),
    "mended": ("mended", "Index entries and counters that did not say what the records say, and were set right"),
    "replayed": ("replayed", "Dead letters sent on their way again by an operator"),
    "discarded": ("discarded", "Dead letters taken off the list by an operator"),
    "fence_rejected": ("late_settles", "Settles refused because the transaction was no longer the worker's"),
    "possible_doubles": ("late_posted", "Refused settles that carried a 200 or 201: the log names each at ERROR"),
}
_LEVELS = {
    "waiting": ("pending", "Transactions that wait for a delivery, or for the time of the next"),
    "processing": ("processing", "Transactions that a worker holds"),
    "in_doubt": ("in_doubt", "Unfinished transactions whose POST may still turn up"),
    "retrying": ("retrying", "Unfinished transactions that have failed at least once"),
    "sent_away": ("sent_away", "Unfinished transactions that are not let in (403, 429, ...) while others are"),
    "dead_letters": ("dead", "Failed transactions that nobody has replayed or discarded"),
}
#: Value of a label -> field of the totals. Outcomes of attempts are named as in a transaction's timeline.
_COMPLETED = {evidence.value: f"completed:{evidence.value}" for evidence in Evidence}
_FAILED = {code.value: f"failed:{code.value}" for code in ErrorCode}
_OUTCOMES = _COMPLETED | _FAILED | {cause.value: f"retried:{cause.value}" for cause in Cause} | {"released": "released"}


class SystemCollector(Collector):
    """One look a scrape. With Redis away it says that, and nothing else."""

    def __init__(self, statistics: StatisticsReader, timings: Timings, durability: DurabilityMonitor) -> None:
        self._statistics, self._timings, self._durability = statistics, timings, durability

    def collect(self) -> Iterator[Metric]:
        """See `Collector.collect`."""
        try:
            statistics, timings = self._statistics.read(), self._timings.read()
        except StoreUnavailable:
            yield _gauge("up", "Whether Redis could be read", 0)
            yield _durable(durable=False)
            yield _accepting(accepting=False)
            return
        latest = self._durability.latest
        yield _gauge("up", "Whether Redis could be read", 1)
        yield _durable(durable=latest is not None and latest.level == "durable")
        yield _accepting(accepting=self._accepts())
        yield from _counters(statistics.counts)
        yield from _gauges(statistics)
        yield _end_to_end(statistics.counts)
        yield from _timed(timings)

    def _accepts(self) -> bool:
        try:
            self._durability.require()
        except Unavailable:
            return False
        return True


def _counters(counts: Mapping[str, int]) -> Iterator[Metric]:
    for name, (field, meaning) in _COUNTERS.items():
        yield CounterMetricFamily(f"txn_{name}", meaning, counts.get(field, 0))
    yield _labelled("completed", "Transactions completed, by how it was seen", "evidence", _COMPLETED, counts)
    yield _labelled("failed", "Transactions failed, by error code", "code", _FAILED, counts)
    yield _labelled("attempts", "Deliveries that were settled, by their outcome", "outcome", _OUTCOMES, counts)


def _labelled(
    name: str, meaning: str, label: str, fields: Mapping[str, str], counts: Mapping[str, int]
) -> CounterMetricFamily:
    """Every label from the start: a rate over a counter that appears with its first increment misses that one."""
    family = CounterMetricFamily(f"txn_{name}", meaning, labels=[label])
    for value, field in fields.items():
        family.add_metric([value], counts.get(field, 0))
    return family


def _gauges(statistics: Statistics) -> Iterator[Metric]:
    for name, (field, meaning) in _LEVELS.items():
        yield _gauge(name, meaning, statistics.counts.get(field, 0))
    refused_ms = 0 if statistics.refused_ms is None else statistics.now_ms - statistics.refused_ms
    yield _gauge(
        "oldest_waiting_seconds", "How long the oldest waiting one is due", statistics.oldest_waiting_ms / 1000
    )
    yield _gauge("due_lag_seconds", "How late the loop over the due index is", statistics.due_lag_ms / 1000)
    yield _gauge(
        "left_alone", "Records that can neither be delivered nor mended: the log names them", statistics.left_alone
    )
    yield _gauge("workers", "Worker processes with a heartbeat in the last five seconds", statistics.workers)
    yield _gauge("posting_away", "Whether the posting service does not answer", int(statistics.posting_away))
    yield _gauge(
        "posting_refuses_seconds", "Since when it answers GETs and takes no POST; 0 if it does", refused_ms / 1000
    )


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"txn_{name}", meaning, value)


def _durable(*, durable: bool) -> GaugeMetricFamily:
    return _gauge("redis_durable", "Whether Redis keeps what it acknowledges", int(durable))


def _accepting(*, accepting: bool) -> GaugeMetricFamily:
    return _gauge("accepting", "Whether new transactions are accepted", int(accepting))


def _end_to_end(counts: Mapping[str, int]) -> HistogramMetricFamily:
    found = [counts.get(f"end_to_end:{limit}", 0) for limit in (*BUCKETS_MS, "inf")]
    histogram = Histogram(BUCKETS_MS, found, counts.get("end_to_end_ms", 0) / 1000)
    family = HistogramMetricFamily("txn_end_to_end_seconds", "From the submit to completed", labels=[])
    family.add_metric([], _cumulated(histogram), histogram.sum_s)
    return family


def _timed(timings: Mapping[str, Histogram]) -> Iterator[Metric]:
    submit = HistogramMetricFamily("txn_submit_seconds", "From a submit's body to its acknowledgement", labels=[])
    posting = HistogramMetricFamily(
        "txn_posting_seconds", "Calls to the posting service; status none: no answer", labels=["op", "status"]
    )
    for what, histogram in timings.items():
        family, labels = (submit, []) if what == "submit" else (posting, what.split(":"))
        family.add_metric(labels, _cumulated(histogram), histogram.sum_s)
    yield submit
    yield posting


def _cumulated(histogram: Histogram) -> list[tuple[str, float]]:
    limits = [*(str(limit / 1000) for limit in histogram.limits_ms), "+Inf"]
    return list(zip(limits, accumulate(histogram.counts), strict=True))
