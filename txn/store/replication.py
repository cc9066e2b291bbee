"""A batch that is believed once enough replicas have it: one small write and one WAIT at its end, in its round trip.

The write is there for batches that wrote nothing, because what they ask for was written before: WAIT waits for what its
own connection has written, so on a fresh one it would return at once, and the record that a repeated accept has found
may be on this server alone.
"""

from collections.abc import Sequence
from typing import Any, Self

import hiredis
import redis

from txn.store.keys import Keys


class NotReplicated(redis.RedisError):
    """Too few replicas have confirmed the batch in time: it may be lost with this server, and may be kept."""


class Replication:
    """How many replicas must have a batch, and for how long they are waited for: half of what a call may take."""

    def __init__(self, replicas: int, keys: Keys, client: redis.Redis) -> None:
        within_ms = int(client.connection_pool.connection_kwargs["socket_timeout"] * 500)
        self.replicas = replicas
        #: What is sent behind a batch: each command has one reply.
        self.packed = [
            hiredis.pack_command(("SET", keys.replicated, "1")),  # type: ignore[arg-type]  # see group_commit.py
            hiredis.pack_command(("WAIT", replicas, within_ms)),  # type: ignore[arg-type]
        ]

    @classmethod
    def of(cls, replicas: int, keys: Keys, client: redis.Redis) -> Self | None:
        """None: nobody waits for replicas."""
        return cls(replicas, keys, client) if replicas else None

    def judge(self, replies: Sequence[Any]) -> list[Any]:
        """The replies of the batch, without those of what was sent behind it. Errors of single calls stay."""
        *replies, _, confirmed = replies
        if isinstance(confirmed, int) and confirmed >= self.replicas:
            return replies
        error = NotReplicated(_why(confirmed, self.replicas))
        return [reply if isinstance(reply, Exception) else error for reply in replies]


def _why(confirmed: Any, needed: int) -> str:
    if isinstance(confirmed, redis.exceptions.NoPermissionError):
        return "its user may not run WAIT, which TXN_REDIS_REPLICAS needs: allow it (ACL SETUSER ... +wait)"
    if isinstance(confirmed, Exception):
        return "it stopped being the primary meanwhile"
    return f"{confirmed} of {needed} replicas (TXN_REDIS_REPLICAS) confirmed the write in time: see whether they run"
