"""Replicas of Redis, and the sentinels that make one of them the primary."""

from collections.abc import Iterator, Mapping
from typing import Any

import redis
from redis.client import Pipeline

from txn.doctor.finding import Finding, Level
from txn.errors import StoreUnavailable
from txn.redis_places import SentinelAccess, SentinelUrl
from txn.store.database import Database
from txn.store.durability import DurabilityMonitor
from txn.store.sentinel import Sentinels

CHECK = "redis replicas"
#: How long sentinels should wait before they take a primary for dead, in ms: a slow disk is no failover.
SHORTEST_MS, LONGEST_MS = 1_000, 30_000
#: For a replica to receive a write, and to sync it, in ms: a batch waits about as long.
LONG_ENOUGH_MS = 200


def check(about: Mapping[str, Any], durability: DurabilityMonitor, database: Database) -> Iterator[Finding]:
    """`about`: what INFO says. Raises: StoreUnavailable."""
    connected = [about[name] for name in about if name.startswith("slave") and isinstance(about[name], dict)]
    online, needed = sum(one.get("state") == "online" for one in connected), durability.replicas
    if not needed and (connected or durability.fails_over):
        do = "set TXN_REDIS_REPLICAS=1: a failover to a replica can lose what was acknowledged"
        found = f"{online} in step, and nothing waits for them"
        yield Finding(CHECK, Level.WARN if durability.may_lose_at_failover else Level.NOTE, found, do)
    elif online < needed:
        do = "start replicas, and see their logs: submits are refused until then"
        yield Finding(CHECK, Level.BAD, f"{online} in step, of {needed} (TXN_REDIS_REPLICAS)", do)
    elif needed and online == needed:
        found = f"{online} in step, as many as TXN_REDIS_REPLICAS"
        yield Finding(CHECK, Level.NOTE, found, "add one: while one is away, submits are refused")
    elif needed:
        yield Finding(CHECK, Level.OK, f"{online} in step, and {needed} must have each transaction")
    if needed and online >= needed:
        yield from _disks(database, needed)
    if durability.fails_over:
        yield from _alone(database)


def _disks(database: Database, needed: int) -> Iterator[Finding]:
    """Whether what is acknowledged is on the disks of replicas, too."""
    try:
        answers = [database.pipeline(lambda pipeline: _ask_for_disks(pipeline, database, needed)) for _ in range(3)]
    except StoreUnavailable as error:
        if not isinstance(error.__cause__, redis.ResponseError):
            raise
        do = "with Redis 7.2 or Valkey, and the right to run WAITAOF, their disks are waited for as well"
        yield Finding("redis replica disks", Level.NOTE, "replicas confirm what they have received", do)
        return
    # One sync may be slow; and a replica that syncs once a second syncs the first write in a while at once.
    if sum(synced < needed for *_, (_, synced) in answers) > 1:
        do = "run CONFIG SET appendfsync always on each of them, and see that appendonly is yes; in their files too"
        found = "replicas sync too late: what they have received is enough for an acknowledgement"
        yield Finding("redis replica disks", Level.WARN, found, do)
    else:
        yield Finding("redis replica disks", Level.OK, f"{needed} must have each transaction on disk")


def _ask_for_disks(pipeline: Pipeline, database: Database, needed: int) -> None:
    """As the batches do (txn/store/replication.py)."""
    pipeline.set(database.keys.doctor, 1, px=10_000)
    pipeline.wait(needed, LONG_ENOUGH_MS)
    pipeline.waitaof(0, needed, LONG_ENOUGH_MS)


def _alone(database: Database) -> Iterator[Finding]:
    """Whether a primary that is cut off from its replicas stops by itself."""
    try:
        shown = database.call(lambda client: client.config_get("min-replicas-*"))
    except StoreUnavailable as error:
        if isinstance(error.__cause__, redis.ResponseError):
            return  # hidden
        raise
    if int(shown.get("min-replicas-to-write", 0)) < 1:
        do = "run CONFIG SET min-replicas-to-write 1, and set it in its configuration file too"
        yield Finding("redis cut off", Level.WARN, "a primary without replicas goes on accepting writes", do)
    elif (lag_s := int(shown.get("min-replicas-max-lag", 10))) > LONGEST_MS / 1000:
        do = "run CONFIG SET min-replicas-max-lag 10"
        yield Finding("redis cut off", Level.WARN, f"a primary without replicas accepts writes for {lag_s} s", do)


def sentinels(url: SentinelUrl, access: SentinelAccess) -> Iterator[Finding]:
    """What they say of themselves."""
    seen = Sentinels(url, access).states()
    silent, others = len(url.sentinels) - len(seen), [int(state["num-other-sentinels"]) + 1 for state in seen]
    if silent:
        do = "start them, or take them out of TXN_REDIS_URL: more than half must answer"
        yield Finding("sentinels", Level.WARN, f"{silent} of {len(url.sentinels)} do not answer", do)
    elif max(others) > len(seen):
        do = "name all of them in TXN_REDIS_URL"
        yield Finding("sentinels", Level.WARN, f"{len(seen)} are in TXN_REDIS_URL, of {max(others)}", do)
    elif len(seen) < 3:
        yield Finding("sentinels", Level.WARN, f"only {len(seen)}", "run three or more: they elect by majority")
    for wait_ms in {int(state["down-after-milliseconds"]) for state in seen}:
        if not SHORTEST_MS <= wait_ms <= LONGEST_MS:
            do = f"run SENTINEL SET {url.name} down-after-milliseconds 5000 on each of them"
            yield Finding("sentinels", Level.WARN, f"they take a primary for dead after {wait_ms} ms", do)
            return
    if seen and not silent and len(seen) >= max(3, *others):
        yield Finding("sentinels", Level.OK, f"{len(seen)} answer, and know each other")
