import itertools

import pytest

from tests.parts import Parts
from txn.model.dead_letter import Action, Filter
from txn.model.outcome import Cause, Clear, Completed, Retry
from txn.model.transaction import Evidence
from txn.operate.bulk_runner import BulkRunner
from txn.store import oldest
from txn.store.oldest import PACE_MS, Oldest


def look(parts: Parts) -> int:
    """A whole round: of how many steps."""
    steps = 1
    while Oldest(parts.database).beat() == PACE_MS / 1000:
        parts.clock.forward(PACE_MS)
        steps += 1
    parts.clock.forward(PACE_MS)
    return steps


def complete(parts: Parts, name: str) -> None:
    parts.settle(parts.claimed(name), Completed(Evidence.POSTED), answered=True, taken=True)


def aged(parts: Parts, count: int) -> list[str]:
    """Transactions that were accepted a second apart, the oldest first."""
    names = []
    for number in range(count):
        names.append(parts.accept(f"x{number}"))
        parts.clock.forward(1_000)
    return names


def seen(parts: Parts) -> tuple[str, int]:
    found = parts.read_statistics()
    return found.oldest_id, found.oldest_unfinished_ms // 1000


def test_with_nothing_unfinished_there_is_none(parts: Parts) -> None:
    assert seen(parts) == ("", 0)
    complete(parts, parts.accept("a"))
    look(parts)
    assert seen(parts) == ("", 0)


def test_its_age_is_from_the_submit_whatever_was_tried_since(parts: Parts) -> None:
    parts.accept("a")
    parts.accept("b")
    look(parts)
    for _ in range(3):
        parts.settle(parts.claimed("a"), Retry(Cause.OUTAGE, "away", Clear(), 60_000), outage="away")
        parts.clock.forward(60_000)
    found = parts.read_statistics()
    assert found.oldest_id == "a"
    assert 180_000 <= found.oldest_unfinished_ms < 200_000
    parts.claimed("a")
    assert seen(parts)[0] == "a", "one that is being delivered is unfinished, too"


def test_it_waits_behind_a_hundred_that_are_due_earlier_and_is_found(parts: Parts) -> None:
    parts.accept("old")
    parts.settle(parts.claimed("old"), Retry(Cause.OUTAGE, "away", Clear(), 290_000), outage="away")
    parts.client.delete(parts.keys.outage, parts.keys.messages)
    parts.clock.forward(100_000)
    aged(parts, 150)
    assert seen(parts)[0] != "old", "what statistics looks at by itself does not show it"
    look(parts)
    found, age_s = seen(parts)
    assert (found, age_s >= 250) == ("old", True)


def test_when_it_ends_the_next_is_known_without_another_look(parts: Parts) -> None:
    names = aged(parts, 5)
    look(parts)
    for done, following in zip(names, [*names[1:], ""], strict=True):
        complete(parts, done)
        assert seen(parts)[0] == following


def test_what_is_replayed_is_as_old_as_its_replay(parts: Parts) -> None:
    parts.fail("letter")
    parts.clock.forward(3_600_000)
    parts.accept("young")
    parts.clock.forward(10_000)
    parts.replay("letter")
    parts.clock.forward(5_000)
    look(parts)
    assert seen(parts) == ("young", 15)
    complete(parts, "young")
    assert seen(parts) == ("letter", 5)


def test_a_round_over_many_takes_many_steps_and_keeps_the_oldest(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oldest, "STEP_IDS", 50)
    monkeypatch.setattr(oldest, "KEPT", 3)
    names = [parts.accept() for _ in range(300)]
    for place, name in enumerate(names):
        parts.client.hincrby(parts.keys.record(name), "submitted", 1_000 * (place - len(names)))
    assert look(parts) > 1
    for done, following in itertools.pairwise(names[:3]):
        assert seen(parts)[0] == done
        complete(parts, done)
        assert seen(parts)[0] == following


def test_one_process_makes_a_step_and_the_others_do_not(parts: Parts) -> None:
    first, second = Oldest(parts.database), Oldest(parts.new_database())
    parts.accept("a")
    first.beat()
    [before] = [parts.client.hgetall(parts.keys.oldest)]
    parts.accept("b")
    second.beat()
    assert parts.client.hgetall(parts.keys.oldest) == before
    parts.clock.forward(PACE_MS)
    second.beat()
    assert parts.client.hget(parts.keys.oldest, "found").count(b"\n") == 2  # type: ignore[union-attr]


def test_a_clock_that_was_set_back_does_not_end_the_rounds(parts: Parts) -> None:
    parts.clock.forward(3_600_000)
    look(parts)
    parts.clock.forward(-3_600_000)
    parts.accept("a")
    look(parts)
    assert parts.client.hget(parts.keys.oldest, "found").endswith(b" a\n")  # type: ignore[union-attr]


def test_a_record_of_another_type_is_passed_over(parts: Parts) -> None:
    parts.accept("a")
    parts.accept("b")
    parts.client.delete(parts.keys.record("a"))
    parts.client.rpush(parts.keys.record("a"), "x")
    look(parts)
    assert seen(parts)[0] == "b"


@pytest.mark.parametrize("by_a_run", [False, True])
def test_the_time_to_completed_of_a_replayed_one_is_from_its_replay(parts: Parts, by_a_run: bool) -> None:
    parts.fail("letter")
    parts.clock.forward(3_600_000)
    if by_a_run:
        parts.start_run("run", Action.REPLAY, Filter())
        BulkRunner(parts.runs, parts.letters, "me").tick()
    else:
        parts.replay("letter")
    parts.clock.forward(20_000)
    complete(parts, "letter")
    found = parts.read_statistics().totals
    assert 20_000 <= found.end_to_end_ms < 60_000
    assert "replayed" not in parts.record("letter")
