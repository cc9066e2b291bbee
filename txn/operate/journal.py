"""Who did what to which transactions. Written by the scripts that do it, in the same call; read here."""

from dataclasses import dataclass

from txn.store.database import Database


@dataclass(frozen=True, slots=True)
class Entry:
    """One deed. `at`: its place in the journal, which begins with the time. `run`: the bulk run that it belongs to."""

    at: str
    by: str
    what: str
    why: str
    count: int
    ids: list[str]
    run: str

    @property
    def at_ms(self) -> int:
        """When, on Redis's clock."""
        return int(self.at.partition("-")[0])


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
    )
