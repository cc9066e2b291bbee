"""A batch that is believed once enough replicas have it: a small write and a wait for it at its end, in its round trip.

The write is there for batches that wrote nothing, because what they ask for was written before: WAIT waits for what its
own connection has written, so on a fresh one it would return at once, and the record that a repeated accept has found
may be on this server alone.

WAIT ends when replicas have received it. WAITAOF (Redis 7.2, Valkey), which ends when it is on their disks, is sent
behind: alone it takes a second, because a replica answers before it syncs, and again when a second is over; asked once
more, it has synced. Replicas that sync once a second, or have no log, make it useless: then, for a while, what they
have received is enough.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Self

import hiredis
import redis

from txn.logs.state import State
from txn.store.keys import Keys

#: After so many batches in a row that were not on the disks of replicas in time, nobody waits for these for so long.
TOO_LATE, AGAIN_S = 3, 60.0

ON_DISK, IN_MEMORY = "on disk", "in memory"
#: Thirty years: no server expires the key.
_LONG_S = 10**9


class NotReplicated(redis.RedisError):
    """Too few replicas have confirmed the batch in time: it may be lost with this server, and may be kept."""


class Replication:
    """How many replicas must have a batch. They are waited for half of what a call may take, their disks an eighth."""

    def __init__(
        self, replicas: int, keys: Keys, client: redis.Redis, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        within_ms = int(client.connection_pool.connection_kwargs["socket_timeout"] * 500)
        self.replicas = replicas
        # At maxmemory SET is refused, and a longer life of the key is not: a write, too, as long as there is the key.
        written = _pack("SET", keys.replicated, "1"), _pack("EXPIRE", keys.replicated, _LONG_S)
        self._received = [*written, _pack("WAIT", replicas, within_ms)]
        self._synced = [*self._received, _pack("WAITAOF", 0, replicas, within_ms // 4)]
        self._monotonic_s, self._again_s, self._late = monotonic_s, float("-inf"), 0
        self._said = State("What replicas confirm", frozenset({ON_DISK}))

    @classmethod
    def of(cls, replicas: int, keys: Keys, client: redis.Redis) -> Self | None:
        """None: nobody waits for replicas."""
        return cls(replicas, keys, client) if replicas else None

    def behind(self) -> list[bytes]:
        """What is sent behind a batch: each command has one reply."""
        return self._synced if self._monotonic_s() >= self._again_s else self._received

    def judge(self, replies: Sequence[Any], behind: Sequence[Any]) -> Sequence[Any]:
        """The replies of the batch. `behind`: to what was sent behind it. Errors of single calls stay."""
        _, written, confirmed, *synced = behind
        if written == 1 and isinstance(confirmed, int) and confirmed >= self.replicas:
            if synced:
                self._look_at_disks(*synced)
            return replies
        error = NotReplicated(_why(confirmed, self.replicas) if written == 1 else _UNWRITTEN)
        return [reply if isinstance(reply, Exception) else error for reply in replies]

    def _look_at_disks(self, synced: Any) -> None:
        if isinstance(synced, list) and synced[1] >= self.replicas:
            self._late = 0
            self._said.is_now(ON_DISK)
            return
        self._late += 1
        is_known = isinstance(synced, list)  # not an error: the server is too old for it, or does not allow it
        if self._late >= TOO_LATE or not is_known:
            self._late, self._again_s = 0, self._monotonic_s() + AGAIN_S
            if is_known:
                self._said.is_now(IN_MEMORY, _SYNC)


#: What is done about replicas that sync too late.
_SYNC = "they do not sync in time: run CONFIG SET appendfsync always on each of them, and see that appendonly is yes"


def _pack(*command: str | int) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # see group_commit.py
    return packed


#: Neither of the two writes behind the batch was possible.
_UNWRITTEN = "it takes no write that replicas could confirm: give it memory, and let its user run SET and EXPIRE"


def _why(confirmed: Any, needed: int) -> str:
    if isinstance(confirmed, redis.exceptions.NoPermissionError):
        return "its user may not run WAIT, which TXN_REDIS_REPLICAS needs: allow it (ACL SETUSER ... +wait)"
    if isinstance(confirmed, Exception):
        return "it stopped being the primary meanwhile"
    return f"{confirmed} of {needed} replicas (TXN_REDIS_REPLICAS) confirmed the write in time: see whether they run"
