"""Reads what an audit needs of every record, in chunks, and writes nothing. All fields: txn/store/record.py."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import redis

from txn.errors import StoreUnavailable
from txn.store.database import OTHER_TYPE, Database

#: Records per round trip.
CHUNK = 1000

_FIELDS = ("status", "fingerprint", "code", "evidence", "discarded")


@dataclass(frozen=True, slots=True)
class Record:
    """What a record says about the posting service.

    `status`: as it is written, maybe by a newer version. `digest`: 16 bytes, the content's fingerprint. `code`: why it
    failed, or empty. `evidence`: how we know that it was posted, or empty. `discarded`: no dead letter any more.
    """

    id: str
    status: str
    digest: bytes
    code: str
    evidence: str
    discarded: bool


class RecordReader:
    """Reads records by id or all of them. Every method raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accepted(self) -> int:
        """About how many records there are; a scan may find more or fewer."""
        return int(self._database.call(lambda client: client.hget(self._database.keys.count, "accepted")) or 0)

    def scan(self) -> Iterator[list[Record]]:
        """Every record that is there from the beginning to the end of the scan, some of them more than once.

        A record that is accepted meanwhile may be among them or not.
        """
        stem = self._database.keys.record("")
        for names in keys_of(self._database, f"{stem}*"):
            yield self.read([name[len(stem) :] for name in names])

    def read(self, ids: Sequence[str]) -> list[Record]:
        """The records of these ids, as they are now; an id without a record is left out."""
        keys = [self._database.keys.record(name) for name in ids]
        replies = self._database.pipeline(
            lambda pipeline: [pipeline.hmget(key, list(_FIELDS)) for key in keys], other_types=True
        )
        found = zip(ids, replies, strict=True)
        return [_record(name, reply) for name, reply in found if reply is OTHER_TYPE or any(reply)]

    def payloads(self, ids: Sequence[str]) -> list[bytes | None]:
        """The content of each id as JSON; None where there is no such transaction."""
        keys = [self._database.keys.payload(name) for name in ids]
        return self._database.pipeline(lambda pipeline: [pipeline.get(key) for key in keys])


def keys_of(database: Database, pattern: str) -> Iterator[list[str]]:
    """The keys that match, in chunks; one may come more than once. Raises: StoreUnavailable."""
    cursor = 0
    while True:
        cursor, found = database.call(partial(redis.Redis.scan, cursor=cursor, match=pattern, count=CHUNK))
        if found:
            yield [name.decode(errors="replace") for name in found]
        if cursor == 0:
            return


class ChosenRecords(RecordReader):
    """Only those of `ids`; for all others it says that there is no record."""

    def __init__(self, records: RecordReader, ids: Iterable[str]) -> None:
        self._all, self._ids = records, dict.fromkeys(ids)

    def accepted(self) -> int:
        """How many were chosen."""
        return len(self._ids)

    def scan(self) -> Iterator[list[Record]]:
        """Those of them that are there."""
        ids = list(self._ids)
        for start in range(0, len(ids), CHUNK):
            yield self.read(ids[start : start + CHUNK])

    def read(self, ids: Sequence[str]) -> list[Record]:
        """As above."""
        return self._all.read([name for name in ids if name in self._ids])

    def payloads(self, ids: Sequence[str]) -> list[bytes | None]:
        """As above."""
        return self._all.payloads(ids)


def _record(transaction_id: str, reply: Sequence[bytes | None]) -> Record:
    if reply is OTHER_TYPE:
        return Record(transaction_id, "no record", bytes(16), "", "", discarded=False)
    status, fingerprint, code, evidence, discarded = (
        None if field is None else field.decode(errors="replace") for field in reply
    )
    try:
        digest = bytes.fromhex(fingerprint or "")
    except ValueError:
        digest = b""
    if not status or not digest:
        raise StoreUnavailable(f"the record of {transaction_id} is damaged")
    return Record(transaction_id, status, digest, code or "", evidence or "", discarded is not None)
