"""The feed: what has become completed, failed or, by a replay, pending again, in the order in which it was written."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from txn.errors import CursorExpired, Invalid
from txn.model.transaction import Status, rfc3339
from txn.store.database import Database
from txn.store.record import whole

#: A place in the feed, as Redis names it.
_PLACE = re.compile(r"[0-9]{1,15}-[0-9]{1,15}", re.ASCII)
#: Before every place there is.
_NOWHERE = "0-0"
_KNOWN = frozenset(Status)
#: Changes that are read at once for those who wait.
AT_ONCE = 1_000
#: Looks at the feed for one answer that is about one client.
LOOKS = 20


@dataclass(frozen=True, slots=True)
class Change:
    """A transaction of `client` has come into a state. `code`: why it failed."""

    transaction_id: str
    status: Status
    at_ms: int
    code: str | None = None
    client: str = ""

    def to_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "transactionId": self.transaction_id,
            "status": self.status.value,
            "changedAt": rfc3339(self.at_ms),
            "errorCode": self.code,
        }


@dataclass(frozen=True, slots=True)
class Page:
    """Changes, the oldest first, and the cursor behind them. `is_end`: there were no more; else there may be."""

    changes: list[Change]
    cursor: str
    is_end: bool


class Changes:
    """Reads the feed. Every method raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, cursor: str | None, limit: int, client: str | None = None) -> Page:
        """What came behind the cursor, up to `limit`; without one from the oldest change that is kept. If a client is
        given, only what is about its transactions.

        Raises: Invalid, if it is no cursor; CursorExpired, if something behind it is not kept any more.
        """
        after, found = "" if cursor is None else _place(cursor), list[Change]()
        for _ in range(LOOKS):
            after, entries = self.after(after, limit if client is None else AT_ONCE)
            for place, change in entries:
                after = place
                if change is not None and client in (None, change.client):
                    found.append(change)
                if len(found) == limit:
                    return Page(found, _cursor(place), is_end=False)
            if len(entries) < (limit if client is None else AT_ONCE):
                return Page(found, _cursor(after), is_end=True)
            if client is None:
                break
        return Page(found, _cursor(after), is_end=False)

    def after(self, after: str, limit: int) -> tuple[str, list[tuple[str, Change | None]]]:
        """The place behind the entries, and the entries. Raises: CursorExpired."""
        reply = self._database.run("changes", [self._database.keys.changes], [after, limit])
        if reply[0] == b"gone":
            raise expired()
        return reply[1].decode(), [(place.decode(), change_in(fields[1])) for place, fields in reply[2]]

    def latest(self) -> str:
        """The place behind the latest change, for `changed`."""
        name = self._database.keys.changes
        found: Any = self._database.call(lambda client: client.xrevrange(name, count=1))
        return found[0][0].decode() if found else _NOWHERE

    def changed(self, place: str, wait_ms: int) -> tuple[str, list[Change]]:
        """Wait for changes behind a place: the place behind them, and what they are; none after `wait_ms`."""
        name = self._database.keys.changes
        reply: Any = self._database.call(lambda client: client.xread({name: place}, count=AT_ONCE, block=wait_ms))
        if not reply:
            return place, []
        entries = reply[0][1]
        return entries[-1][0].decode(), [
            change for _, fields in entries if (change := change_in(fields.get(b"change", b"")))
        ]


def expired() -> CursorExpired:
    """What is said where something behind a cursor is not kept any more."""
    return CursorExpired(
        "changes behind this cursor are not kept any more: look at your unfinished transactions one by one, "
        "and begin again without a cursor"
    )


def change_in(text: bytes) -> Change | None:
    """See `announce` in prelude.lua. None for the entry that a feed begins with, and for what is not known here."""
    name, status, at, code, client = (*text.decode(errors="replace").split(" "), "", "", "", "")[:5]
    at_ms = whole(at)
    if at_ms is None or status not in _KNOWN:
        return None
    return Change(name, Status(status), at_ms, code or None, client)


def _cursor(place: str) -> str:
    return urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _place(cursor: str) -> str:
    try:
        place = urlsafe_b64decode(cursor.encode("ascii") + b"==").decode("ascii")
    except ValueError:
        place = ""
    if not _PLACE.fullmatch(place) or _cursor(place) != cursor:
        raise Invalid("after", "must be a cursor that this feed has given, as it was given")
    return place
