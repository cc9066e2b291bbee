"""Everything about one transaction, for people to look at. The delivery path does not use it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import redis

from txn.errors import NotFound, RecordUnreadable
from txn.model.content import loads
from txn.store.fields import is_of_another_type, whole
from txn.store.keys import Keys
from txn.store.scripts import unavailable

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

    def __init__(self, client: redis.Redis, keys: Keys, shift_ms: Callable[[], int] = lambda: 0) -> None:
        self._client, self._keys, self._shift_ms = client, keys, shift_ms

    def read(self, transaction_id: str) -> Details:
        """Raises: NotFound, StoreUnavailable."""
        keys = self._keys
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                pipeline.hgetall(keys.record(transaction_id))
                pipeline.get(keys.payload(transaction_id))
                pipeline.zscore(keys.due, transaction_id)
                pipeline.time()
                record, payload, due, (seconds, micros) = pipeline.execute(raise_on_error=False)
        except redis.RedisError as error:
            raise unavailable(error) from error
        if is_of_another_type(record):
            raise RecordUnreadable(f"where the record of {transaction_id} should be, Redis has a key of another type")
        payload = b"" if is_of_another_type(payload) else payload
        for reply in (record, payload, due):
            if isinstance(reply, redis.RedisError):
                raise unavailable(reply) from reply
        if not record:
            raise NotFound("there is no transaction with this id")
        texts = {name.decode(): value.decode(errors="replace") for name, value in record.items()}
        now_ms = seconds * 1000 + micros // 1000 + self._shift_ms()
        return Details(transaction_id, texts, payload or b"", None if due is None else int(due), now_ms)

    def exists(self, transaction_id: str) -> bool:
        """Whether there is a transaction with this id. Raises: StoreUnavailable."""
        try:
            return bool(self._client.exists(self._keys.record(transaction_id)))
        except redis.RedisError as error:
            raise unavailable(error) from error


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
