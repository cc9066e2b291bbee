import pytest
import redis

from tests.partitions.parts import COUNT, IN_EACH, AllParts
from txn.errors import StoreUnavailable
from txn.model.outcome import Cause, Clear, Completed, Retry
from txn.model.transaction import Evidence
from txn.operate.events import Events
from txn.partitions.numbers import AllCharts, AllIntake, AllWorkers
from txn.partitions.past import AllEvents
from txn.partitions.place import in_turn, one_after_another
from txn.readers.standing_still import standing_still
from txn.readers.statistics import Statistics, StatisticsReader
from txn.store.messages import Messages


def test_numbers_are_the_sums_of_all_partitions(parts: AllParts) -> None:
    parts.begin_a_minute()
    for name in (*IN_EACH, "f", "g"):
        parts.accept(name)
        parts.clock.forward(5_000)  # each partition is read at a moment of its own
    parts.settle(parts.claimed("f"), Completed(Evidence.POSTED), answered=True, taken=True)
    parts.settle(parts.claimed("g"), Retry(Cause.OUTAGE, "no", Clear(), 0), answered=True)
    found = parts.read_statistics()
    assert (found.totals.accepted, found.totals.completed, found.unfinished) == (6, 1, 5)
    assert (found.attempts, found.totals.completed_by["posted"], found.away) == (2, 1, ())
    assert found.oldest_id == IN_EACH[0]
    history = AllCharts(parts.partitions).read(found.now_ms)
    assert (history.recent.accepted, history.recent.completed, sum(history.recent.histogram)) == (6, 1, 1)
    assert AllIntake(parts.partitions, parts.settings).counts(())[:2] == (5, 1)


def test_one_that_is_away_is_named_and_the_others_are_counted(parts: AllParts) -> None:
    for name in IN_EACH:
        parts.accept(name)
    parts.take_away(1)
    found = parts.read_statistics()
    assert found.unfinished == COUNT - 1
    assert found.away[0].startswith("partition 1 of 4: ")
    assert [one.what for one in standing_still(found) if "artition" in one.what] == ["Partition 1 of 4 is away"]
    for number in range(COUNT):
        parts.take_away(number) if number != 1 else None
    with pytest.raises(StoreUnavailable):
        parts.read_statistics()


def test_a_breaker_that_nobody_has_asked_since_does_not_speak_for_all(parts: AllParts) -> None:
    for name in IN_EACH:
        parts.accept(name)
    a = parts.keys_of("a")
    parts.settle(parts.claimed("a"), Retry(Cause.OUTAGE, "no", Clear(), 0), outage="away", calls="G")
    parts.client.hset(a.posting, mapping={"breaker": "open", "kind": "gets", "opened": parts.read_statistics().now_ms})
    assert parts.read_statistics().flow.breaker == "open"
    parts.clock.forward(10)
    parts.settle(parts.claimed("b"), Completed(Evidence.POSTED), answered=True, taken=True)
    found = parts.read_statistics()
    assert (found.flow.breaker, found.posting_state) == ("closed", "answering")
    parts.clock.forward(10)
    parts.settle(parts.claimed("d"), Retry(Cause.OUTAGE, "no", Clear(), 0), outage="away", calls="G")
    parts.client.hset(parts.keys_of("d").posting, mapping={"breaker": "open", "kind": "gets"})
    assert parts.read_statistics().flow.breaker == "open"


def test_a_worker_is_one_worker_in_all_partitions(parts: AllParts) -> None:
    for name in IN_EACH:
        parts.accept(name)
    for database in parts.partitions.all:
        messages = Messages(database, "one")
        messages.heartbeat({"host": "h", "pid": 7, "processed": 2, "rate": "1.5"})
        messages.fetch(1)
    [worker] = AllWorkers(parts.partitions).read().workers
    assert (worker.name, worker.held, worker.processed, worker.rate, worker.alive) == ("h:7", COUNT, 8, 6.0, True)
    assert parts.read_statistics().workers == 1
    assert AllWorkers(parts.partitions).marks().beat_ms is not None


def test_a_worker_that_is_gone_is_told_once_with_all_that_it_held(parts: AllParts) -> None:
    for name in IN_EACH:
        parts.accept(name)
    for database in parts.partitions.all:
        messages = Messages(database, "one")
        messages.heartbeat({"host": "h", "pid": 7})
        messages.fetch(1)
    parts.clock.forward(20_000)
    for database in parts.partitions.all:
        Messages(database, "two").heartbeat()
    events = AllEvents(parts.partitions)
    assert events.notice("posting", "away", 1, 2)
    assert [(event.what, event.returned) for event in events.read()] == [("posting", 0), ("worker", COUNT)]
    assert len(events.gone(parts.read_statistics().now_ms)) == 1
    assert len(Events(parts.partitions.all[1]).read()) == 1


def test_a_server_that_does_not_answer_is_waited_for_once(parts: AllParts, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def hang(self: StatisticsReader) -> Statistics:
        asked.append(self)
        raise StoreUnavailable("no answer") from redis.TimeoutError()

    monkeypatch.setattr(StatisticsReader, "read", hang)
    with pytest.raises(StoreUnavailable):
        parts.statistics.read()
    assert len(asked) == 1
    beats = []

    def beat() -> float:
        beats.append(1)
        raise StoreUnavailable("no answer") from redis.TimeoutError()

    with pytest.raises(StoreUnavailable):
        in_turn([beat] * 4)()
    with pytest.raises(StoreUnavailable):
        one_after_another([beat] * 4)
    assert len(beats) == 2
