import re
from pathlib import Path

import pytest

import txn.store
from tests.parts import Parts
from txn.model.outcome import Cause, Clear, Completed, Failed, Retry
from txn.model.totals import END_TO_END_MS
from txn.model.transaction import ErrorCode, Evidence
from txn.readers import charts
from txn.readers.charts import Charts, History, Span
from txn.readers.workers import WorkerReader

MINUTE = 60_000


@pytest.fixture
def reader(parts: Parts) -> Charts:
    parts.begin_a_minute()
    return Charts(parts.database)


def read(reader: Charts, parts: Parts) -> History:
    return reader.read(parts.read_statistics().now_ms)


def complete(parts: Parts, count: int, after_ms: int = 0) -> None:
    ids = [parts.accept() for _ in range(count)]
    parts.clock.forward(after_ms)
    for name in ids:
        parts.settle(parts.claimed(name), Completed(Evidence.POSTED), answered=True)


def span(histogram: dict[int | None, int]) -> Span:
    counts = tuple(histogram.get(limit, 0) for limit in (*END_TO_END_MS, None))
    return Span(0, 0, sum(counts), 0, 0, 0, counts)


def test_the_buckets_are_those_that_settle_raises(parts: Parts) -> None:
    lua = Path(txn.store.__file__).with_name("lua") / "settle.lua"
    [found] = re.findall(r"BUCKETS_MS = {([^}]*)}", lua.read_text())
    assert tuple(map(int, found.split(","))) == END_TO_END_MS


def test_the_hour_is_sixty_minutes_and_the_day_is_144_bars(reader: Charts, parts: Parts) -> None:
    history = read(reader, parts)
    now = parts.read_statistics().now_ms
    assert len(history.hour) == 60
    assert len(history.day) == 144
    assert history.hour[-1].start_ms == now // MINUTE * MINUTE
    assert history.day[-1].start_ms == now // (10 * MINUTE) * 10 * MINUTE
    assert {later.start_ms - one.start_ms for one, later in zip(history.day, history.day[1:], strict=False)} == {
        10 * MINUTE
    }


def test_what_happened_stands_in_its_minute(reader: Charts, parts: Parts) -> None:
    complete(parts, 3)
    parts.accept("dead")
    parts.settle(parts.claimed("dead"), Failed(ErrorCode.REJECTED, "no", Clear()))
    parts.accept("again")
    parts.settle(parts.claimed("again"), Retry(Cause.NOT_WRITTEN, "500", Clear(), 0))
    parts.clock.forward(7 * MINUTE)
    complete(parts, 1)
    history = read(reader, parts)
    then, now = history.hour[-8], history.hour[-1]
    assert (then.accepted, then.completed, then.failed) == (5, 3, 1)
    assert (then.attempts, then.failed_attempts, then.error_rate) == (5, 2, 0.4)
    assert (now.accepted, now.completed) == (1, 1)
    assert (history.recent.accepted, history.recent.attempts) == (1, 1)
    assert sum(bar.accepted for bar in history.day) == 6


def test_what_is_going_on_is_seen_at_once(reader: Charts, parts: Parts) -> None:
    for count in (1, 2, 3):
        parts.accept()
        assert read(reader, parts).hour[-1].accepted == count


def test_minutes_that_are_over_are_not_read_again(reader: Charts, parts: Parts) -> None:
    complete(parts, 1)
    parts.clock.forward(5 * MINUTE)
    read(reader, parts)
    parts.client.config_resetstat()
    for _ in range(3):
        assert read(reader, parts).hour[-6].completed == 1
    commands = parts.client.info("commandstats")
    # The three that may still change, and the totals of the look at health.
    assert commands["cmdstat_hgetall"]["calls"] == 3 * (3 + 1)


def test_a_day_later_everything_has_moved_out(reader: Charts, parts: Parts) -> None:
    complete(parts, 1)
    read(reader, parts)
    parts.clock.forward(1441 * MINUTE)
    history = read(reader, parts)
    assert sum(bar.accepted for bar in history.day) == 0
    assert len(reader._settled) <= charts.DAY


def test_percentiles_say_between_what_they_surely_are(reader: Charts, parts: Parts) -> None:
    complete(parts, 9, after_ms=20_000)
    complete(parts, 1, after_ms=120_000)
    recent = read(reader, parts).recent
    half, most = recent.percentile(0.5), recent.percentile(0.95)
    assert half is not None
    assert most is not None
    assert (half.low_ms, half.high_ms) == (10_000, 30_000)
    assert (most.low_ms, most.high_ms) == (60_000, 300_000)


@pytest.mark.parametrize(
    ("histogram", "share", "low", "high", "estimate"),
    [
        ({10: 100}, 0.5, 0, 10, 5),
        ({10: 50, 25: 50}, 0.5, 0, 10, 10),
        ({10: 50, 25: 50}, 0.75, 10, 25, 17.5),
        ({100: 1}, 0.99, 50, 100, 99.5),
        ({10: 1, None: 9}, 0.95, 1_800_000, None, None),
    ],
)
def test_within_a_bucket_a_percentile_is_a_straight_line(
    histogram: dict[int | None, int], share: float, low: int, high: int | None, estimate: float | None
) -> None:
    found = span(histogram).percentile(share)
    assert found is not None
    assert (found.low_ms, found.high_ms) == (low, high)
    assert found.estimate_ms == (estimate if estimate is None else pytest.approx(estimate))


def test_without_a_completed_one_there_is_no_percentile() -> None:
    assert span({}).percentile(0.5) is None


def test_a_look_at_many_workers_is_bounded(parts: Parts) -> None:
    for number in range(130):
        parts.messages(f"w{number}").heartbeat({"host": "h", "pid": number})
    for _ in range(500):
        parts.accept()
    parts.messages("w7").fetch(500)
    floor = WorkerReader(parts.database).read()
    assert len(floor.workers) == 100
    assert not floor.complete
    assert floor.unfinished == 500


def test_what_a_worker_says_of_itself_expires(parts: Parts) -> None:
    parts.messages("w").heartbeat({"host": "h"})
    assert 0 < int(parts.client.pttl(f"{parts.keys.worker}w")) <= 25 * 3_600_000
