"""Dramatiq's messages, for people to look at: those that wait, and those of the dead letters. Nothing is written."""

from typing import Any

import redis

from txn.store.keys import Keys
from txn.store.scripts import unavailable

#: Messages of one page.
PAGE = 100


class MessageReader:
    """Every method raises StoreUnavailable. What a worker has fetched does not wait any more and is not counted."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client, self._keys = client, keys

    def sizes(self) -> tuple[int, int]:
        """(waiting, of dead letters)."""
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                pipeline.llen(self._keys.messages)
                pipeline.zcard(self._keys.dead_messages)
                waiting, dead = pipeline.execute()
        except redis.RedisError as error:
            raise unavailable(error) from error
        return int(waiting), int(dead)

    def waiting(self, offset: int) -> list[bytes]:
        """A page of bodies, from the head of the queue on."""
        return self._bodies(lambda: self._client.lrange(self._keys.messages, offset, offset + PAGE - 1), dead=False)

    def dead(self, offset: int) -> list[bytes]:
        """A page of bodies, the latest dead letter first."""
        index = self._keys.dead_messages
        return self._bodies(lambda: self._client.zrevrange(index, offset, offset + PAGE - 1), dead=True)

    def one(self, message_id: str, *, dead: bool) -> bytes | None:
        """The body of one message, None if it is not there any more."""
        found = self._bodies(lambda: [message_id], dead=dead)
        return found[0] if found else None

    def _bodies(self, names: Any, *, dead: bool) -> list[bytes]:
        bodies = self._keys.dead_message_bodies if dead else self._keys.message_bodies
        try:
            wanted = names()
            found: Any = self._client.hmget(bodies, wanted) if wanted else []
        except redis.RedisError as error:
            raise unavailable(error) from error
        return [body for body in found if body is not None]
