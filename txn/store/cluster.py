"""Where the primary of a slot is, as the nodes of a cluster say.

A node that was frozen or cut off goes on naming an old primary: itself, perhaps. So more than half of the nodes in the
URL must answer, and of those that they name for a slot, the one with the latest configuration epoch is believed: a
promotion and a move of a slot each raise it. If the URL names fewer than three nodes, those are asked beside them that
they name themselves.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import redis

from txn.redis_places import ClusterUrl, Place
from txn.store.asking import OPTIONS, Answer, Found, NoPrimary, ask_all, is_majority, refuses_us, said

#: So many nodes are asked, if there are so many.
_ENOUGH = 3


class Range(NamedTuple):
    """Slots that one primary has: from `first` to `last`. `others`: its replicas."""

    first: int
    last: int
    primary: Place
    node: str
    others: tuple[Place, ...]


class View(NamedTuple):
    """What one node believes. `nodes`: by their ids, each as redis-py reads it from CLUSTER NODES."""

    ranges: tuple[Range, ...]
    nodes: Mapping[str, Mapping[str, Any]]

    def of(self, slot: int) -> Range | None:
        """Who has a slot; None: nobody."""
        return next((one for one in self.ranges if one.first <= slot <= one.last), None)

    def epoch(self, node: str) -> int:
        """Of a node's configuration."""
        return int(self.nodes[node]["epoch"])

    def has_failed(self, node: str) -> bool:
        """Whether the primaries agree that it is away. (`fail?` is what one believes.)"""
        return "fail" in str(self.nodes[node]["flags"]).split(",")


class Cluster:
    """The nodes of a cluster. For any number of threads."""

    def __init__(self, url: ClusterUrl) -> None:
        self._url, self._lock = url, threading.Lock()
        self._clients: dict[Place, redis.Redis] = {}

    def look(self) -> Callable[[int], Found]:
        """Ask; what is returned says of a slot where its primary is. Both raise NoPrimary."""
        views = self.views(self.told())

        def of(slot: int) -> Found:
            view, has = latest(views, slot)
            return Found(has.primary, view.epoch(has.node))

        return of

    def told(self) -> list[Answer]:
        """What the nodes in the URL say: a View each, of those that answer."""
        return self._ask(self._url.nodes)

    def views(self, told: Sequence[Answer]) -> list[View]:
        """What the nodes believe. Raises: NoPrimary, if too few have answered."""
        named, views = self._url.nodes, said(told)
        if not is_majority(views, named):
            raise NoPrimary(_why_silent(told, len(views), len(named)))
        if (missing := _ENOUGH - len(named)) > 0:
            views += said(self._ask([place for place in _named(views) if place not in named][:missing]))
        return views

    def _ask(self, places: Sequence[Place]) -> list[Answer]:
        with self._lock:
            clients = [self._clients.setdefault(place, self._client(place)) for place in places]
        return ask_all(clients, view_of)

    def _client(self, place: Place) -> redis.Redis:
        client = redis.Redis.from_url(self._url.server, **OPTIONS)
        options = OPTIONS | {"host": place.host, "port": place.port, "decode_responses": False}
        client.connection_pool.connection_kwargs.update(options)
        return client


def view_of(client: redis.Redis) -> View:
    """What the node of a client believes. Raises: redis.RedisError."""
    with client.pipeline(transaction=False) as pipeline:
        pipeline.cluster("SLOTS")  # which name each node has for clients; the epochs are in the other
        pipeline.cluster("NODES")
        slots, nodes = pipeline.execute()
    asked = str(client.connection_pool.connection_kwargs["host"])
    ranges = (
        Range(first, last, _place(primary, asked), primary[2].decode(), tuple(_place(one, asked) for one in others))
        for first, last, primary, *others in slots
    )
    return View(tuple(ranges), {node["node_id"]: node for node in nodes.values()})


def _place(node: Sequence[Any], asked: str) -> Place:
    """A node that does not know its own address names none: it is where it was asked."""
    host = (node[0] or b"").decode()
    return Place(asked if host in ("", "?") else host, int(node[1]))


def _named(views: Sequence[View]) -> list[Place]:
    """Primaries before replicas, each once."""
    ranges = [one for view in views for one in view.ranges]
    return list(dict.fromkeys([one.primary for one in ranges] + [place for one in ranges for place in one.others]))


def latest(views: Sequence[View], slot: int) -> tuple[View, Range]:
    """Who has a slot, and the view that says so. Raises: NoPrimary."""
    found = [(view, one) for view in views if (one := view.of(slot)) and one.node in view.nodes]
    if not found:
        raise NoPrimary("no node of the cluster has the slot of our keys: see CLUSTER SLOTS, and the log of its nodes")
    believed, has = max(found, key=lambda each: each[0].epoch(each[1].node))
    agree = [view for view, one in found if one.node == has.node]
    if is_majority([view for view in agree if view.has_failed(has.node)], agree):
        raise NoPrimary("the cluster sees that the primary of our keys is away: wait for the failover, or see its logs")
    return believed, has


def _why_silent(told: Sequence[Answer], answered: int, asked: int) -> str:
    if refuses_us(told):
        return (
            "a node of the cluster refuses us: check user and password in TXN_REDIS_URL, and that this user may run "
            "CLUSTER SLOTS and CLUSTER NODES (ACL SETUSER ... +cluster)"
        )
    if any("cluster support disabled" in str(answer.error) for answer in told):
        return "what answers there is no cluster: use redis://, or redis+sentinel://"
    return (
        f"only {answered} of {asked} nodes of the cluster answer, and more than half must: check the hosts and ports "
        "in TXN_REDIS_URL, and whether their ports want TLS (rediss+cluster://)"
    )
