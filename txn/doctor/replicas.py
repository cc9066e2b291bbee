"""Replicas of Redis, and the sentinels that make one of them the primary."""

from collections.abc import Iterator, Mapping
from typing import Any

import redis

from txn.doctor.finding import Finding, Level
from txn.errors import StoreUnavailable
from txn.redis_places import SentinelAccess, SentinelUrl
from txn.store.database import Database
from txn.store.durability import DurabilityMonitor
from txn.store.sentinel import Sentinels

CHECK = "redis replicas"
#: How long sentinels should wait before they take a primary for dead, in ms: a slow disk is no failover.
SHORTEST_MS, LONGEST_MS = 1_000, 30_000


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
    if durability.fails_over:
        yield from _alone(database)


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
