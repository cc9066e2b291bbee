import itertools
import random
from typing import Any

import pytest

from tests.partitions.parts import IN_EACH, AllParts
from txn.errors import CursorExpired, Invalid, StoreUnavailable
from txn.model.outcome import Completed
from txn.model.transaction import Evidence
from txn.partitions.feed import AllChanges
from txn.partitions.place import Partitions
from txn.store.changes import AT_ONCE, LOOKS, Changes


def complete(parts: AllParts, name: str) -> str:
    parts.settle(parts.claimed(parts.accept(name)), Completed(Evidence.POSTED))
    return name


@pytest.fixture
def feed(parts: AllParts) -> AllChanges:
    return AllChanges(parts.partitions)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_skipped_and_nothing_told_twice_while_changes_come(
    parts: AllParts, feed: AllChanges, seed: int
) -> None:
    chance = random.Random(seed)
    written: list[str] = []
    seen: list[str] = []
    cursor = None
    for round_ in range(12):
        # Mostly in one partition: the others must not be held up by it, nor it by them.
        for number in range(chance.choice([0, 1, 5, 12])):
            written.append(complete(parts, f"{round_}-{number}"))
        page = feed.read(cursor, chance.choice([1, 3, 7]))
        seen += [change.transaction_id for change in page.changes]
        cursor = page.cursor
    while not (page := feed.read(cursor, 2)).is_end or page.changes:
        seen += [change.transaction_id for change in page.changes]
        cursor = page.cursor
    assert sorted(seen) == sorted(written)


def test_what_has_come_together_is_in_the_order_of_its_time(parts: AllParts, feed: AllChanges) -> None:
    feed.read(None, 1)
    names = [complete(parts, name) for name in (*IN_EACH, "z", "y", "x")]
    times = [change.at_ms for change in feed.read(None, 100).changes]
    # An entry and what it says may be of two milliseconds.
    assert all(after >= before - 1 for before, after in itertools.pairwise(times))
    assert sorted(change.transaction_id for change in feed.read(None, 100).changes) == sorted(names)


def test_a_client_sees_only_what_is_its_own_and_all_of_that(parts: AllParts, feed: AllChanges) -> None:
    complete(parts, "a")
    assert feed.read(None, 10, client="somebody").changes == []
    assert [change.transaction_id for change in feed.read(None, 10, client="").changes] == ["a"]


def test_a_client_with_few_changes_reads_no_more_than_one_feed_would(
    parts: AllParts, feed: AllChanges, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor = feed.read(None, 1).cursor
    for keys in parts.all_keys:
        with parts.client.pipeline(transaction=False) as pipeline:
            for number in range(3 * AT_ONCE):
                pipeline.xadd(keys.changes, {"change": f"n{number} completed 1  other"})
            pipeline.execute()
    read, after = 0, Changes.after

    def counted(self: Changes, place: str, limit: int) -> Any:
        nonlocal read
        found = after(self, place, limit)
        read += len(found[1])
        return found

    monkeypatch.setattr(Changes, "after", counted)
    assert feed.read(cursor, 10, client="me").changes == []
    assert 0 < read <= LOOKS * AT_ONCE


def test_a_cursor_of_another_feed_is_refused(parts: AllParts, feed: AllChanges) -> None:
    cursor = feed.read(None, 1).cursor
    other = AllChanges(Partitions(parts.database, 8)).read(None, 1).cursor
    for wrong in (other, cursor[1:], cursor.upper(), "", "MTc2LTA", f"{cursor}.0-0", cursor.replace("-", "-0", 1)):
        with pytest.raises((Invalid, CursorExpired)):
            feed.read(wrong, 1)


def test_what_is_not_kept_any_more_is_told_also_in_one_partition(parts: AllParts, feed: AllChanges) -> None:
    for name in IN_EACH:
        complete(parts, name)
    first, behind = feed.read(None, 1).cursor, feed.read(None, 100).cursor
    complete(parts, "x")
    stream = parts.keys_of("x").changes
    parts.client.xtrim(stream, maxlen=0)
    for cursor in (first, behind):
        with pytest.raises(CursorExpired):
            feed.read(cursor, 100)


def test_a_feed_stops_while_a_partition_is_away_and_goes_on_where_it_was(parts: AllParts, feed: AllChanges) -> None:
    cursor = feed.read(None, 1).cursor
    complete(parts, "a")
    parts.take_away(0)
    with pytest.raises(StoreUnavailable):
        feed.read(cursor, 10)
    parts.bring_back(0)
    assert [change.transaction_id for change in feed.read(cursor, 10).changes] == ["a"]


def test_whoever_waits_is_told_of_a_change_in_any_partition(parts: AllParts, feed: AllChanges) -> None:
    at = feed.latest()
    for name in IN_EACH:
        complete(parts, name)
    at, changes = feed.changed(at, 1_000)
    assert sorted(change.transaction_id for change in changes) == sorted(IN_EACH)
    assert feed.changed(at, 1)[1] == []
    complete(parts, "x")
    assert [change.transaction_id for change in feed.changed(at, 1_000)[1]] == ["x"]


def test_the_cursor_of_64_partitions_fits_into_a_url(parts: AllParts) -> None:
    assert len(AllChanges(Partitions(parts.database, 64)).read(None, 1).cursor) < 2_000
