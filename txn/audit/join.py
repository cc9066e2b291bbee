"""Both sides in a temporary SQLite file: a million transactions need disk, not memory."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from txn.audit.ids import is_like_ours
from txn.audit.verdict import Verdict, judge
from txn.errors import Unavailable
from txn.readers.records import CHUNK, Record

#: What SQLite may keep in memory, in KiB.
CACHE_KIB = 32 * 1024

_COLUMNS = "id, status, code, evidence, discarded, digest"
_TABLES = """
CREATE TABLE loaded (id TEXT, status TEXT, code TEXT, evidence TEXT, discarded INTEGER, digest BLOB);
CREATE TABLE record (id TEXT PRIMARY KEY, status TEXT, code TEXT, evidence TEXT, discarded INTEGER, digest BLOB,
                     early INTEGER DEFAULT 0, rows INTEGER, differing INTEGER DEFAULT 0, asked INTEGER DEFAULT 0,
                     verdict TEXT) WITHOUT ROWID;
CREATE TABLE listed (id TEXT, digest BLOB);
CREATE TABLE spelt (lower TEXT PRIMARY KEY, id TEXT) WITHOUT ROWID;
"""
_ROWS = "(SELECT count(*) FROM listed WHERE listed.id = record.id)"
_DIFFERING = "(SELECT count(*) FROM listed WHERE listed.id = record.id AND listed.digest <> record.digest)"
#: A list that is read again may hold more: never less counts, and what a GET has said stands where it is silent.
_MATCH = f"""
UPDATE record SET rows = {_ROWS}, differing = {_DIFFERING}, asked = 0
WHERE (rows IS NULL AND asked = 0) OR {_ROWS} > CASE WHEN asked THEN 0 ELSE coalesce(rows, 0) END
"""  # noqa: S608 - our own names
_UUID = "'" + "-".join("[0-9A-Fa-f]" * digits for digits in (8, 4, 4, 4, 12)) + "'"
_SPELT = f"""
DELETE FROM spelt;
INSERT OR IGNORE INTO spelt SELECT lower(id), id FROM record WHERE id <> lower(id) AND id GLOB {_UUID};
UPDATE listed SET id = coalesce(
    (SELECT record.id FROM record WHERE record.id = lower(listed.id)),
    (SELECT spelt.id FROM spelt WHERE spelt.lower = lower(listed.id)),
    id
) WHERE (id <> lower(id) OR EXISTS (SELECT 1 FROM spelt)) AND id GLOB {_UUID}
    AND NOT EXISTS (SELECT 1 FROM record WHERE record.id = listed.id);
"""  # noqa: S608
_UNKNOWN = "FROM listed WHERE NOT EXISTS (SELECT 1 FROM record WHERE record.id = listed.id)"

#: Conditions for `Join.chunks`.
FAILED_BUT_THERE = "status = 'failed' AND rows > 0"
UNSETTLED = f"status NOT IN ('completed', 'failed') OR ({FAILED_BUT_THERE})"
COMPLETED_NOT_LISTED = "status = 'completed' AND rows = 0"
SETTLED_NOT_ASKED = "status IN ('completed', 'failed') AND rows IS NULL AND asked = 0"
FAILED_NOT_LISTED = "status = 'failed' AND rows = 0 AND asked = 0"
LISTED_DIFFERENT = "differing > 0 AND asked = 0 AND status IN ('pending', 'processing', 'completed', 'failed')"
ONLY_BY_GET = "asked = 1 AND rows > 0"
#: Completed before the list was read, and not in it, although a GET finds them.
LEFT_OUT = f"early = 1 AND {ONLY_BY_GET}"


@dataclass(frozen=True, slots=True)
class Case:
    """One transaction, or one unknown id (then `status` is empty).

    `rows`: how many the posting service holds, None if it does not say; `differing`: those with other content.
    """

    id: str
    status: str
    code: str
    rows: int | None
    differing: int


class Join:
    """Load both sides, `index`, correct what has changed meanwhile, `match`, and `judge`.

    Its methods raise sqlite3.Error, which `room` makes a sentence of.
    """

    def __init__(self) -> None:
        # Without a name it is a file that has none: it is gone with the process, however that ends.
        self._database = sqlite3.connect("", isolation_level=None)

    def __enter__(self) -> Self:
        try:
            self._prepare()
        except BaseException:  # a disk that is full: nobody will leave what was not entered
            self._database.close()
            raise
        return self

    def _prepare(self) -> None:
        for setting in ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE", f"cache_size = -{CACHE_KIB}"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.executescript(_TABLES)
        self._database.create_function("judge", 5, _judge, deterministic=True)
        self._database.create_function("is_like_ours", 1, is_like_ours, deterministic=True)

    def __exit__(self, *exc_info: object) -> None:
        self._database.close()

    def load_records(self, records: Iterable[Record]) -> None:
        """Before `index`; of an id that comes again, the last counts."""
        self._database.executemany("INSERT INTO loaded VALUES (?, ?, ?, ?, ?, ?)", map(_values, records))

    def load_rows(self, rows: Sequence[tuple[str, bytes]]) -> None:
        """Rows of the list, as (id, digest of the content); before `index`."""
        self._database.executemany("INSERT INTO listed VALUES (?, ?)", rows)

    def index(self) -> None:
        """Sort what was loaded: much faster than to keep it sorted while it comes in no order."""
        self._database.execute(
            f"INSERT INTO record ({_COLUMNS}, early) SELECT {_COLUMNS}, status = 'completed' FROM "  # noqa: S608
            f"(SELECT {_COLUMNS}, max(rowid) FROM loaded GROUP BY id)"
        )
        self._database.execute("DROP TABLE loaded")
        self.index_list()

    def index_list(self) -> None:
        """Sort the list alone: after it was read again."""
        self.spell()  # or a list all in capitals would be taken for a list of unknown ids, and read again one by one
        self._database.execute("CREATE INDEX listed_by_id ON listed (id, digest)")

    def forget_list(self) -> None:
        """Before the list is read again, or if it was none in the end."""
        self._database.execute("DROP INDEX IF EXISTS listed_by_id")
        self._database.execute("DELETE FROM listed")

    def spell(self) -> None:
        """UUIDs in the list as our records have them: only their case may differ, and of nothing else."""
        self._database.executescript(_SPELT)

    def update(self, ids: Sequence[str], now: Sequence[Record]) -> None:
        """What was read again: `now` replaces or adds; of `ids`, those that are not in it are gone."""
        self._database.executemany(
            f"INSERT INTO record ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "  # noqa: S608
            "status = excluded.status, code = excluded.code, evidence = excluded.evidence, "
            "discarded = excluded.discarded, digest = excluded.digest",
            map(_values, now),
        )
        gone = set(ids) - {record.id for record in now}
        self._database.executemany("DELETE FROM record WHERE id = ?", [(name,) for name in gone])

    def match(self) -> None:
        """Count every record's rows in the list; of a list that was read again, those that are more than before."""
        self._database.execute(_MATCH)

    def rematch(self, digests: Iterable[tuple[bytes, str]]) -> None:
        """Compare again with other digests, given as (digest, id)."""
        digests = list(digests)
        self._database.executemany("UPDATE record SET digest = ? WHERE id = ?", digests)
        ids = [(name,) for _, name in digests]
        self._database.executemany(f"UPDATE record SET differing = {_DIFFERING} WHERE id = ?", ids)  # noqa: S608

    def answer(self, answers: Iterable[tuple[int | None, int, str]]) -> None:
        """What GETs said: (rows or None if there was no answer, differing, id)."""
        self._database.executemany("UPDATE record SET asked = 1, rows = ?, differing = ? WHERE id = ?", answers)

    def count(self, condition: str) -> int:
        """How many records fulfil a condition."""
        return self._one(f"SELECT count(*) FROM record WHERE {condition}")  # noqa: S608

    def chunks(self, condition: str) -> Iterator[list[str]]:
        """The ids of records that fulfil a condition; they may be updated on the way."""
        return self._paged(f"SELECT id FROM record WHERE id > ? AND ({condition}) ORDER BY id LIMIT {CHUNK}")  # noqa: S608

    def unknown_chunks(self) -> Iterator[list[str]]:
        """The ids in the list that no record has."""
        return self._paged(f"SELECT DISTINCT id {_UNKNOWN} AND id > ? ORDER BY id LIMIT {CHUNK}")

    def judge(self) -> dict[Verdict, int]:
        """Give every record its verdict: how many have each."""
        self._database.execute("UPDATE record SET verdict = judge(status, code, discarded, rows, differing)")
        counts = dict.fromkeys(Verdict, 0)
        for verdict, number in self._database.execute("SELECT verdict, count(*) FROM record GROUP BY verdict"):
            counts[Verdict(verdict)] = number
        return counts

    def findings(self, verdict: Verdict, limit: int) -> list[Case]:
        """The first records with a verdict, by id."""
        found = self._database.execute(
            "SELECT id, status, code, rows, differing FROM record WHERE verdict = ? ORDER BY id LIMIT ?",
            (verdict.value, limit),
        )
        return [Case(*values) for values in found]

    def unknown(self, limit: int) -> list[Case]:
        """The first ids in the list that we do not know."""
        found = self._database.execute(f"SELECT id, count(*) {_UNKNOWN} GROUP BY id ORDER BY id LIMIT ?", (limit,))
        return [Case(name, "", "", rows, 0) for name, rows in found]

    def unknown_counts(self) -> tuple[int, int]:
        """(ids, rows) in the list that we do not know."""
        found: tuple[int, int] = self._database.execute(f"SELECT count(DISTINCT id), count(*) {_UNKNOWN}").fetchone()
        return found

    def like_ours(self, limit: int) -> list[Case]:
        """Of these, the first whose ids are like those that we make."""
        where = f"{_UNKNOWN} AND is_like_ours(id)"
        found = self._database.execute(f"SELECT id, count(*) {where} GROUP BY id ORDER BY id LIMIT ?", (limit,))
        return [Case(name, "", "", rows, 0) for name, rows in found]

    def like_ours_count(self) -> int:
        """How many ids in the list we do not know although they are like those that we make."""
        return self._one(f"SELECT count(DISTINCT id) {_UNKNOWN} AND is_like_ours(id)")

    def rows_listed(self) -> int:
        """How long the list was."""
        return self._one("SELECT count(*) FROM listed")

    def evidence(self) -> dict[str, int]:
        """How many completed transactions have which evidence."""
        return dict(
            self._database.execute(
                "SELECT evidence, count(*) FROM record WHERE status = 'completed' GROUP BY evidence ORDER BY evidence"
            )
        )

    def ids(self) -> Iterator[str]:
        """Every accepted id, sorted by its characters' codes."""
        for (name,) in self._database.execute("SELECT id FROM record ORDER BY id"):
            yield name

    def _paged(self, statement: str) -> Iterator[list[str]]:
        last = ""
        while ids := [name for (name,) in self._database.execute(statement, (last,))]:
            yield ids
            last = ids[-1]

    def _one(self, statement: str) -> int:
        return int(self._database.execute(statement).fetchone()[0])


def room(error: sqlite3.Error) -> Unavailable:
    """What a failure of the temporary file means, in one sentence."""
    return Unavailable(f"the temporary file failed ({error}): point TMPDIR at a directory with more room")


def _values(record: Record) -> tuple[Any, ...]:
    return (record.id, record.status, record.code, record.evidence, int(record.discarded), record.digest)


def _judge(status: str, code: str, discarded: int, rows: int | None, differing: int) -> str:
    return judge(status, code, discarded=bool(discarded), rows=rows, differing=differing).value
