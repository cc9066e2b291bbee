"""Dramatiq's queue in Redis, in the layout of its own RedisBroker, with fetches and acks that cannot strand."""

from collections.abc import Iterable, Mapping

from redis.client import Pipeline

from txn.store.commands import Argument
from txn.store.database import Database
from txn.store.keys import gates, wake_ups

#: A consumer without a heartbeat (one a second) for so long is dead: what it held goes back to the queue.
DEAD_AFTER_MS = 10_000
#: Messages acknowledged with one call.
MOST_ACKNOWLEDGED = 1_000
#: What it said of itself can be read for so long after its last heartbeat: whoever finds it dead, perhaps the next
#: morning, can say who it was.
ABOUT_KEPT_MS = 25 * 3_600_000


class Messages:
    """One consumer's view of the queue. Every method raises StoreUnavailable."""

    def __init__(self, database: Database, consumer: str) -> None:
        self._database, self._consumer = database, consumer
        self._queue = wake_ups(database.keys)
        self._held = [*self._queue, database.keys.acks_of(consumer)]
        self._gated = [*self._held, *gates(database.keys)]

    def push(self, message_id: str, body: bytes) -> None:
        """Queue a message."""
        self._database.run("push", self._queue, [message_id, body])

    def fetch(self, count: int, acknowledge: Iterable[str] = ()) -> list[tuple[str, bytes]]:
        """Acknowledge messages by id and take up to `count` new ones: (id, body), oldest first."""
        acknowledge, shift_ms = list(acknowledge), self._database.shift_ms()
        while len(acknowledge) > MOST_ACKNOWLEDGED:
            self._database.run("fetch", self._gated, [0, shift_ms, *acknowledge[:MOST_ACKNOWLEDGED]])
            acknowledge = acknowledge[MOST_ACKNOWLEDGED:]
        reply = self._database.run("fetch", self._gated, [count, shift_ms, *acknowledge])
        return [(name.decode(), body) for name, body in zip(reply[::2], reply[1::2], strict=True)]

    def requeue_all_but(self, held: Iterable[str]) -> int:
        """Give back whatever Redis thinks this consumer holds beyond `held` (message ids): how many."""
        return int(self._database.run("requeue", self._held, list(held)))

    def goodbye(self) -> None:
        """Say that this consumer ends because it shall, when it holds nothing any more."""
        keys = self._database.keys

        def queue(pipeline: Pipeline) -> None:
            pipeline.zrem(keys.heartbeats, self._consumer)
            pipeline.unlink(f"{keys.worker}{self._consumer}")

        self._database.pipeline(queue, transaction=True)

    def heartbeat(self, about: Mapping[str, Argument] | None = None) -> int:
        """Say that this consumer lives, and give back what dead ones hold: how many messages.

        `about` is for people to look at (host, pid, rate, ...), and forgotten soon after the last heartbeat.
        """
        keys, shift_ms = self._database.keys, self._database.shift_ms()
        names = [keys.heartbeats, *self._queue, keys.acks, keys.count, f"{keys.worker}{self._consumer}", keys.events]
        said = [item for pair in (about or {}).items() for item in pair]
        arguments = [self._consumer, keys.queue, DEAD_AFTER_MS, shift_ms, ABOUT_KEPT_MS, *said]
        return int(self._database.run("heartbeat", names, arguments))
