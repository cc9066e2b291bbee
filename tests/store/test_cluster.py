import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from ops.clusters import Sharded, names, with_buses
from ops.ports import free_port
from ops.waiting import until
from tests.parts import Clock, Parts
from tests.topologies import port
from txn.doctor import cluster as doctor
from txn.doctor.finding import Level
from txn.errors import StoreRefuses, StoreUnavailable
from txn.redis_places import Place, split_cluster_url
from txn.settings import Settings
from txn.store.asking import Found, NoPrimary
from txn.store.cluster import Range, View, latest
from txn.store.connection import connect
from txn.store.database import Database
from txn.store.keys import Keys, slot_of
from txn.store.server import REMEMBERED_S, Server

PROMPT_S = 10.0  # two on a machine that does nothing else
KEYS = Keys("{txn}:", "q")
SLOT = slot_of(KEYS)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Sharded]:
    with Sharded({name: free_port() for name in with_buses(names())}, tmp_path) as found:
        yield found


def open_client(cluster: Sharded, url: str = "") -> redis.Redis:
    return connect(url or cluster.url, timeout_ms=1_000, slot=SLOT)


def set_once(client: redis.Redis, value: str = "x") -> bool:
    try:
        return bool(client.set(KEYS.due, value))
    except redis.RedisError:
        return False


def test_a_new_primary_is_found_and_the_old_one_not_believed_when_it_comes_back(cluster: Sharded) -> None:
    old = cluster.primary(SLOT)
    with open_client(cluster) as client, open_client(cluster) as idle:
        assert port(client) == port(idle) == old.port
        server = idle.connection_pool.connection_kwargs["server"]
        old.freeze()
        until(lambda: server.primary.port != old.port, "the nodes name another one")
        old.thaw()
        assert idle.set(KEYS.due, "idle")
        until(lambda: cluster.primary(SLOT) is not old, "the node that is asked here knows")
        assert port(idle) == cluster.primary(SLOT).port != old.port
        until(lambda: cluster.primary(SLOT, cluster.name(old)) is not old, "it knows itself")
        new = cluster.primary(SLOT)
        new.kill()
        until(lambda: set_once(client), "it takes writes again")
        until(lambda: cluster.primary(SLOT) is not new, "every node knows the new one")
        assert port(client) == cluster.primary(SLOT).port


def test_a_planned_failover_and_a_slot_that_moves_are_followed_at_once(cluster: Sharded) -> None:
    old = cluster.primary(SLOT)
    with open_client(cluster) as client:
        assert port(client) == old.port
        assert client.set(KEYS.count, "kept")
        cluster.ask(cluster.replica(old), "CLUSTER", "FAILOVER")
        until(lambda: cluster.primary(SLOT) is not old, "there is a new primary")
        began_s = time.monotonic()
        until(lambda: set_once(client) and port(client) == cluster.primary(SLOT).port, "it is followed")
        new = cluster.primary(SLOT)
        other = cluster.ask("primary1", "CLUSTER", "MYID")
        cluster.ask(cluster.name(new), "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", SLOT, SLOT, "NODE", other.decode())
        until(lambda: set_once(client) and port(client) == cluster.servers["primary1"].port, "it is followed")
        assert time.monotonic() - began_s < 2 * PROMPT_S
        assert client.get(KEYS.count) == b"kept"


def test_while_keys_move_one_by_one_calls_are_refused_and_then_found_where_they_are(cluster: Sharded) -> None:
    source, target = cluster.primary(SLOT), cluster.servers["primary1"]
    ids = [cluster.ask(name, "CLUSTER", "MYID").decode() for name in (cluster.name(source), "primary1")]
    with Parts(cluster.url, Settings(prefix=KEYS.prefix), Clock()) as parts:
        first = parts.accept()
        cluster.ask("primary1", "CLUSTER", "SETSLOT", SLOT, "IMPORTING", ids[0])
        cluster.ask(cluster.name(source), "CLUSTER", "SETSLOT", SLOT, "MIGRATING", ids[1])
        with pytest.raises(StoreRefuses, match="is moving our keys to another node of its cluster: wait"):
            parts.accept()
        with redis.Redis(port=source.port) as client:
            moving: Any = client.keys("*")
            client.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *moving)
        for name in ("primary1", "primary0", "primary2"):
            cluster.ask(name, "CLUSTER", "SETSLOT", SLOT, "NODE", ids[1])
        until(lambda: accepts(parts), "it is followed")
        assert port(parts.client) == target.port
        assert parts.claimed(first).mode == "post"


def accepts(parts: Parts) -> bool:
    with contextlib.suppress(StoreUnavailable):
        return bool(parts.accept())
    return False


def test_more_than_half_of_the_named_nodes_must_answer_and_one_that_is_named_finds_others(cluster: Sharded) -> None:
    one = f"redis+cluster://127.0.0.1:{cluster.servers['primary2'].port}"
    three = f"{one},127.0.0.1:{cluster.servers['replica1'].port},127.0.0.1:{cluster.servers['primary1'].port}"
    with open_client(cluster, one) as client:
        assert port(client) == cluster.primary(SLOT).port
    cluster.servers["replica1"].kill()
    with open_client(cluster, three) as client:
        assert port(client) == cluster.primary(SLOT).port
    cluster.servers["primary2"].freeze()
    for url, said in ((three, "only 1 of 3 nodes of the cluster answer"), (one, "only 0 of 1 nodes")):
        with open_client(cluster, url) as client, pytest.raises(StoreUnavailable, match=said):
            Database(client, KEYS).call(lambda client: client.ping())
    cluster.servers["primary2"].thaw()


def test_the_doctor_looks_at_the_nodes(cluster: Sharded) -> None:
    url = split_cluster_url(cluster.url)
    assert url
    with open_client(cluster) as client:
        database = Database(client, KEYS)
        [well] = doctor.check(url, database)
        assert (well.level, well.found) == (Level.OK, "6 nodes answer, 3 of them primaries; our slot is 2128")
        cluster.servers["replica2"].kill()
        client.config_set("cluster-require-full-coverage", "yes")
        client.config_set("cluster-node-timeout", 200_000)
        found = list(doctor.check(url, database))
    seen = [(one.level, one.found) for one in found]
    assert seen == [
        (Level.WARN, "1 of 6 nodes do not answer"),
        (Level.WARN, "when another node is lost for good, ours takes no writes either"),
        (Level.WARN, "nodes count as away after 200000 ms"),
    ]
    assert f"start 127.0.0.1:{cluster.servers['replica2'].port}, or" in found[0].do


def test_a_server_that_is_no_cluster_is_told_so(server: Any) -> None:
    url, said = server.url.replace("redis://", "redis+cluster://"), "what answers there is no cluster: use redis://"
    with connect(url, timeout_ms=1_000) as client, pytest.raises(StoreUnavailable, match=said):
        Database(client, KEYS).call(lambda client: client.ping())


def view(owner: str, **epochs: int | tuple[int, str]) -> View:
    """Of a node for which `owner` has all slots."""
    seen = {name: said if isinstance(said, tuple) else (said, "master") for name, said in epochs.items()}
    nodes = {name: {"epoch": str(epoch), "flags": flags} for name, (epoch, flags) in seen.items()}
    return View((Range(0, 16_383, Place(owner, 1), owner, ()),), nodes)


def test_the_latest_configuration_counts_however_many_believe_an_older_one() -> None:
    views = [view("old", old=3, new=1), view("new", old=3, new=4), view("old", old=3)]
    assert latest(views, 7)[1].primary == ("new", 1)


def test_an_earlier_configuration_is_not_believed_for_a_while() -> None:
    server = Server()
    new, old = Place("new", 1), Place("old", 1)
    assert server.is_at(Found(old, 3)) == old
    assert server.is_at(Found(new, 4)) == new
    assert server.is_at(Found(old, 3)) == server.primary == new
    server._believed_s -= REMEMBERED_S  # the nodes were set up anew
    assert server.is_at(Found(old, 3)) == server.primary == old


def test_a_primary_that_the_others_have_seen_fail_is_not_named() -> None:
    failed, fine, suspected = (view("a", a=(3, flags)) for flags in ("master,fail", "master", "master,fail?"))
    assert latest([suspected, suspected], 7)[1].primary == ("a", 1)
    assert latest([failed, fine], 7)[1].primary == ("a", 1)
    with pytest.raises(NoPrimary, match="wait for the failover"):
        latest([failed, failed, fine], 7)
    with pytest.raises(NoPrimary, match="no node of the cluster has the slot"):
        latest([View((), {})], 7)
