"""What was accepted, the newest first. Within a minute: client by client, each client's the newest first."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from txn.errors import Invalid, RecordUnreadable
from txn.model.content import loads
from txn.model.transaction import Status, Transaction
from txn.store.database import OTHER_TYPE, Database
from txn.store.record import whole
from txn.store.replies import SEEN_BY_CLIENTS, transaction_of

_MINUTE_MS = 60_000
#: Later than any.
LAST_MINUTE = 10**12
#: No list is longer.
_MOST_IN_A_LIST = 2**32
#: Work for one page: ids that are looked at, lists that are looked into, calls. A page may be short because of it.
IDS, LISTS, CALLS = 2_000, 300, 20
#: Ids of a call, if not all that is found matches.
AT_ONCE = 200
CHECK_BYTES = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which transactions; what is not set matches. Accepted at `since_ms` or later, and before `until_ms`."""

    status: Status | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    currency: str = ""
    code: str = ""

    def fits(self, transaction: Transaction) -> bool:
        """Whether it matches, as far as the record says: the currency is not in it."""
        code = transaction.failure.code if transaction.failure else ""
        return (
            self.status in (None, transaction.status)
            and self.code in ("", code)
            and (self.since_ms is None or transaction.submitted_ms >= self.since_ms)
            and (self.until_ms is None or transaction.submitted_ms < self.until_ms)
        )

    @property
    def is_all(self) -> bool:
        """Whether every transaction matches."""
        return self == Wanted()


@dataclass(frozen=True, slots=True)
class Page:
    """Some that match. `unreadable`: ids whose records this version cannot read. `cursor`: None at the end."""

    transactions: list[Transaction]
    unreadable: list[str]
    cursor: str | None


class Place(NamedTuple):
    """What stands in this list `before` that index is still to be told. None: all that was accepted in the minute."""

    minute: int
    client: str
    before: int | None


class Listing:
    """Reads the lists that accept.lua and batch.lua write."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, wanted: Wanted, limit: int, cursor: str | None = None, client: str | None = None) -> Page:
        """Up to `limit` that match, behind the cursor. Only those of `client`, if one is given.

        There may be fewer, or none, though there is a cursor: the work for one page is bounded. Who follows the
        cursors to the end sees each transaction once that was accepted before; as it was when its page was read.
        Raises: Invalid, if this is no cursor of these questions; StoreUnavailable.
        """
        place = beginning(wanted) if cursor is None else _parsed(cursor, wanted, client)
        page, looked = Page([], [], None), 0
        for _ in range(CALLS):
            at_once = limit - len(page.transactions) if wanted.is_all else AT_ONCE
            is_end, behind, entries = self.entries(place, wanted, at_once, client)
            for place, one in zip((place for place, _ in entries), self.matching(entries, wanted), strict=True):
                add(page, one)
                if len(page.transactions) == limit:
                    return Page(page.transactions, page.unreadable, _written(place, wanted, client))
            if is_end:
                return page
            place, looked = behind, looked + len(entries)
            if looked >= IDS:
                break
        return Page(page.transactions, page.unreadable, _written(place, wanted, client))

    def entries(
        self, place: Place, wanted: Wanted, limit: int, client: str | None
    ) -> tuple[bool, Place, list[tuple[Place, str]]]:
        """Whether this is the end; the place behind the entries; each entry's place, and its id."""
        keys = self._database.keys
        said, minute, of, index, runs = self._database.run(
            "listing",
            [keys.accepted, keys.accepted_hours if client is None else keys.accepted_hours_of(client)],
            [
                *(place.minute, place.client, "" if place.before is None else place.before),
                *(max(0, wanted.since_ms or 0) // _MINUTE_MS, limit, LISTS),
            ],
        )
        entries = [
            (Place(int(minute), of.decode(), int(first) - number), name.decode(errors="replace"))
            for minute, of, first, ids in runs
            for number, name in enumerate(ids)
        ]
        return said == b"end", Place(int(minute), of.decode(), int(index)), entries

    def matching(self, entries: Sequence[tuple[Place, str]], wanted: Wanted) -> Iterator[Transaction | str | None]:
        """For each entry: the transaction, if it matches; its id, if it cannot be read; None."""
        keys, asked = self._database.keys, [*SEEN_BY_CLIENTS, "client"]
        records = self._database.pipeline(
            lambda pipeline: [pipeline.hmget(keys.record(name), asked) for _, name in entries], other_types=True
        )
        found = [_found(place, name, fields, wanted) for (place, name), fields in zip(entries, records, strict=True)]
        if not wanted.currency:
            yield from found
            return
        names = [one.id for one in found if isinstance(one, Transaction)]
        payloads = iter(
            self._database.pipeline(
                lambda pipeline: [pipeline.get(keys.payload(name)) for name in names], other_types=True
            )
        )
        for one in found:
            yield one if not isinstance(one, Transaction) or _currency(next(payloads)) == wanted.currency else None


def _found(place: Place, name: str, fields: Any, wanted: Wanted) -> Transaction | str | None:
    """An id that is listed and has no record, or one of another minute or client, was not accepted then."""
    if fields is OTHER_TYPE:
        return name
    *seen, client = fields
    submitted_ms = whole(seen[1])
    is_known = seen[0] is not None or submitted_ms is not None
    if not is_known or (client or b"").decode(errors="replace") != place.client:
        return None
    if submitted_ms is not None and submitted_ms // _MINUTE_MS != place.minute:
        return None
    try:
        transaction = transaction_of(name, seen)
    except RecordUnreadable:
        return name
    return transaction if wanted.fits(transaction) else None


def add(page: Page, one: Transaction | str | None) -> None:
    if isinstance(one, str):
        page.unreadable.append(one)
    elif one is not None:
        page.transactions.append(one)


def _currency(payload: Any) -> str:
    try:
        return str(loads(payload)["currency"])
    except (ValueError, TypeError, KeyError):
        return ""


def beginning(wanted: Wanted) -> Place:
    if wanted.until_ms is None:
        return Place(LAST_MINUTE, "", None)
    return Place((wanted.until_ms - 1) // _MINUTE_MS, "", None)


def _written(place: Place, wanted: Wanted, client: str | None) -> str:
    text = f"{place.minute}:{'' if place.before is None else place.before}:{place.client}".encode()
    return urlsafe_b64encode(check_of(text, wanted, client) + text).decode().rstrip("=")


def place_of(text: str) -> Place:
    """A place of a cursor. Raises: ValueError, if no list has given it."""
    minute, index, of = text.split(":")
    place = Place(int(minute), of, int(index) if index else None)
    if not 0 <= place.minute <= LAST_MINUTE or not 0 <= (place.before or 0) <= _MOST_IN_A_LIST:
        raise ValueError("out of range")
    return place


def check_of(text: bytes, wanted: Wanted, client: str | None) -> bytes:
    """Of a cursor, with the question that it belongs to: no secret, but what is garbled or another's does not fit."""
    asked = (wanted.status, wanted.since_ms, wanted.until_ms, wanted.currency, wanted.code, client)
    return hashlib.sha256(text + repr(asked).encode()).digest()[:CHECK_BYTES]


def _parsed(cursor: str, wanted: Wanted, client: str | None) -> Place:
    try:
        found = urlsafe_b64decode(cursor.encode("ascii") + b"==")
        check, text = found[:CHECK_BYTES], found[CHECK_BYTES:]
        place = place_of(text.decode("ascii"))
    except ValueError:
        check, place = b"", Place(0, "", 0)
    if not check or _written(place, wanted, client) != cursor:
        raise Invalid("cursor", "must be a cursor that this list has given, as it was given, with the same parameters")
    return place
