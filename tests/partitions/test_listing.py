import random

import pytest

from tests.partitions.parts import IN_EACH, AllParts
from tests.parts import submission
from txn.errors import Invalid, StoreUnavailable
from txn.model.transaction import Status
from txn.partitions.listing import AllListing
from txn.partitions.place import Partitions
from txn.store.listing import Wanted

EVERYTHING = Wanted()


@pytest.fixture
def listing(parts: AllParts) -> AllListing:
    return AllListing(parts.partitions)


def accept_over_minutes(parts: AllParts, count: int) -> list[str]:
    chance, names = random.Random(count), []
    for number in range(count):
        parts.clock.forward(chance.choice([0, 0, 20_000, 90_000]))
        names.append(parts.accept(f"n{number}"))
    return names


def follow(listing: AllListing, wanted: Wanted, limit: int, client: str | None = None) -> list[tuple[str, int]]:
    found, page = [], listing.read(wanted, limit, None, client)
    while True:
        assert len(page.transactions) <= limit
        found += [(one.id, one.submitted_ms // 60_000) for one in page.transactions]
        if page.cursor is None:
            return found
        page = listing.read(wanted, limit, page.cursor, client)


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_each_is_listed_once_the_newest_minute_first(parts: AllParts, listing: AllListing, limit: int) -> None:
    names = accept_over_minutes(parts, 40)
    found = follow(listing, EVERYTHING, limit)
    assert sorted(name for name, _ in found) == sorted(names)
    minutes = [minute for _, minute in found]
    assert minutes == sorted(minutes, reverse=True)


def test_only_what_matches_and_only_of_the_client(parts: AllParts, listing: AllListing) -> None:
    names = accept_over_minutes(parts, 24)
    for name in names[::3]:
        parts.claimed(name)
    assert sorted(name for name, _ in follow(listing, Wanted(status=Status.PROCESSING), 2)) == sorted(names[::3])
    assert follow(listing, EVERYTHING, 5, client="somebody") == []
    assert len(follow(listing, EVERYTHING, 5, client="")) == len(names)


def test_what_is_accepted_meanwhile_does_not_move_what_is_still_to_come(parts: AllParts, listing: AllListing) -> None:
    names = accept_over_minutes(parts, 20)
    page = listing.read(EVERYTHING, 7)
    found = [one.id for one in page.transactions]
    parts.accept("newer")
    while page.cursor is not None:
        page = listing.read(EVERYTHING, 7, page.cursor)
        found += [one.id for one in page.transactions]
    assert sorted(set(found) - {"newer"}) == sorted(names)
    assert len(found) == len(set(found))


def test_a_cursor_of_another_question_or_another_number_of_partitions_is_refused(
    parts: AllParts, listing: AllListing
) -> None:
    accept_over_minutes(parts, 20)
    cursor = listing.read(EVERYTHING, 2).cursor
    assert cursor
    other = AllListing(Partitions(parts.database, 2))
    for read in (
        lambda: listing.read(Wanted(status=Status.PENDING), 2, cursor),
        lambda: other.read(EVERYTHING, 2, cursor),
        lambda: listing.read(EVERYTHING, 2, f"{cursor}a"),
        lambda: listing.read(EVERYTHING, 2, ""),
    ):
        with pytest.raises(Invalid):
            read()


def test_no_list_is_shown_that_leaves_a_partition_out(parts: AllParts, listing: AllListing) -> None:
    for name in IN_EACH:
        parts.store.accept(submission(name))
    index = parts.partitions.all[1].keys.accepted_hours
    parts.client.delete(index)
    parts.client.set(index, "no index")
    with pytest.raises(StoreUnavailable):
        listing.read(EVERYTHING, 10)
