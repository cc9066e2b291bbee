"""Everything about one transaction, for people to look at. The delivery path does not use it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from redis.client import Pipeline

from txn.errors import NotFound, RecordUnreadable
from txn.model.content import loads
from txn.model.trace import trace_id
from txn.store.database import OTHER_TYPE, Database
from txn.store.record import whole

#: Lines that a record's history keeps: the latest (settle.lua).
HISTORY_LINES = 20


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the history: an attempt, or (with `by`) what an operator did. What a line does not say is None.

    `run`: the bulk run that did it.
    """

    at_ms: int
    attempt: int | None = None
    mode: str | None = None
    outcome: str | None = None
    detail: str | None = None
    http: int | None = None
    ms: int | None = None
    worker: str | None = None
    what: str | None = None
    by: str | None = None
    why: str | None = None
    run: str | None = None


_SAID = tuple(field.name for field in fields(Event) if field.name != "at_ms")


@dataclass(frozen=True, slots=True)
class Details:
    """One transaction. `record`: its fields as they are; `payload`: its content as JSON; `due_ms`: its next look."""

    id: str
    record: Mapping[str, str]
    payload: bytes
    due_ms: int | None
    now_ms: int

    @property
    def history(self) -> list[Event]:
        """The latest lines, oldest first. A line that cannot be read is shown as it is."""
        return read_history(self.record.get("history", ""))

    @property
    def discarded(self) -> Event | None:
        """Who took the dead letter off the list, and why."""
        return _event(f"0 {self.record['discarded']}") if "discarded" in self.record else None

    def ms(self, field: str) -> int | None:
        """A time of the record; None: it says none that can be read."""
        return whole(self.record.get(field))

    @property
    def status(self) -> str:
        """As it is written, maybe by a newer version."""
        return self.record.get("status", "without a status")

    @property
    def trace_id(self) -> str:
        """Of the trace that its submit was part of; empty: of none."""
        return trace_id(self.record.get("trace", ""))

    @property
    def in_doubt(self) -> bool:
        """Whether an earlier POST may still turn up, as far as anybody has said."""
        return self.record.get("uncertain") == "1"

    @property
    def took_ms(self) -> int | None:
        """From the submit to the end, if both are known."""
        submitted, ended = self.ms("submitted"), self.ms("completed")
        return None if submitted is None or ended is None else ended - submitted


class DetailReader:
    """Reads one transaction with one round trip."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, transaction_id: str) -> Details:
        """Raises: NotFound, StoreUnavailable."""
        keys = self._database.keys

        def queue(pipeline: Pipeline) -> None:
            pipeline.hgetall(keys.record(transaction_id))
            pipeline.get(keys.payload(transaction_id))
            pipeline.zscore(keys.due, transaction_id)
            pipeline.time()

        record, payload, due, time = self._database.pipeline(queue, other_types=True)
        if record is OTHER_TYPE:
            raise RecordUnreadable(f"where the record of {transaction_id} should be, Redis has a key of another type")
        payload = b"" if payload is OTHER_TYPE else payload
        if not record:
            raise NotFound("there is no transaction with this id")
        texts = {name.decode(): value.decode(errors="replace") for name, value in record.items()}
        due_ms = None if due is None else int(due)
        return Details(transaction_id, texts, payload or b"", due_ms, self._database.as_ms(time))

    def exists(self, transaction_id: str) -> bool:
        """Whether there is a transaction with this id. Raises: StoreUnavailable."""
        name = self._database.keys.record(transaction_id)
        return bool(self._database.call(lambda client: client.exists(name)))


def read_history(text: str) -> list[Event]:
    """The lines of a record's history, oldest first. A line that cannot be read is shown as it is."""
    return [_event(line) for line in text.splitlines()]


def _event(line: str) -> Event:
    at, _, rest = line.partition(" ")
    try:
        found = loads(rest.encode())
    except ValueError:
        found = None
    said = {name: found[name] for name in _SAID if name in found} if isinstance(found, dict) else {"outcome": rest}
    return Event(int(at) if at.isdecimal() else 0, **said)
