"""Dramatiq's queue in Redis, in the layout of its own RedisBroker, with fetches and acks that cannot strand."""

from collections.abc import Callable, Iterable, Mapping

import redis

from txn.store.keys import Keys
from txn.store.scripts import Argument, Scripts

#: A consumer without a heartbeat (one a second) for so long is dead: what it held goes back to the queue.
DEAD_AFTER_MS = 10_000
#: Messages acknowledged with one call.
MOST_ACKNOWLEDGED = 1_000
#: What it said of itself can be read for so long after its last heartbeat.
ABOUT_KEPT_MS = 30_000


class Messages:
    """One consumer's view of the queue. Every method raises StoreUnavailable."""

    def __init__(self, client: redis.Redis, keys: Keys, consumer: str, shift_ms: Callable[[], int] = lambda: 0) -> None:
        self._scripts, self._keys, self._consumer, self._shift_ms = Scripts(client), keys, consumer, shift_ms
        self._acks = f"{keys.acks}{consumer}.{keys.queue}"

    def push(self, message_id: str, body: bytes) -> None:
        """Queue a message."""
        self._scripts.run("push", [self._keys.messages, self._keys.message_bodies], [message_id, body])

    def fetch(self, count: int, acknowledge: Iterable[str] = ()) -> list[tuple[str, bytes]]:
        """Acknowledge messages by id and take up to `count` new ones: (id, body), oldest first."""
        keys = [self._keys.messages, self._keys.message_bodies, self._acks]
        acknowledge = list(acknowledge)
        while len(acknowledge) > MOST_ACKNOWLEDGED:
            self._scripts.run("fetch", keys, [0, *acknowledge[:MOST_ACKNOWLEDGED]])
            acknowledge = acknowledge[MOST_ACKNOWLEDGED:]
        reply = self._scripts.run("fetch", keys, [count, *acknowledge])
        return [(name.decode(), body) for name, body in zip(reply[::2], reply[1::2], strict=True)]

    def requeue_all_but(self, held: Iterable[str]) -> int:
        """Give back whatever Redis thinks this consumer holds beyond `held` (message ids): how many."""
        keys = [self._keys.messages, self._keys.message_bodies, self._acks]
        return int(self._scripts.run("requeue", keys, list(held)))

    def heartbeat(self, about: Mapping[str, Argument] | None = None) -> int:
        """Say that this consumer lives, and give back what dead ones hold: how many messages.

        `about` is for people to look at (host, pid, rate, ...), and forgotten soon after the last heartbeat.
        """
        names = self._keys
        keys = [names.heartbeats, names.messages, names.message_bodies, names.acks, names.count]
        keys.append(f"{names.worker}{self._consumer}")
        arguments: list[Argument] = [self._consumer, self._keys.queue, DEAD_AFTER_MS, self._shift_ms(), ABOUT_KEPT_MS]
        for field, value in (about or {}).items():
            arguments += [field, value]
        return int(self._scripts.run("heartbeat", keys, arguments))
