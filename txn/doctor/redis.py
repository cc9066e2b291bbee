"""Redis: does it keep what it acknowledges, has it room, and how long does it take."""

import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import redis

from txn.doctor import replicas
from txn.doctor.finding import Finding, Level
from txn.errors import StoreUnavailable
from txn.store.agreement import OtherPartitions
from txn.store.database import Database
from txn.store.durability import DurabilityMonitor
from txn.store.rights import Rights

OLDEST = (6, 2)
#: A submit waits for one synced write.
SLOW_WRITE_MS = 20.0
FULL = 0.8
_TIMES = 10


def away(databases: Sequence[Database]) -> list[Finding]:
    """Why none of them can be asked; nothing if one can. (Of partitions, it is said beside that which are away.)"""
    found = [_away(database) for database in databases]
    return [] if None in found else list(dict.fromkeys(filter(None, found)))


def _away(database: Database) -> Finding | None:
    try:
        database.call(lambda client: client.ping())
    except StoreUnavailable as error:
        if isinstance(error.__cause__, OtherPartitions):
            what, _, do = str(error).partition(": ")
            return Finding("partitions", Level.BAD, what, do)
        if not isinstance(error.__cause__, redis.exceptions.NoPermissionError):
            return Finding("redis", Level.BAD, str(error), "start it, or check TXN_REDIS_URL")
    return None


def check(database: Database, durability: DurabilityMonitor) -> Iterator[Finding]:
    """Raises: StoreUnavailable."""
    about: Mapping[str, Any] = database.call(lambda client: client.info())
    yield _version(about)
    yield from _kept(durability)
    yield from _room(about)
    yield from replicas.check(about, durability, database)
    yield _quick(database)


def rights(databases: Sequence[Database], prefix: str) -> Iterator[Finding]:
    """Whether nothing is refused, on the keys of each of them. Raises: StoreUnavailable."""
    yield from dict.fromkeys(found for database in databases for found in _rights(database, prefix))


def _rights(database: Database, prefix: str) -> Iterator[Finding]:
    refused = Rights(database).look()
    for key, kind in refused.wrong:
        do = "find out who else writes there, and rename it: txn keeps another type there"
        yield Finding("redis keys", Level.BAD, f"{key} is a {kind}", do)
    if missing := (*refused.commands, *refused.keys):
        do = f"allow them to its user (ACL SETUSER) on keys that begin with {prefix}"
        yield Finding("redis rights", Level.BAD, f"refused: {' '.join(missing)}", do)
    else:
        yield Finding("redis rights", Level.OK, "every command that txn needs is allowed")


def _version(about: Mapping[str, Any]) -> Finding:
    name = "Valkey" if "valkey_version" in about else "Redis"
    version = str(about.get("valkey_version") or about.get("redis_version", "0"))
    numbers = tuple(map(int, re.findall(r"\d+", version)[:2]))
    if numbers < OLDEST and name == "Redis":
        return Finding("redis version", Level.BAD, f"{name} {version}", "run Redis 6.2 or newer, or Valkey")
    return Finding("redis version", Level.OK, f"{name} {version}")


def _kept(durability: DurabilityMonitor) -> Iterator[Finding]:
    latest = durability.latest
    if latest is None:
        yield Finding("redis durability", Level.BAD, "not known", "find out why it does not answer CONFIG GET and INFO")
    elif latest.level == "durable":
        yield Finding("redis durability", Level.OK, "every write is on disk before it is acknowledged")
    elif latest.level == "attested":
        found = f"attested by {latest.by}, not checked: the server hides its settings"
        if latest.without_log:
            found, do = f"{found}, and shows no append-only file", "make sure that the service keeps writes otherwise"
            yield Finding("redis durability", Level.WARN, found, do)
        else:
            yield Finding("redis durability", Level.NOTE, found, "make sure that no acknowledged write can be lost")
    else:
        for problem in (latest.problem, *latest.more):
            what, _, do = problem.rpartition(": ")
            after = ", and set it in its configuration file too" if do.startswith("run CONFIG SET") else ""
            yield Finding("redis durability", Level.BAD, what, do + after)


def _room(about: Mapping[str, Any]) -> Iterator[Finding]:
    used, most = int(about.get("used_memory", 0)), int(about.get("maxmemory", 0))
    if not most:
        do = "set maxmemory below the machine's memory: a full Redis refuses submits, but a killed one is down"
        yield Finding("redis memory", Level.NOTE, f"{_mebibytes(used)} used, without a limit", do)
    elif used >= most:
        do = "give it more memory (CONFIG SET maxmemory): submits are refused until then"
        yield Finding("redis memory", Level.BAD, f"all of {_mebibytes(most)} used", do)
    elif used > FULL * most:
        do = "give it more memory (CONFIG SET maxmemory): when it is full, submits are refused"
        yield Finding("redis memory", Level.WARN, f"{used / most:.0%} of {_mebibytes(most)} used", do)
    else:
        yield Finding("redis memory", Level.OK, f"{used / most:.0%} of {_mebibytes(most)} used")
    if about.get("aof_last_bgrewrite_status", "ok") != "ok":
        do = "see the server's log: without a rewrite the append-only file grows for ever"
        yield Finding("redis disk", Level.WARN, "the last rewrite of the append-only file failed", do)


def _quick(database: Database) -> Finding:
    ping = _median_ms(lambda: database.call(lambda client: client.ping()))
    write = _median_ms(lambda: database.call(lambda client: client.set(database.keys.doctor, 1, ex=10)))
    found = f"{ping:.1f} ms for a round trip, {write:.1f} ms for a write"
    if write > SLOW_WRITE_MS:
        return Finding(
            "redis speed", Level.WARN, found, "put Redis nearer, or on a faster disk: every submit waits for it"
        )
    return Finding("redis speed", Level.OK, found)


def _median_ms(call: Callable[[], object]) -> float:
    took = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        call()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
