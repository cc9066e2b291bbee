"""The nodes of a cluster: whether one of them can become the primary of our keys, and whether we would find it."""

from collections.abc import Iterator

import redis

from txn.doctor.finding import Finding, Level
from txn.errors import StoreUnavailable
from txn.redis_places import ClusterUrl
from txn.store.asking import NoPrimary, said
from txn.store.cluster import Cluster, View, latest
from txn.store.database import Database
from txn.store.keys import slot_of

CHECK = "redis cluster"
#: They elect by majority.
_PRIMARIES = 3
#: How long a node should be silent before it counts as away, in ms: a slow disk is no failover.
SHORTEST_MS, LONGEST_MS = 1_000, 30_000


def check(url: ClusterUrl, database: Database) -> Iterator[Finding]:
    """What its nodes say of themselves, and how they are set up."""
    cluster, slot = Cluster(url), slot_of(database.keys)
    told = cluster.told()
    try:
        view, _ = latest(cluster.views(told), slot)
    except NoPrimary as error:
        yield Finding(CHECK, Level.BAD, str(error))
        return
    primaries = len({one.node for one in view.ranges})
    found = [*_silent(len(url.nodes) - len(said(told)), len(url.nodes)), *_elects(primaries), *_moves(view, slot)]
    try:
        found += _settings(database)
    except StoreUnavailable as error:
        if not isinstance(error.__cause__, redis.ResponseError):  # hidden
            found.append(Finding(CHECK, Level.BAD, str(error)))
    if not found:
        yield Finding(
            CHECK, Level.OK, f"{len(said(told))} nodes answer, {primaries} of them primaries; our slot is {slot}"
        )
    yield from found


def _silent(silent: int, named: int) -> Iterator[Finding]:
    if silent:
        do = "start them, or take them out of TXN_REDIS_URL: more than half must answer"
        yield Finding(CHECK, Level.WARN, f"{silent} of {named} nodes do not answer", do)


def _elects(primaries: int) -> Iterator[Finding]:
    if primaries < _PRIMARIES:
        do = "have three or more: they elect by majority. (A managed service may do that by itself)"
        yield Finding(CHECK, Level.WARN, f"only {primaries} primaries have slots", do)


def _moves(view: View, slot: int) -> Iterator[Finding]:
    if any(str(move["slot"]) == str(slot) for node in view.nodes.values() for move in node["migrations"]):
        do = "let that end: submits and deliveries fail until then. Valkey 9 moves slots whole: CLUSTER MIGRATESLOTS"
        yield Finding(CHECK, Level.BAD, "our keys are being moved to another node, one by one", do)


def _settings(database: Database) -> Iterator[Finding]:
    """Raises: StoreUnavailable."""
    shown = database.call(lambda client: client.config_get("cluster-*"))
    if shown.get("cluster-require-full-coverage") == "yes":
        do = "run CONFIG SET cluster-require-full-coverage no on each node, and set it in their configuration files"
        yield Finding(CHECK, Level.WARN, "when another node is lost for good, ours takes no writes either", do)
    wait_ms = int(shown.get("cluster-node-timeout", SHORTEST_MS))
    if not SHORTEST_MS <= wait_ms <= LONGEST_MS:
        do = "run CONFIG SET cluster-node-timeout 5000 on each node"
        yield Finding(CHECK, Level.WARN, f"nodes count as away after {wait_ms} ms", do)
