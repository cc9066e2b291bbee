"""Dramatiq's messages, for people to look at: those that wait, and those of the dead letters. Nothing is written."""

from collections.abc import Callable
from typing import Any

import redis

from txn.store.database import Database

#: Messages of one page.
PAGE = 100


class MessageReader:
    """Every method raises StoreUnavailable. What a worker has fetched does not wait any more and is not counted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sizes(self) -> tuple[int, int]:
        """(waiting, of dead letters)."""
        keys = self._database.keys
        waiting, dead = self._database.pipeline(
            lambda pipeline: (pipeline.llen(keys.messages), pipeline.zcard(keys.dead_messages))
        )
        return int(waiting), int(dead)

    def waiting(self, offset: int) -> list[bytes]:
        """A page of bodies, from the head of the queue on."""
        index = self._database.keys.messages
        return self._bodies(lambda client: client.lrange(index, offset, offset + PAGE - 1), dead=False)

    def dead(self, offset: int) -> list[bytes]:
        """A page of bodies, the latest dead letter first."""
        index = self._database.keys.dead_messages
        return self._bodies(lambda client: client.zrevrange(index, offset, offset + PAGE - 1), dead=True)

    def one(self, message_id: str, *, dead: bool) -> bytes | None:
        """The body of one message, None if it is not there any more."""
        found = self._bodies(lambda _client: [message_id], dead=dead)
        return found[0] if found else None

    def _bodies(self, read_ids: Callable[[redis.Redis], Any], *, dead: bool) -> list[bytes]:
        keys = self._database.keys
        bodies, ids = keys.dead_message_bodies if dead else keys.message_bodies, self._database.call(read_ids)
        found = self._database.call(lambda client: client.hmget(bodies, ids)) if ids else []
        return [body for body in found if body is not None]
