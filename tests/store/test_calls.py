import pytest

from tests.parts import Parts
from tests.store.test_verdict import succeeds
from txn.readers.calls import AGO, MIN_CALLS, CallReader, CallTimes
from txn.readers.charts import Charts
from txn.readers.health import Snapshot, problems_in
from txn.readers.workers import Marks
from txn.store.durability import DurabilityMonitor

DEADLINE_MS = 5_000


def called(parts: Parts, post_s: float, count: int = MIN_CALLS, status: str = "201") -> None:
    for _ in range(count):
        parts.timings.note("get:404", 0.002)
        parts.timings.note(f"post:{status}", post_s)
    parts.timings.flush()


def read(parts: Parts) -> CallTimes:
    return CallReader(parts.timings, DEADLINE_MS).read()


def said(parts: Parts) -> list[str]:
    monitor = DurabilityMonitor(allow_lossy=False)
    monitor.check(parts.client)
    statistics = parts.read_statistics()
    history = Charts(parts.database).read(statistics.now_ms)
    seen = Snapshot(statistics, Marks(None, None), history, monitor, calls=read(parts))
    return [problem.sentence for problem in problems_in(seen) if problem.what == "The posting service is slow"]


@pytest.mark.parametrize(("post_s", "slow"), [(0.1, False), (1.2, False), (2.6, True), (5.0, True)])
def test_slow_is_half_of_the_deadline(parts: Parts, post_s: float, slow: bool) -> None:
    called(parts, post_s)
    assert read(parts).is_slow is slow


@pytest.mark.parametrize(
    ("before_s", "now_s", "slow"),
    [(0.04, 0.6, True), (0.004, 0.04, False), (0.4, 0.6, False)],
    ids=["much slower", "much slower and fast all the same", "a little slower"],
)
def test_slow_is_also_much_slower_than_an_hour_ago(parts: Parts, before_s: float, now_s: float, slow: bool) -> None:
    called(parts, before_s)
    parts.clock.forward(AGO * 60_000)
    called(parts, now_s)
    found = read(parts)
    assert found.before_ms is not None
    assert found.is_slow is slow


def test_a_few_calls_say_nothing(parts: Parts) -> None:
    called(parts, 4.0, MIN_CALLS - 1)
    assert read(parts) == CallTimes(DEADLINE_MS, None, None)


def test_the_verdict_names_both_and_what_is_waited_for(parts: Parts) -> None:
    succeeds(parts)
    called(parts, 0.03)
    assert said(parts) == []
    parts.clock.forward(AGO * 60_000)
    called(parts, 2.6)
    succeeds(parts)
    [sentence] = said(parts)
    assert "half of the calls take 2.5 s or longer (an hour ago: 25 ms); txn waits 5 s." in sentence
