import pytest

from tests.parts import Parts
from txn.model.outcome import Cause, Completed, Maybe, Retry
from txn.model.transaction import Evidence
from txn.operate.event_log import REFUSED_MS, SLOW_LOOK_S, EventLog
from txn.operate.events import Events
from txn.readers.calls import CallTimes
from txn.readers.workers import WorkerReader
from txn.store.messages import DEAD_AFTER_MS


class Process:
    """What one worker process sees and writes down."""

    def __init__(self, parts: Parts) -> None:
        self.parts, self.monotonic_s = parts, 0.0
        self.takes_ms: float | None = 20
        events, calls = Events(parts.new_database()), lambda: CallTimes(2_000, self.takes_ms, None)
        self.log = EventLog(events, lambda: self.monotonic_s, calls)

    def look(self, redis: str = "there", reason: str = "") -> None:
        self.log.look(None if redis == "away" else self.parts.read_statistics(), redis, reason)


@pytest.fixture
def one(parts: Parts) -> Process:
    return Process(parts)


@pytest.fixture
def other(parts: Parts) -> Process:
    return Process(parts)


def sentences(parts: Parts) -> list[str]:
    return [event.sentence for event in Events(parts.database).read()][::-1]


def away(parts: Parts) -> None:
    for name in ("a", "b", "c"):
        parts.accept(name)
    for _ in range(4):
        for name in ("a", "b", "c"):
            if claim := parts.claim(name):
                retry = Retry(Cause.UNCERTAIN, "503", Maybe(0), 0)
                parts.settle(claim, retry, answered=True, outage="POST: answered 503", calls="gPg")
        parts.clock.forward(1)
    assert parts.read_statistics().flow.breaker == "open"


def back(parts: Parts) -> None:
    parts.client.hdel(parts.keys.posting, "breaker", "refused")
    parts.settle(parts.claimed(parts.accept()), Completed(Evidence.POSTED), answered=True, taken=True, calls="gp")


def test_while_nothing_changes_nothing_is_written(parts: Parts, one: Process) -> None:
    back(parts)
    for _ in range(3):
        one.look()
    assert sentences(parts) == []


def test_an_outage_begins_and_ends_once_however_many_see_it(parts: Parts, one: Process, other: Process) -> None:
    for process in (one, other):
        process.look()
    away(parts)
    for process in (one, other, one):
        process.look()
    parts.clock.forward(276_000)
    back(parts)
    for process in (one, other, Process(parts), one):
        process.look()
    assert sentences(parts) == [
        "The posting service takes no POSTs: POST: answered 503",
        "The breaker has opened, deliveries are held back: POST: answered 503",
        "The posting service answers again, after 4 min",
        "The breaker has closed, all may go out, after 4 min",
    ]
    assert [event.level for event in Events(parts.database).read()] == ["good", "good", "bad", "bad"]


def test_a_look_that_comes_late_does_not_undo_a_younger_one(parts: Parts, one: Process, other: Process) -> None:
    one.look()
    away(parts)
    old = parts.read_statistics()
    one.look()
    parts.clock.forward(5_000)
    back(parts)
    one.look()
    told = sentences(parts)
    other.log.look(old, "there", "")
    assert len(told) == 4
    assert sentences(parts) == told


def test_a_pause_says_who_and_why_and_how_long_it_was(parts: Parts, one: Process, other: Process) -> None:
    one.look()
    parts.pauses.pause("ann", "their database is moved")
    for process in (one, other):
        process.look()
    parts.clock.forward(7_200_000)
    parts.pauses.resume("ann")
    for process in (other, one):
        process.look()
    assert sentences(parts) == [
        "Deliveries were paused: by ann: their database is moved, until somebody resumes it",
        "Deliveries go out again, after 120 min".replace("120 min", "2 h"),
    ]


@pytest.mark.parametrize("state", ["away", "refusing writes"])
def test_trouble_with_redis_is_told_when_it_is_over_once(parts: Parts, state: str) -> None:
    processes = [Process(parts) for _ in range(3)]
    for process in processes:
        process.look(state, "nothing listens there")
    for process in processes:
        process.monotonic_s += 30
        process.look(state, "nothing listens there")
        parts.clock.forward(10)
    for process in processes:
        process.look()
        process.look()
    said = "Redis was away" if state == "away" else "Redis refused writes"
    assert sentences(parts) == [f"{said} for 30 s: nothing listens there"]


def test_trouble_with_redis_that_comes_again_is_told_again(parts: Parts, one: Process) -> None:
    for _ in range(2):
        one.look("away", "no")
        one.monotonic_s += 3
        parts.clock.forward(60_000)
        one.look()
    assert len(sentences(parts)) == 2


def test_that_redis_has_lost_data_is_told(parts: Parts, one: Process, other: Process) -> None:
    one.look()
    parts.claimed(parts.accept())
    parts.client.delete(parts.keys.epoch)
    parts.claim(parts.accept())
    for process in (one, other, one):
        process.look()
    [said] = sentences(parts)
    assert said.startswith("Redis has lost data: nothing is posted for a while: deliveries only look until ")


def test_refused_submits_are_told_from_the_first_to_the_last(parts: Parts, one: Process, other: Process) -> None:
    for process in (one, other):
        process.look()
    for _ in range(5):
        parts.client.hincrby(parts.keys.count, "shed:unfinished", 3)
        parts.clock.forward(1_000)
        for process in (one, other):
            process.look()
    parts.clock.forward(REFUSED_MS)
    for process in (one, other):
        process.look()
    began, ended = sentences(parts)
    assert began == "Submits were refused: too much is unfinished"
    assert ended.startswith("Submits are accepted again, after 1")


def test_a_worker_that_is_killed_is_kept_for_a_day_with_what_it_held(parts: Parts) -> None:
    dead, alive = parts.messages("dead"), parts.messages("alive")
    parts.accept("a")
    parts.accept("b")
    dead.heartbeat({"host": "h1", "pid": "7", "in_flight": 14})
    dead.fetch(2)
    died_ms = parts.read_statistics().now_ms
    parts.clock.forward(DEAD_AFTER_MS + 1_000)
    for _ in range(3):
        alive.heartbeat({"host": "h1", "pid": "8", "in_flight": 0})
    events = Events(parts.database)
    [event] = events.gone(parts.read_statistics().now_ms)
    assert abs(event.since_ms - died_ms) < 5_000
    assert event.sentence == (
        "Worker h1:7 disappeared without a goodbye: it had 14 deliveries in flight: each is taken over when its lease "
        "ends; 2 messages went back to the queue"
    )
    assert event.level == "warn"
    assert not parts.client.exists(f"{parts.keys.worker}dead")
    assert events.gone(parts.read_statistics().now_ms + 25 * 3_600_000) == []


def test_a_worker_that_stops_says_goodbye(parts: Parts) -> None:
    messages = parts.messages("stops")
    messages.heartbeat({"host": "h1", "pid": "7"})
    messages.goodbye()
    assert not parts.client.exists(f"{parts.keys.worker}stops")
    parts.clock.forward(DEAD_AFTER_MS + 1_000)
    parts.messages("alive").heartbeat()
    assert sentences(parts) == []


def test_who_may_not_write_events_reaps_all_the_same(parts: Parts) -> None:
    parts.client.set(parts.keys.events, "no stream")
    parts.accept("a")
    parts.fetched_by_the_dead()
    parts.clock.forward(DEAD_AFTER_MS + 1_000)
    assert parts.messages("alive").heartbeat() == 1
    assert parts.queued() == ["a"]


def test_an_event_that_this_version_does_not_know_is_shown_as_it_is(parts: Parts) -> None:
    parts.client.xadd(parts.keys.events, {"what": "moon", "is": "full", "detail": "x"})
    assert sentences(parts) == ["moon full: x"]


def test_a_posting_service_that_asks_to_be_left_alone_is_told_if_it_is_for_long(parts: Parts, one: Process) -> None:
    one.look()
    for ahead_ms, events in ((2_000, 0), (60_000, 1)):
        parts.client.hset(parts.keys.posting, "hold_until", parts.read_statistics().now_ms + ahead_ms)
        one.look()
        assert len(sentences(parts)) == events
    parts.clock.forward(61_000)
    one.look()
    began, ended = sentences(parts)
    assert began.startswith("The posting service asks to be left alone (Retry-After): at first until ")
    assert ended == "The posting service may be asked again, after 61 s"


def test_that_the_posting_service_is_slow_is_told_once_when_it_begins_and_when_it_ends(
    parts: Parts, one: Process, other: Process
) -> None:
    back(parts)
    marks = WorkerReader(parts.database).marks
    for takes_ms, is_slow in ((20, False), (1_000, True), (None, True), (1_000, True), (20, False)):
        for process in (one, other):
            process.takes_ms = takes_ms
            process.look()
            process.monotonic_s += SLOW_LOOK_S
        assert (marks().slow_since_ms is not None) is is_slow
        parts.clock.forward(30_000)
        back(parts)
    assert sentences(parts) == [
        "The posting service is slow: half of the calls take 1 s or longer; txn waits 2 s",
        "The posting service is not slow any more, after 90 s",
    ]


def test_calls_are_not_asked_for_at_each_look(parts: Parts, one: Process) -> None:
    back(parts)
    one.look()
    one.takes_ms = 1_000
    one.look()
    assert sentences(parts) == []


def test_during_an_outage_nothing_is_said_of_slowness(parts: Parts, one: Process) -> None:
    back(parts)
    away(parts)
    one.takes_ms = 1_000
    one.look()
    assert not [sentence for sentence in sentences(parts) if "slow" in sentence]
