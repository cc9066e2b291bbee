import pytest

from txn.doctor.finding import Level
from txn.doctor.workers import Load, check, hangs
from txn.model.flow import Flow
from txn.model.totals import Totals
from txn.readers.statistics import Statistics
from txn.readers.workers import Worker
from txn.store.timings import BUCKETS_MS, Histogram


def worker(threads: int, alive: bool = True) -> Worker:
    return Worker("c", 0, 0, alive, "h", "1", str(threads), "1", None, None, None)


def statistics(**changes: int) -> Statistics:
    numbers = {
        "unfinished": 3,
        "oldest_unfinished_ms": 0,
        "most_overdue_ms": 0,
        "due_lag_ms": 0,
        "workers": 1,
    } | changes
    return Statistics(
        totals=Totals(),
        flow=Flow(),
        attempts=0,
        failed_attempts=0,
        answered_ms=None,
        outage_ms=None,
        outage_reason="",
        refused_ms=None,
        oldest_id="",
        left_alone=0,
        now_ms=0,
        **numbers,
    )


def histogram(**counts: int) -> Histogram:
    names = [*(f"b{limit}" for limit in BUCKETS_MS), "inf"]
    return Histogram(BUCKETS_MS, [counts.get(name, 0) for name in names], 0.0)


@pytest.mark.parametrize(
    ("load", "needed"),
    [
        (Load(1000, 0, 0, 5000), 0),
        (Load(1000, 100, 0, 5000), 200),
        (Load(1000, 100, 0.01, 5000), 250),
        (Load(0, 100, 1, 5000), 0),
    ],
)
def test_what_is_on_its_way_is_rate_times_time(load: Load, needed: float) -> None:
    assert load.needed == pytest.approx(needed)


@pytest.mark.parametrize(("threads", "level"), [(249, Level.WARN), (250, Level.OK)])
def test_threads_must_be_as_many_as_deliveries(threads: int, level: Level) -> None:
    load = Load(1000, 100, 0.01, 5000)
    enough, _ = check([worker(threads - 1), worker(1), worker(1000, alive=False)], statistics(), load)
    assert enough.level is level
    assert enough.found == f"2 alive, for {threads} deliveries at a time"
    assert ("1,000/s, 100 ms a call and 1.00% of the deliveries hanging" in enough.do) == (level is Level.WARN)


def test_without_a_latency_threads_are_not_judged() -> None:
    assert next(iter(check([worker(1)], statistics(), None))).level is Level.OK


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({"most_overdue_ms": 60_000, "due_lag_ms": 5_000}, Level.OK),
        ({"most_overdue_ms": 60_001}, Level.BAD),
        ({"due_lag_ms": 5_001}, Level.WARN),
        ({"due_lag_ms": 5_001, "workers": 0}, Level.OK),
    ],
)
def test_lateness_is_said(changes: dict[str, int], level: Level) -> None:
    *_, lag = check([worker(1)], statistics(**changes), None)
    assert (lag.check, lag.level) == ("queue", level)


def test_calls_given_up_at_the_deadline_are_hangs() -> None:
    timings = {
        "get:404": histogram(b10=90),
        "get:none": histogram(b1=6, b5000=1, b10000=2),
        "post:201": histogram(b10=80, b10000=5),
        "post:none": histogram(inf=1),
        "submit": histogram(b10=1_000),
    }
    assert hangs(timings, 5_000) == pytest.approx(4 / 99)


def test_who_has_delivered_nothing_has_no_hangs() -> None:
    assert hangs({}, 5_000) == 0.0
