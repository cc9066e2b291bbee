from dataclasses import replace

import pytest

from tests.partitions.parts import COUNT, IN_EACH, AllParts
from tests.parts import submission
from txn.errors import NotFound
from txn.model.outcome import Completed
from txn.model.transaction import Evidence
from txn.partitions.callback_letters import AllCallbackLetters
from txn.partitions.callbacks import AllCallbacks
from txn.store.callbacks import Callback, Room

LEASE_MS, LONGEST_MS = 10_000, 3_600_000


def end(parts: AllParts, name: str) -> None:
    """A transaction that has ended, and whose client wants to know."""
    parts.store.accept(replace(submission(name), callback="https://a.example/"))
    parts.settle(parts.claimed(name), Completed(Evidence.POSTED))


def take(callbacks: AllCallbacks, limit: int = 100, room: int = 100) -> list[Callback]:
    return callbacks.take("me", Room(limit, limit, limit, room, {}), LEASE_MS, LONGEST_MS)


def tell(callbacks: AllCallbacks, callback: Callback) -> str:
    return callbacks.sent(callback.name, "me", "told", wait_ms=0, why="", give_up_ms=LONGEST_MS)


def test_those_of_all_partitions_are_taken_and_written_down_where_they_are(parts: AllParts) -> None:
    for name in IN_EACH:
        end(parts, name)
    callbacks = AllCallbacks(parts.partitions)
    taken = take(callbacks)
    assert sorted(one.transaction.id for one in taken) == sorted(IN_EACH)
    assert {tell(callbacks, one) for one in taken} == {"told"}
    parts.clock.forward(2 * LEASE_MS)
    assert take(callbacks) == []
    assert parts.read_statistics().totals.callbacks_told == COUNT


def test_a_lane_has_its_room_over_all_partitions_and_a_look_its_limit(parts: AllParts) -> None:
    for name in (*IN_EACH, "f", "i"):
        end(parts, name)
    callbacks = AllCallbacks(parts.partitions)
    assert len(take(callbacks, room=2)) == 2
    assert len(take(callbacks, limit=3)) == 3
    assert len(take(callbacks)) == 1


def test_a_partition_that_is_away_keeps_only_its_own(parts: AllParts) -> None:
    for name in IN_EACH:
        end(parts, name)
    index = parts.partitions.all[2].keys.callbacks
    parts.client.rename(index, f"{index}-kept")
    parts.client.set(index, "no index")
    callbacks = AllCallbacks(parts.partitions)
    assert sorted(one.transaction.id for one in take(callbacks)) == sorted(set(IN_EACH) - {IN_EACH[2]})
    parts.client.rename(f"{index}-kept", index)
    assert [one.transaction.id for one in take(callbacks)] == [IN_EACH[2]]


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_those_that_were_given_up_are_shown_once_the_latest_first_and_operated_on(parts: AllParts, limit: int) -> None:
    callbacks, letters = AllCallbacks(parts.partitions), AllCallbackLetters(parts.partitions, parts.partitions)
    for name in (*IN_EACH, "f", "i", "g", "c"):
        end(parts, name)
    assert sum(letters.waiting().values()) == 8
    for one in take(callbacks):
        parts.clock.forward(3)
        callbacks.sent(one.name, "me", "gone", wait_ms=0, why="410", give_up_ms=0)
    found, before = [], ""
    while True:
        page = letters.page(before, limit)
        found += page.callbacks
        if page.next is None:
            break
        before = page.next
    assert len(found) == len({one.name for one in found}) == 8
    assert [one.died_ms for one in found] == sorted((one.died_ms or 0 for one in found), reverse=True)
    assert letters.read(found[-1].name) == found[-1]
    told = letters.replay([found[0].name, found[1].name, "0" * 40], "ann")
    assert (told.done, told.unknown) == ([found[0].name, found[1].name], ["0" * 40])
    assert letters.replay([found[0].name], "ann").not_dead == [found[0].name]
    assert letters.discard([found[2].name], "ann", "why").done == [found[2].name]
    assert parts.read_statistics().totals.callbacks_dead == 5
    assert sum(entry.count for entry in parts.journal.read()) == 3
    with pytest.raises(NotFound):
        letters.read("0" * 40)


def test_one_that_was_taken_twice_by_the_same_process_is_noted_once(parts: AllParts) -> None:
    end(parts, "a")
    callbacks = AllCallbacks(parts.partitions)
    [first] = take(callbacks)
    parts.clock.forward(LEASE_MS + 1)
    [again] = take(callbacks)
    assert again.name == first.name
    assert (tell(callbacks, first), tell(callbacks, again)) == ("told", "refused")
