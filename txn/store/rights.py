"""What the user of TXN_REDIS_URL may not do (ACL), and txn must; and keys of ours that hold something else.

Never on the delivery path: a script whose write is refused leaves nothing half-written, but nobody is served either.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import redis

from txn.errors import StoreUnavailable
from txn.logs.state import State
from txn.store.database import Database

Role = Literal["api", "worker"]

_KINDS = ("string", "hash", "list", "set", "zset", "stream")


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: What each kind of process cannot do without: what its scripts call (a test compares), and what it calls beside them.
NEEDED: Mapping[Role, frozenset[str]] = {
    "api": _names(
        "DEL EXISTS EXPIRE HGET HGETALL HINCRBY HMGET HSET LINDEX LLEN LRANGE MULTI RPOP RPUSH SET TIME "
        "XADD XRANGE XREAD XREVRANGE ZADD ZCARD ZCOUNT ZRANGE ZSCORE"
    ),
    "worker": _names(
        "DEL EXISTS EXPIRE GET HDEL HEXISTS HGET HGETALL HINCRBY HMGET HSET LINDEX LLEN LPOP LPUSH LRANGE MULTI "
        "PEXPIRE RPUSH SADD SCAN SMEMBERS SMISMEMBER SREM TIME XADD XDEL ZADD ZCARD ZCOUNT ZRANDMEMBER ZRANGE "
        "ZRANGEBYSCORE ZRANK ZREM ZREVRANGE ZSCAN ZSCORE"
    ),
}

#: Time from one look to the next: while nothing is missing, and while something is.
INTERVAL_S = 5.0
MISSING_S = 1.0


@dataclass(frozen=True, slots=True)
class Refused:
    """`commands` that may not be run, `keys` that may not be used, and `wrong`: keys with the type that they have."""

    commands: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    wrong: tuple[tuple[str, str], ...] = ()

    def sentences(self) -> list[str]:
        """What is wrong, and what mends it; none if all is well."""
        found = []
        if self.commands:
            what = " ".join(sorted(self.commands))
            found.append(f"the user of TXN_REDIS_URL may not run {what}: allow it (ACL SETUSER ... +<command>)")
        if self.keys:
            found.append(
                f"the user of TXN_REDIS_URL may not use {' '.join(self.keys)}: allow them (ACL SETUSER ... ~<key>)"
            )
        for key, kind in self.wrong:
            found.append(
                f"{key} is a {kind}, a type that txn never gives it: find out who else writes there, and rename it"
            )
        return found


class Rights:
    """Tries things out on keys of its own under the prefix, and removes them; of our keys it changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._own = [database.keys.doctor_of(kind) for kind in _KINDS]

    def look(self, role: Role | None = None) -> Refused:
        """What is refused, of what a process of this kind needs; without one, of all that txn runs.

        Raises: StoreUnavailable, also if no script may be run on these keys at all.
        """
        commands, keys, wrong = self._database.run("rights", self._own, self._in_use(role))
        refused = {name.decode() for name in commands}
        refused |= {name for name, call in self._direct().items() if self._bars(call)}
        texts = [item.decode(errors="replace") for item in wrong]
        return Refused(
            commands=tuple(sorted(refused if role is None else refused & NEEDED[role])),
            keys=tuple(key.decode(errors="replace") for key in keys),
            wrong=tuple(zip(texts[::2], texts[1::2], strict=True)),
        )

    def _in_use(self, role: Role | None) -> list[str]:
        keys, some_id = self._database.keys, "doctor"
        found = {
            "string": [keys.payload(some_id)],
            "hash": [
                *(keys.record(some_id), keys.count, f"{keys.minute}0"),
                *(keys.posting, keys.message_bodies, keys.timings),
            ],
            "list": [keys.messages, f"{keys.accepted}0:"],
            "zset": [keys.due, keys.heartbeats, keys.outage, keys.accepted_hours, keys.accepted_hours_of("")],
        }
        found["stream"] = [keys.changes]
        if role != "api":
            found["zset"] += [keys.probes, keys.hanging]
            found["hash"] += [
                keys.epoch,
                keys.sweep,
                keys.oldest,
                keys.noticed,
                keys.dead_message_bodies,
                f"{keys.worker}{some_id}",
            ]
            found["zset"] += [keys.callbacks, keys.callbacks_to(some_id), keys.callbacks_dead]
            found["hash"].append(keys.callback(some_id))
            found["zset"] += [keys.failed, keys.failed_with("rejected"), keys.dead_messages, keys.bulk_active]
            found |= {"set": [keys.acks_of(some_id)], "stream": [keys.changes, keys.journal, keys.events]}
        return [item for kind, names in found.items() for name in names for item in (kind, name)]

    def _direct(self) -> Mapping[str, Callable[[], Any]]:
        """What is sent beside the scripts."""
        call, (string, hash_, _, _, zset, stream) = self._database.call, self._own
        return {
            "UNLINK": lambda: call(lambda client: client.unlink(string)),
            "XREAD": lambda: call(lambda client: client.xread({stream: "$"}, count=1)),
            "XREVRANGE": lambda: call(lambda client: client.xrevrange(stream, count=1)),
            "ZREVRANGEBYSCORE": lambda: call(lambda client: client.zrevrangebyscore(zset, 1, 0)),
            "MULTI": lambda: self._database.pipeline(lambda pipeline: pipeline.hget(hash_, "a"), transaction=True),
        }

    def _bars(self, call: Callable[[], Any]) -> bool:
        try:
            call()
        except StoreUnavailable as error:
            cause = error.__cause__
            if not isinstance(cause, redis.ResponseError):
                raise
            # Full, a replica: another matter.
            return isinstance(cause, redis.exceptions.NoPermissionError) or "EXEC without MULTI" in str(cause)
        return False


class RightsMonitor:
    """What a process of one kind lacks, as it was last seen."""

    def __init__(self, rights: Rights, role: Role, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._rights, self._role, self._monotonic_s = rights, role, monotonic_s
        self._said = State("what the Redis user may do", frozenset({"enough"}))
        #: One line, or nothing while all is well.
        self.problem = ""

    def beat(self) -> float:
        """Look, say what has changed, and return the seconds to the next look.

        Raises: StoreUnavailable; then what was last seen stands.
        """
        try:
            self.problem = "; ".join(self._rights.look(self._role).sentences())
        except StoreUnavailable as error:
            if not isinstance(error.__cause__, redis.exceptions.NoPermissionError):
                raise
            self.problem = str(error)  # not even the script that looks may be run
        self._said.is_now("not enough" if self.problem else "enough", self.problem)
        return MISSING_S if self.problem else INTERVAL_S
