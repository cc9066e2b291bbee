"""The nodes of a cluster: whether one of them can become the primary of our keys, and whether we would find it."""

from collections.abc import Iterator, Sequence

import redis

from txn.doctor.finding import Finding, Level
from txn.errors import StoreUnavailable
from txn.redis_places import ClusterUrl, Place
from txn.store.asking import Answer, NoPrimary, said
from txn.store.cluster import Cluster, View, latest
from txn.store.database import Database
from txn.store.keys import slot_of

CHECK = "redis cluster"
#: They elect by majority.
_PRIMARIES = 3
#: How long a node should be silent before it counts as away, in ms: a slow disk is no failover.
SHORTEST_MS, LONGEST_MS = 1_000, 30_000


def check(url: ClusterUrl, *databases: Database) -> Iterator[Finding]:
    """What its nodes say of themselves, and how they are set up. `databases`: one, or one for each partition."""
    cluster = Cluster(url)
    told = cluster.told()
    try:
        views = cluster.views(told)
    except NoPrimary as error:
        yield Finding(CHECK, Level.BAD, str(error))
        return
    primaries = len({one.node for one in views[0].ranges})
    found = [*_silent(told, url.nodes), *_elects(primaries)]
    on: dict[Place, list[Database]] = {}
    for number, database in enumerate(databases):
        slot, of_which = slot_of(database.keys), f"partition {number}: " if len(databases) > 1 else ""
        try:
            view, has = latest(views, slot)
        except NoPrimary as error:
            found.append(Finding(CHECK, Level.BAD, f"{of_which}{error}"))
            continue
        on.setdefault(has.primary, []).append(database)
        found += _moves(view, slot, of_which)
    found += dict.fromkeys(one for ours, *_ in on.values() for one in _settings(ours))
    if not found:
        ours = f"our slot is {slot_of(databases[0].keys)}"
        if len(databases) > 1:
            ours = f"of our partitions, these have {' + '.join(str(len(some)) for some in on.values())}"
        yield Finding(CHECK, Level.OK, f"{len(said(told))} nodes answer, {primaries} of them primaries; {ours}")
    yield from found


def _silent(told: Sequence[Answer], named: Sequence[Place]) -> Iterator[Finding]:
    answered = {answer.by for answer in told if answer.error is None}
    if silent := [f"{place.host}:{place.port}" for place in named if place not in answered]:
        which = ", ".join(silent)
        do = f"start {which}, or take it out of TXN_REDIS_URL: more than half must answer"
        yield Finding(CHECK, Level.WARN, f"{len(silent)} of {len(named)} nodes do not answer", do)


def _elects(primaries: int) -> Iterator[Finding]:
    if primaries < _PRIMARIES:
        do = "have three or more: they elect by majority. (A managed service may do that by itself)"
        yield Finding(CHECK, Level.WARN, f"only {primaries} primaries have slots", do)


def _moves(view: View, slot: int, of_which: str) -> Iterator[Finding]:
    if any(str(move["slot"]) == str(slot) for node in view.nodes.values() for move in node["migrations"]):
        do = "let that end: submits and deliveries fail until then. Valkey 9 moves slots whole: CLUSTER MIGRATESLOTS"
        yield Finding(CHECK, Level.BAD, f"{of_which}our keys are being moved to another node, one by one", do)


def _settings(database: Database) -> Iterator[Finding]:
    try:
        shown = database.call(lambda client: client.config_get("cluster-*"))
    except StoreUnavailable as error:
        if not isinstance(error.__cause__, redis.ResponseError):  # hidden
            yield Finding(CHECK, Level.BAD, str(error))
        return
    if shown.get("cluster-require-full-coverage") == "yes":
        do = "run CONFIG SET cluster-require-full-coverage no on each node, and set it in their configuration files"
        yield Finding(CHECK, Level.WARN, "when another node is lost for good, ours takes no writes either", do)
    wait_ms = int(shown.get("cluster-node-timeout", SHORTEST_MS))
    if not SHORTEST_MS <= wait_ms <= LONGEST_MS:
        do = "run CONFIG SET cluster-node-timeout 5000 on each node"
        yield Finding(CHECK, Level.WARN, f"nodes count as away after {wait_ms} ms", do)
