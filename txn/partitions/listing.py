"""`AllListing`: what was accepted in all partitions, the newest minute first. Its cursor holds a place in each."""

import heapq
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from txn.errors import Invalid
from txn.model.transaction import Transaction
from txn.partitions.place import Partitions
from txn.store.listing import (
    AT_ONCE,
    CALLS,
    CHECK_BYTES,
    IDS,
    Listing,
    Page,
    Place,
    Wanted,
    add,
    beginning,
    check_of,
    place_of,
)

#: Ids of a call, at least.
_FEWEST = 10


class _Step(NamedTuple):
    """The next of a partition: `at`, the place behind it; None, if that was its last. `one`: see `Listing.matching`."""

    partition: int
    at: Place | None
    one: Transaction | str | None


class AllListing(Listing):
    """As `Listing`. Raises StoreUnavailable while one partition is away: no list is shown that leaves some out."""

    def __init__(self, partitions: Partitions) -> None:
        super().__init__(partitions.first)
        self._all = [Listing(database) for database in partitions.all]

    def read(self, wanted: Wanted, limit: int, cursor: str | None = None, client: str | None = None) -> Page:
        """See `Listing.read`."""
        count = len(self._all)
        places: list[Place | None] = [beginning(wanted)] * count
        if cursor is not None:
            places = _parsed(cursor, wanted, client, count)
        at_once = 2 * limit if wanted.is_all else AT_ONCE
        work = _Work(max(_FEWEST, at_once // count), CALLS + count)
        rows = [
            self._steps(number, place, wanted, client, work) for number, place in enumerate(places) if place is not None
        ]
        page = Page([], [], None)
        for looked, step in enumerate(heapq.merge(*rows, key=_newest_first), 1):
            places[step.partition] = step.at
            add(page, step.one)
            if len(page.transactions) == limit or looked >= IDS or work.calls_left < 1:
                break
        if all(place is None for place in places):
            return page
        return Page(page.transactions, page.unreadable, _written(places, wanted, client))

    def _steps(self, number: int, place: Place, wanted: Wanted, client: str | None, work: "_Work") -> Iterator[_Step]:
        listing, is_end = self._all[number], False
        while not is_end:
            work.calls_left -= 1
            is_end, behind, entries = listing.entries(place, wanted, work.at_once, client)
            for (at, _), one in zip(entries, listing.matching(entries, wanted), strict=True):
                yield _Step(number, at, one)
            place = behind
            yield _Step(number, None if is_end else place, None)


class _Work:
    """What one page may cost: ids of a call, and calls."""

    def __init__(self, at_once: int, calls: int) -> None:
        self.at_once, self.calls_left = at_once, calls


def _newest_first(step: _Step) -> int:
    """Where a partition ends there is nothing to wait for."""
    return -step.at.minute if step.at else 0


def _written(places: Sequence[Place | None], wanted: Wanted, client: str | None) -> str:
    text = "\n".join(map(_text, places)).encode()
    return urlsafe_b64encode(check_of(text, wanted, client) + text).decode().rstrip("=")


def _text(place: Place | None) -> str:
    if place is None:
        return ""
    return f"{place.minute}:{'' if place.before is None else place.before}:{place.client}"


def _parsed(cursor: str, wanted: Wanted, client: str | None, count: int) -> list[Place | None]:
    """Raises: Invalid."""
    try:
        found = urlsafe_b64decode(cursor.encode("ascii") + b"==")
        places = [place_of(text) if text else None for text in found[CHECK_BYTES:].decode("ascii").split("\n")]
    except ValueError:
        places = []
    if len(places) != count or _written(places, wanted, client) != cursor:
        raise Invalid("cursor", "must be a cursor that this list has given, as it was given, with the same parameters")
    return places
