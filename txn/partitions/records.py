"""One transaction or all of them, for people and for the audit: each in the partition of its id."""

from collections.abc import Callable, Iterator, Sequence

from txn.partitions.parts import Parts
from txn.partitions.place import Partitions
from txn.queue.message import message_template
from txn.readers.details import DetailReader, Details
from txn.readers.queued_messages import PAGE, MessageReader
from txn.readers.records import Record, RecordReader, keys_of
from txn.store.integrity import Flaw, Integrity


class AllDetails(DetailReader):
    """As `DetailReader`."""

    def __init__(self, partitions: Partitions) -> None:
        super().__init__(partitions.first)
        self._partitions = partitions

    def read(self, transaction_id: str) -> Details:
        """See `DetailReader.read`."""
        return DetailReader(self._partitions.of(transaction_id)).read(transaction_id)

    def exists(self, transaction_id: str) -> bool:
        """See `DetailReader.exists`."""
        return DetailReader(self._partitions.of(transaction_id)).exists(transaction_id)


class AllMessages(MessageReader):
    """As `MessageReader`: one partition's behind the other's."""

    def __init__(self, partitions: Partitions) -> None:
        super().__init__(partitions.first)
        self._partitions = partitions
        self._all = [MessageReader(database) for database in partitions.all]

    def sizes(self) -> tuple[int, int]:
        """See `MessageReader.sizes`."""
        waiting, dead = zip(*(reader.sizes() for reader in self._all), strict=True)
        return sum(waiting), sum(dead)

    def waiting(self, offset: int) -> list[bytes]:
        """See `MessageReader.waiting`."""
        return self._page(offset, lambda reader: reader.sizes()[0], lambda reader, at: reader.waiting(at))

    def dead(self, offset: int) -> list[bytes]:
        """See `MessageReader.dead`; the latest first only within a partition."""
        return self._page(offset, lambda reader: reader.sizes()[1], lambda reader, at: reader.dead(at))

    def one(self, message_id: str, *, dead: bool) -> bytes | None:
        """See `MessageReader.one`."""
        return MessageReader(self._partitions.of(id_of(message_id))).one(message_id, dead=dead)

    def _page(
        self, offset: int, size: Callable[[MessageReader], int], read: Callable[[MessageReader, int], list[bytes]]
    ) -> list[bytes]:
        found: list[bytes] = []
        for reader in self._all:
            there = size(reader)
            if offset < there:
                found += read(reader, offset)[: PAGE - len(found)]
            offset = max(0, offset - there)
            if len(found) >= PAGE:
                break
        return found


def id_of(message_id: str) -> str:
    """The transaction that a message is about: its id, and what makes it another message of the same."""
    return message_id.partition("~")[0]


class AllRecords(RecordReader):
    """As `RecordReader`. Every method raises StoreUnavailable, if one partition is away."""

    def __init__(self, partitions: Partitions) -> None:
        super().__init__(partitions.first)
        self._partitions = partitions
        self._all = [RecordReader(database) for database in partitions.all]

    def accepted(self) -> int:
        """See `RecordReader.accepted`."""
        return sum(records.accepted() for records in self._all)

    def scan(self) -> Iterator[list[Record]]:
        """See `RecordReader.scan`: one partition after the other; of one server, all in one scan of its keys."""
        if self._partitions.apart:
            for records in self._all:
                yield from records.scan()
            return
        stems = {database.keys.record(""): number for number, database in enumerate(self._partitions.all)}
        for names in keys_of(self._partitions.first, self._partitions.keys_like("t:*")):
            found: dict[int, list[str]] = {}
            for name in names:
                stem, _, transaction_id = name.partition("}:t:")
                if (number := stems.get(f"{stem}}}:t:")) is not None:
                    found.setdefault(number, []).append(transaction_id)
            for number, ids in found.items():
                yield self._all[number].read(ids)

    def read(self, ids: Sequence[str]) -> list[Record]:
        """See `RecordReader.read`."""
        grouped = self._partitions.grouped(ids).items()
        found = {record.id: record for number, mine in grouped for record in self._all[number].read(mine)}
        return [found[name] for name in dict.fromkeys(ids) if name in found]

    def payloads(self, ids: Sequence[str]) -> list[bytes | None]:
        """See `RecordReader.payloads`."""
        found: dict[str, bytes | None] = {}
        for number, mine in self._partitions.grouped(ids).items():
            found |= dict(zip(mine, self._all[number].payloads(mine), strict=True))
        return [found[name] for name in ids]


def records_of(parts: Parts) -> RecordReader:
    """See `RecordReader`."""
    return AllRecords(parts.partitions) if parts.partitions else RecordReader(parts.first)


def look_at_all(parts: Parts) -> list[Flaw]:
    """See `Integrity.look_at_all`."""
    template = message_template()
    return [flaw for database in parts.all for flaw in Integrity(database, template).look_at_all()]
