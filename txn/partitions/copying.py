"""Records, lists and indexes of one database, read and written in another one as they are."""

from collections.abc import Mapping, Sequence
from typing import Any

from txn.errors import Invalid
from txn.readers.records import CHUNK
from txn.store.database import Database

_ENDED = (b"completed", b"failed")
#: Replies for each record that is read.
_OF_EACH = 6


def copy_some(source: Database, target: Database, ids: Sequence[str]) -> None:
    """Their records last: without one, the rest is nothing yet. Raises: Invalid, if one is unfinished."""
    old, new = source.keys, target.keys
    found = source.pipeline(
        lambda pipeline: [
            (
                pipeline.dump(old.payload(one)),
                pipeline.hmget(old.record(one), ["status", "code"]),
                pipeline.zscore(old.failed, one),
                pipeline.zscore(old.discarded, one),
                pipeline.hget(old.dead_message_bodies, one),
                pipeline.dump(old.record(one)),
            )
            for one in ids
        ]
    )
    rows = [(one, *found[at * _OF_EACH : (at + 1) * _OF_EACH]) for at, one in enumerate(ids)]
    if left := [one for one, _, (status, _), *_ in rows if status not in _ENDED]:
        raise Invalid("--from-prefix", f"{left[0]} is neither completed nor failed: see txn show, and run it again")

    def write(pipeline: Any) -> None:
        for one, payload, (_, code), failed_ms, discarded_ms, body, record in rows:
            if payload is not None:
                pipeline.restore(new.payload(one), 0, payload, replace=True)
            if failed_ms is not None:
                for name in (new.failed, new.failed_with(code.decode()), new.dead_messages):
                    pipeline.zadd(name, {one: failed_ms})
                pipeline.hset(new.dead_message_bodies, one, body or b"")
            if discarded_ms is not None:
                pipeline.zadd(new.discarded, {one: discarded_ms})
            pipeline.restore(new.record(one), 0, record, replace=True)

    target.pipeline(write)


def write_list(target: Database, key: str, ids: Sequence[str]) -> None:
    """In place of what is there."""

    def write(pipeline: Any) -> None:
        pipeline.delete(key)
        for at in range(0, len(ids), CHUNK):
            pipeline.rpush(key, *ids[at : at + CHUNK])

    target.pipeline(write, transaction=True)


def write_hours(target: Database, key: str, hours: Mapping[Any, float]) -> None:
    """Beside what is there."""
    target.call(lambda client: client.zadd(key, hours))


def states(database: Database, records: Sequence[str]) -> list[bytes]:
    """The status of each, by the names of their keys."""
    return database.pipeline(lambda pipeline: [pipeline.hget(name, "status") for name in records])


def counts(database: Database) -> dict[bytes, bytes]:
    """All counters."""
    found: Any = database.call(lambda client: client.hgetall(database.keys.count))
    return dict(found)


def exists(database: Database, key: str) -> bool:
    """Whether there is a key."""
    return bool(database.call(lambda client: client.exists(key)))


def ids(database: Database, key: str) -> list[str]:
    """A whole list."""
    found: Any = database.call(lambda client: client.lrange(key, 0, -1))
    return [one.decode() for one in found]


def size(database: Database, key: str) -> int:
    """Of a zset."""
    return int(database.call(lambda client: client.zcard(key)))


def scores(database: Database, key: str) -> dict[bytes, float]:
    """A whole zset."""
    found: Any = database.call(lambda client: client.zrange(key, 0, -1, withscores=True))
    return dict(found)
