import itertools
import random

import pytest

from tests.partitions.parts import COUNT, IN_EACH, AllParts
from txn.errors import Invalid, NotFound
from txn.model.dead_letter import Action, Confirmed, Filter
from txn.model.transaction import ErrorCode
from txn.partitions.letters import COUNT_S, AllRuns
from txn.readers import dead_letters
from txn.readers.dead_letters import DeadLetters

EVERYTHING = Filter()


def fail_many(parts: AllParts, count: int, seed: int = 0) -> list[str]:
    chance, names = random.Random(seed), []
    for number in range(count):
        parts.clock.forward(chance.choice([0, 0, 1, 7]))
        names.append(parts.fail(f"n{number}", detail="odd" if number % 2 else "even"))
    return names


@pytest.mark.parametrize("wanted", [EVERYTHING, Filter(text="odd")])
@pytest.mark.parametrize("limit", [1, 3, 50])
def test_pages_show_each_letter_once_the_newest_first(parts: AllParts, wanted: Filter, limit: int) -> None:
    names = fail_many(parts, 24)
    seen, before = [], None
    while True:
        page = parts.letters.page(wanted, before, limit)
        seen += page.letters
        if (before := page.next_ms) is None:
            break
    assert sorted(one.id for one in seen) == sorted(names if wanted is EVERYTHING else names[1::2])
    assert [one.failed_ms for one in seen] == sorted((one.failed_ms for one in seen), reverse=True)


def test_numbers_are_those_of_all_partitions(parts: AllParts) -> None:
    names = fail_many(parts, 10)
    parts.discard(names[0])
    assert parts.letters.totals()[ErrorCode.REJECTED] == 9
    assert parts.letters.discarded() == 1
    assert [one.id for one in parts.letters.page(Filter(discarded=True)).letters] == [names[0]]
    counted = parts.letters.count(Filter(text="odd"))
    assert (counted.matching, counted.exact) == (5, True)


def test_letters_of_all_partitions_are_replayed_with_one_call_in_its_order(parts: AllParts) -> None:
    parts.accept("waits")
    names = [parts.fail(name) for name in IN_EACH]
    done = parts.operations.replay([*names, "waits", "unknown"], "ann")
    assert (done.done, done.not_failed, done.unknown) == (names, ["waits"], ["unknown"])
    assert sorted(name for entry in parts.journal.read() for name in entry.ids) == sorted(names)


@pytest.mark.parametrize("wanted", [EVERYTHING, Filter(text="odd")])
def test_a_bulk_run_does_all_that_were_counted_and_none_that_came_later(parts: AllParts, wanted: Filter) -> None:
    names = fail_many(parts, 24)
    parts.clock.forward(10)
    confirmed = parts.counted(wanted)
    parts.clock.forward(10)
    parts.fail("later", detail="odd")
    parts.operations.start_run("run", Action.REPLAY, wanted, confirmed, "ann")
    parts.operations.start_run("run", Action.REPLAY, wanted, confirmed, "ann")
    parts.run_bulk()
    expected = names if wanted is EVERYTHING else names[1::2]
    run = parts.runs.read("run")
    assert (run.state, run.done, run.confirmed) == ("done", len(expected), len(expected))
    assert {name for name in (*names, "later") if parts.status(name) == "pending"} == set(expected)
    assert [one.id for one in parts.runs.recent()] == ["run"]
    assert parts.runs.active() == []


def test_a_start_that_was_cut_short_is_completed_by_its_repeat_within_what_was_confirmed(parts: AllParts) -> None:
    names = fail_many(parts, 24)
    parts.clock.forward(10)
    confirmed = parts.counted(EVERYTHING)
    parts.take_away(2)
    first = parts.runs._all[0]
    share = DeadLetters(parts.partitions.first).count(EVERYTHING).total
    first.start("run", Action.REPLAY, EVERYTHING, Confirmed(share, confirmed.before_ms), "ann", "")
    parts.bring_back(2)
    assert parts.runs.start("run", Action.REPLAY, EVERYTHING, confirmed, "ann", "") == "started"
    assert parts.runs.start("run", Action.REPLAY, EVERYTHING, confirmed, "ann", "") == "known"
    parts.run_bulk()
    assert parts.runs.read("run").done == len(names) == confirmed.count


def test_a_run_never_does_more_than_were_confirmed(parts: AllParts) -> None:
    fail_many(parts, 12)
    parts.clock.forward(10)
    confirmed = parts.counted(EVERYTHING)
    with pytest.raises(Invalid, match="12 match now, and 11 were counted"):
        parts.runs.start("run", Action.REPLAY, EVERYTHING, Confirmed(11, confirmed.before_ms), "ann", "")
    with pytest.raises(NotFound):
        parts.runs.read("run")


def test_a_start_that_would_count_for_too_long_is_refused_and_begins_nothing(
    parts: AllParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "SLICE", 1)
    fail_many(parts, 12)
    parts.clock.forward(10)
    text = Filter(text="no such text")
    confirmed = Confirmed(0, parts.letters.begin(text).before_ms)
    seconds = itertools.count(step=COUNT_S)
    runs = AllRuns(parts.partitions, lambda: next(seconds))
    with pytest.raises(Invalid, match="choose fewer, by their error code or by when they failed"):
        runs.start("run", Action.REPLAY, text, confirmed, "ann", "")
    with pytest.raises(NotFound):
        runs.read("run")


def test_a_run_over_nothing_is_remembered_and_ends(parts: AllParts) -> None:
    confirmed = parts.counted(EVERYTHING)
    assert parts.runs.start("run", Action.REPLAY, EVERYTHING, confirmed, "ann", "") == "started"
    assert parts.runs.start("run", Action.REPLAY, EVERYTHING, confirmed, "ann", "") == "known"
    parts.run_bulk()
    assert parts.runs.read("run").state == "done"


def test_a_run_is_stopped_in_all_partitions(parts: AllParts) -> None:
    fail_many(parts, 12)
    parts.clock.forward(10)
    parts.start_run("run", Action.REPLAY, EVERYTHING)
    assert parts.operations.stop_run("run", "bob") == "stopped"
    parts.run_bulk()
    run = parts.runs.read("run")
    assert (run.state, run.stopped_by, run.done) == ("stopped", "bob", 0)
    assert parts.operations.stop_run("run", "bob") == "over"
    assert parts.operations.stop_run("other", "bob") == "unknown"


def test_pages_of_the_journal_show_each_deed_once(parts: AllParts) -> None:
    names = fail_many(parts, 12)
    for name in names:
        parts.replay(name)
    parts.pauses.pause("ann", "why")
    seen, before = [], ""
    while page := parts.journal.read(before, 2):
        seen += page
        before = page[-1].at
    assert sorted(name for entry in seen for name in entry.ids) == sorted(names)
    assert [entry.what for entry in seen].count("pause") == 1, "the copies in the other partitions are not shown"
    assert COUNT > 1


def test_what_somebody_else_has_dealt_with_since_the_count_is_gone_and_the_run_is_the_same(parts: AllParts) -> None:
    names = fail_many(parts, 12)
    confirmed = Confirmed(12, parts.letters.begin(EVERYTHING).before_ms)
    parts.operations.replay([names[0]], "bob")
    parts.runs.start("r", Action.DISCARD, EVERYTHING, confirmed, "ann", "old")
    parts.run_bulk()
    run = parts.runs.read("r")
    assert (run.confirmed, run.done, run.state) == (12, 11, "done")
