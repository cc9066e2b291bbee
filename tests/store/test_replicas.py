"""A primary with a replica that is frozen and goes on: what only one of them has is not believed."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from ops.ports import free_port
from ops.redis_server import RedisServer
from ops.sentinels import SERVER
from ops.waiting import until
from tests.api.client import Connected, submit
from tests.parts import Clock, submission
from txn.errors import StoreUnavailable
from txn.model.claim import Claim
from txn.queue.message import NAME, message_template
from txn.settings import Settings
from txn.store.connection import connect
from txn.store.database import Database
from txn.store.flusher import Flusher
from txn.store.group_commit import GroupCommit
from txn.store.keys import Keys
from txn.store.replication import AGAIN_S, TOO_LATE, Replication
from txn.store.transactions import Store

PREFIX = "txn:"
#: Of a call that is to fail, and of one that is not, however busy the machine is.
HASTE_MS, PATIENCE_MS = 2_000, 60_000


class Pair:
    """A primary and its replica, in step."""

    def __init__(self, folder: Path, flavour: str) -> None:
        self.flavour = flavour
        self.primary = RedisServer(free_port(), folder / "primary", flavour, **SERVER).start()
        self.replica = RedisServer(free_port(), folder / "replica", flavour, **SERVER).start()
        with redis.Redis(port=self.replica.port) as client:
            client.replicaof("127.0.0.1", str(self.primary.port))
        until(lambda: self.online() == 1, "the replica is in step")
        with redis.Redis(port=self.replica.port) as client:
            until(lambda: not client.info("persistence")["aof_rewrite_in_progress"], "its log is complete")
        with redis.Redis(port=self.primary.port) as client:
            client.set("first", 1)
            until(lambda: client.wait(1, 5_000) == 1, "it has confirmed a write")

    def online(self) -> int:
        with redis.Redis(port=self.primary.port) as client:
            said = client.info("replication")
        return sum(said.get(name, {}).get("state") == "online" for name in ("slave0",))

    def kill(self) -> None:
        self.replica.kill()
        self.primary.kill()


@pytest.fixture(params=["valkey", "redis6"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    found = Pair(tmp_path, request.param)
    yield found
    found.kill()


@pytest.fixture
def new_store(pair: Pair) -> Iterator[Callable[..., Store]]:
    """On a connection of its own, as another process has one."""
    clients = []

    def new(timeout_ms: int = PATIENCE_MS) -> Store:
        clients.append(connect(pair.primary.url, timeout_ms=timeout_ms))
        database = Database(clients[-1], Keys(PREFIX, NAME), replicas=1)
        return Store(database, message_template(), Settings(prefix=PREFIX))

    yield new
    for client in clients:
        client.close()


New = Callable[..., Store]


def believed(claim: Callable[[], Claim | None]) -> Claim | None:
    """What a hasty store is told, once the replica has it."""
    found: list[Claim | None] = []

    def told() -> bool:
        with contextlib.suppress(StoreUnavailable):
            found.append(claim())
        return found != []

    until(told, "a replica has it")
    return found[0]


def test_what_a_replica_has_is_acknowledged(pair: Pair, new_store: New) -> None:
    new_store().accept(submission("a"))
    with redis.Redis(port=pair.replica.port) as replica:
        assert replica.hget("txn:t:a", "status") == b"pending"


def test_what_no_replica_has_is_not_acknowledged_nor_is_its_repeat_on_a_fresh_connection(
    pair: Pair, new_store: New
) -> None:
    pair.replica.freeze()
    for _ in range(2):  # the second only finds what the first has stored
        with pytest.raises(StoreUnavailable, match=r"0 of 1 replicas \(TXN_REDIS_REPLICAS\)"):
            new_store(HASTE_MS).accept(submission("a"))
    with redis.Redis(port=pair.primary.port) as primary:
        assert primary.exists("txn:t:a")
    pair.replica.thaw()
    transaction, is_new = new_store().accept(submission("a"))
    assert (transaction.id, is_new) == ("a", False)


def test_a_claim_and_its_end_are_believed_when_a_replica_has_them(pair: Pair, new_store: New) -> None:
    new_store().accept(submission("a"))
    store = new_store(HASTE_MS)
    pair.replica.freeze()
    with pytest.raises(StoreUnavailable):
        store.claim("a", "owner")
    with pytest.raises(StoreUnavailable):  # it is ours, and only here
        new_store(HASTE_MS).claim("a", "owner")
    pair.replica.thaw()
    claim = believed(lambda: store.claim("a", "owner"))
    assert claim is not None
    assert claim.mode == "post"


def test_what_no_replica_has_is_not_believed_at_maxmemory_either(pair: Pair, new_store: New) -> None:
    new_store().accept(submission("a"))
    pair.replica.freeze()
    with pytest.raises(StoreUnavailable):
        new_store(HASTE_MS).claim("a", "owner")
    with redis.Redis(port=pair.primary.port) as primary:
        primary.config_set("maxmemory", "1")
        with pytest.raises(StoreUnavailable):
            new_store(HASTE_MS).claim("a", "owner")
        pair.replica.thaw()
        assert new_store().claim("a", "owner") is not None
        primary.config_set("maxmemory", "0")


def test_the_flushers_batches_are_believed_when_a_replica_has_them(pair: Pair, new_store: New) -> None:
    new_store().accept(submission("a"))

    async def claim(timeout_ms: int) -> object:
        with connect(pair.primary.url, timeout_ms=timeout_ms) as client:
            database = Database(client, Keys(PREFIX, NAME), replicas=1)
            store = Store(database, message_template(), Settings(prefix=PREFIX))
            flusher = Flusher(database)
            try:
                return store.claimed("a", "owner", await flusher.run(store.claiming("a", "owner")))
            finally:
                flusher.close()

    pair.replica.freeze()
    with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
        asyncio.run(claim(HASTE_MS))
    pair.replica.thaw()
    assert asyncio.run(claim(PATIENCE_MS)) is not None


def test_a_script_that_the_server_does_not_know_is_sent_whole(pair: Pair, new_store: New) -> None:
    store = new_store()
    store.accept(submission("a"))
    with redis.Redis(port=pair.primary.port) as primary:
        primary.script_flush()
    assert store.accept(submission("b"))[1]


def memory_only(caplog: pytest.LogCaptureFixture) -> bool:
    return any(record.getMessage() == "What replicas confirm is in memory" for record in caplog.records)


def test_an_acknowledged_transaction_is_on_the_replicas_disk_if_the_server_can_say_so(
    pair: Pair, new_store: New, caplog: pytest.LogCaptureFixture
) -> None:
    store = new_store()
    for name in "abcd":
        store.accept(submission(name))
    with redis.Redis(port=pair.primary.port) as primary:
        waits = primary.info("commandstats").get("cmdstat_waitaof", {}).get("calls", 0)
    assert (waits >= 4) == (pair.flavour == "valkey")
    assert not memory_only(caplog)


def test_a_replica_that_syncs_once_a_second_is_not_waited_for_but_once_a_minute(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    with redis.Redis(port=pair.replica.port) as replica:
        replica.config_set("appendfsync", "no")
    clock = Clock()
    with connect(pair.primary.url, timeout_ms=2_000) as client, redis.Redis(port=pair.primary.port) as primary:
        replication = Replication(1, Keys(PREFIX, NAME), client, lambda: clock.shift_ms / 1000)
        group = GroupCommit(client, replication)

        def waits() -> int:
            """How often a replica's disk is waited for by so many calls that are believed."""
            primary.config_resetstat()
            for _ in range(2 * TOO_LATE):
                group.call("SET", "a", 1)
            return int(primary.info("commandstats").get("cmdstat_waitaof", {}).get("calls", 0))

        assert waits() == (TOO_LATE if pair.flavour == "valkey" else 0)
        assert waits() == 0
        assert memory_only(caplog) == (pair.flavour == "valkey")
        clock.forward(int(AGAIN_S * 1000))
        with redis.Redis(port=pair.replica.port) as replica:
            replica.config_set("appendfsync", "always")
        assert waits() == (2 * TOO_LATE if pair.flavour == "valkey" else 0)


def test_who_may_not_wait_is_told_so(pair: Pair) -> None:
    with redis.Redis(port=pair.primary.port) as admin:
        admin.execute_command("ACL", "SETUSER", "app", "on", "nopass", "~*", "+@all", "-wait")
    with connect(pair.primary.url.replace("//", "//app:x@"), timeout_ms=PATIENCE_MS) as client:
        store = Store(Database(client, Keys(PREFIX, NAME), replicas=1), message_template(), Settings(prefix=PREFIX))
        with pytest.raises(StoreUnavailable, match="may not run WAIT"):
            store.accept(submission("a"))


def test_health_says_on_how_many_and_too_few_replicas_are_refused_at_once(pair: Pair, clock: Clock) -> None:
    with Connected(pair.primary.url, Settings(prefix=PREFIX, redis_replicas=1), clock) as one:
        one.monitor.check(one.probe)
        assert submit(one.api).status_code == 202
        assert one.api.simulate_get("/api/health").json["durableOn"] == 2
        pair.replica.kill()
        until(lambda: pair.online() == 0, "the primary has noticed")
        one.monitor.check(one.probe)
        refused = submit(one.api)
        assert refused.status_code == 503
        assert "0 of 1 (TXN_REDIS_REPLICAS) are in step with it" in refused.json["detail"]
