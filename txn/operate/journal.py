"""Who did what to which transactions. Written by the scripts that do it, in the same call; read here."""

from dataclasses import dataclass

from txn.model.content import loads
from txn.model.dead_letter import Filter
from txn.model.transaction import rfc3339
from txn.store.database import Database


@dataclass(frozen=True, slots=True)
class Entry:
    """One deed. `at`: its place in the journal, which begins with the time. `count`: how many it was done to.

    Of a bulk run, `run` is its id, `filter` says which, and `confirmed` how many somebody agreed to.
    """

    at: str
    by: str
    what: str
    why: str
    count: int
    ids: list[str]
    run: str
    filter: Filter | None
    confirmed: int | None

    @property
    def at_ms(self) -> int:
        """When, on Redis's clock."""
        return int(self.at.partition("-")[0])

    def to_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "at": rfc3339(self.at_ms),
            "by": self.by,
            "what": self.what,
            "count": self.count,
            "why": self.why,
            "ids": self.ids,
            "run": self.run or None,
            "filter": None if self.filter is None else self.filter.to_json(),
            "confirmed": self.confirmed,
        }


class Journal:
    """A stream of a few thousand entries; the oldest go."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, before: str = "", limit: int = 50) -> list[Entry]:
        """The newest entries, or those before the one at `before`.

        Raises: StoreUnavailable.
        """
        name, start = self._database.keys.journal, f"({before}" if before else "+"
        found = self._database.call(lambda client: client.xrevrange(name, start, "-", limit))
        return [_entry(at, fields) for at, fields in found]


def _entry(at: bytes, fields: dict[bytes, bytes]) -> Entry:
    said = {name.decode(): value.decode(errors="replace") for name, value in fields.items()}
    return Entry(
        at=at.decode(),
        by=said.get("by", ""),
        what=said.get("what", ""),
        why=said.get("why", ""),
        count=int(said.get("count", 0)),
        ids=said.get("ids", "").split(),
        run=said.get("run", ""),
        filter=_filter(fields.get(b"filter")),
        confirmed=int(said["confirmed"]) if said.get("confirmed") else None,
    )


def _filter(found: bytes | None) -> Filter | None:
    """One that a newer version wrote, with what this one does not know, is not shown."""
    try:
        return Filter.from_json(loads(found)) if found else None
    except (ValueError, TypeError):
        return None
