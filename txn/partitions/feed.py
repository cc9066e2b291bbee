"""`AllChanges`: one feed of all partitions. Its cursor holds a place in each of them."""

import heapq
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from txn.errors import Invalid
from txn.partitions.place import Partitions
from txn.store.changes import AT_ONCE, LOOKS, Change, Changes, Page, change_in, expired

#: A place of a cursor, of which the digits are those of base 36: behind an entry, or `~` before it.
_IN_CURSOR = re.compile(r"(~?)([0-9a-z]{1,10})-([0-9a-z]{1,10})", re.ASCII)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


#: Entries of one call, at least.
_FEWEST = 50


class _At(NamedTuple):
    """An entry by its time and its number. `before`: not behind it but before it, and it is there."""

    ms: int
    number: int
    before: bool = False

    @property
    def place(self) -> str:
        return f"{self.ms}-{self.number}"

    @property
    def in_cursor(self) -> str:
        return f"{'~' if self.before else ''}{_base36(self.ms)}-{_base36(self.number)}"


class _Entry(NamedTuple):
    at: _At
    partition: int
    change: Change | None


class AllChanges(Changes):
    """As `Changes`. All that is about one transaction is in one partition, and in its order; what is about different
    ones is in the order of its time only within a page.
    """

    def __init__(self, partitions: Partitions) -> None:
        super().__init__(partitions.first)
        self._partitions = partitions
        self._all = [Changes(database) for database in partitions.all]

    def read(self, cursor: str | None, limit: int, client: str | None = None) -> Page:
        """See `Changes.read`. Raises: StoreUnavailable also while one partition is away: nothing is passed over."""
        count = len(self._all)
        places: list[_At | None] = list(_places(cursor, count)) if cursor is not None else [None] * count
        found: list[Change] = []
        for _ in range(LOOKS):
            at_once = max(_FEWEST, (2 * limit if client is None else AT_ONCE) // count)
            entries = [self._behind(number, place, at_once) for number, place in enumerate(places)]
            places = [
                place if place is not None else rows[0].at._replace(before=True)
                for place, rows in zip(places, entries, strict=True)
            ]
            # Of these there may be more, which come before what the others have behind their last.
            last = {id(rows[-1]) for rows in entries if len(rows) >= at_once}
            for entry in heapq.merge(*entries):
                places[entry.partition] = entry.at
                if entry.change is not None and client in (None, entry.change.client):
                    found.append(entry.change)
                if len(found) == limit:
                    return Page(found, _cursor(places), is_end=False)
                if id(entry) in last:
                    break
            else:
                return Page(found, _cursor(places), is_end=True)
            if client is None:
                break
        return Page(found, _cursor(places), is_end=False)

    def _behind(self, number: int, place: _At | None, limit: int) -> list[_Entry]:
        """Raises: CursorExpired, StoreUnavailable."""
        begins = place is None or place.before
        _, entries = self._all[number].after("" if place is None or place.before else place.place, limit)
        rows = [_Entry(_at(name), number, change) for name, change in entries]
        if place is not None and begins and rows[0].at[:2] != place[:2]:
            raise expired()
        return rows

    def latest(self) -> str:
        """See `Changes.latest`: one in each partition."""
        return " ".join(changes.latest() for changes in self._all)

    def changed(self, place: str, wait_ms: int) -> tuple[str, list[Change]]:
        """See `Changes.changed`. All partitions must be on one server."""
        names = [database.keys.changes for database in self._partitions.all]
        places = dict(zip(names, place.split(" "), strict=True))
        reply: Any = self._partitions.first.call(
            lambda client: client.xread(places, count=AT_ONCE, block=wait_ms)  # type: ignore[arg-type]
        )
        found: list[Change] = []
        for name, entries in reply or ():
            places[name.decode()] = entries[-1][0].decode()
            found += [one for _, fields in entries if (one := change_in(fields.get(b"change", b"")))]
        return " ".join(places.values()), found


def _at(place: str) -> _At:
    ms, _, number = place.partition("-")
    return _At(int(ms), int(number))


def _cursor(places: Sequence[_At | None]) -> str:
    return ".".join(place.in_cursor for place in places if place is not None)


def _places(cursor: str, count: int) -> list[_At]:
    """Raises: Invalid."""
    found = [_IN_CURSOR.fullmatch(text) for text in cursor.split(".")]
    places = [_At(int(one[2], 36), int(one[3], 36), bool(one[1])) for one in found if one]
    if len(places) != count or _cursor(places) != cursor:
        raise Invalid("after", "must be a cursor that this feed has given, as it was given")
    return places


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if not number:
            return digits
