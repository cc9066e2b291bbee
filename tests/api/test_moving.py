import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from ops.ports import free_port
from ops.redis_server import RedisServer
from ops.waiting import until
from tests.api.client import Connected, status, submit, with_id
from tests.parts import Clock
from tests.proxy import CuttingProxy
from txn.settings import Settings
from txn.store.connection import connect
from txn.store.group_commit import GroupCommit

#: The second that the monitor's look may be away, and another for everything else.
RECOVERY_S = 10.0  # two on a machine that does nothing else
Start = Callable[..., RedisServer]


class Pair:
    """Two servers behind a name. What is there stays at the first, who connects after `fail_over` meets the other."""

    def __init__(self, first: RedisServer, second: RedisServer) -> None:
        self.first, self.second, self.name = first, second, CuttingProxy(first.port)
        self.url = f"redis://127.0.0.1:{self.name.port}/0"
        self.demoted, self.promoted = redis.Redis(port=first.port), redis.Redis(port=second.port)
        self.promoted.replicaof("127.0.0.1", str(first.port))
        until(lambda: self.promoted.info("replication")["master_link_status"] == "up")

    def fail_over(self) -> None:
        until(lambda: self._behind() == 0)
        self.promoted.execute_command("REPLICAOF", "NO", "ONE")
        self.name.lead_to(self.second.port)
        self.demoted.execute_command("REPLICAOF", "127.0.0.1", str(self.second.port))

    def close(self) -> None:
        self.name.__exit__()
        self.demoted.close()
        self.promoted.close()

    def _behind(self) -> int:
        ahead, behind = self.demoted.info("replication"), self.promoted.info("replication")
        return int(ahead["master_repl_offset"] - behind["slave_repl_offset"])


@pytest.fixture(params=["valkey", "redis6"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    servers: list[RedisServer] = []

    def start(**config: str) -> RedisServer:
        config = {"repl_diskless_sync_delay": "0"} | config
        server = RedisServer(free_port(), tmp_path / str(len(servers)), request.param, **config)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def pair(start: Start) -> Iterator[Pair]:
    found = Pair(start(), start())
    yield found
    found.close()


@pytest.fixture
def writable(start: Start) -> Iterator[Pair]:
    """What is demoted goes on taking writes, all of which are lost."""
    found = Pair(start(replica_read_only="no"), start())
    yield found
    found.close()


def watching(pair: Pair, settings: Settings, clock: Clock) -> Connected:
    one = Connected(pair.url, settings, clock)
    one.monitor.watch(one.probe)
    return one


def test_submits_go_on_at_the_server_that_the_name_leads_to(pair: Pair, settings: Settings, clock: Clock) -> None:
    with watching(pair, settings, clock) as one:
        assert submit(one.api, with_id("before")).status_code == 202
        pair.fail_over()
        assert until(lambda: submit(one.api, with_id("after")).status_code in (200, 202)) < RECOVERY_S
        assert pair.promoted.exists(f"{settings.prefix}t:before", f"{settings.prefix}t:after") == 2
        assert until(lambda: one.api.simulate_get("/api/health").status_code == 200) < RECOVERY_S
        one.monitor.stop()


def test_nothing_is_acknowledged_by_a_demoted_server_that_goes_on_taking_writes(
    writable: Pair, settings: Settings, clock: Clock
) -> None:
    with watching(writable, settings, clock) as one:
        assert submit(one.api, with_id("before")).status_code == 202
        writable.fail_over()
        until(lambda: one.monitor.latest is not None and one.monitor.latest.run == run_id(writable.promoted))
        assert submit(one.api, with_id("after")).status_code == 202
        assert status(one.api, "after").status_code == 200
        assert writable.promoted.exists(f"{settings.prefix}t:after") == 1
        one.monitor.stop()


def run_id(client: redis.Redis) -> str:
    found: str = client.info("server")["run_id"]
    return found


def test_calls_that_a_demoted_server_answers_leave_it_too(writable: Pair) -> None:
    with connect(writable.url, timeout_ms=30_000) as client:
        group = GroupCommit(client)
        assert group.call("SET", "a", 1) == b"OK"
        writable.fail_over()

        def answered_by() -> str:
            return bytes(group.call("INFO", "server")).decode()

        assert until(lambda: run_id(writable.promoted) in answered_by())


def test_a_replica_that_nobody_writes_to_is_left_too(pair: Pair, settings: Settings, clock: Clock) -> None:
    with Connected(pair.url, settings, clock) as one:
        assert one.api.simulate_get("/api/health").status_code == 200
        pair.fail_over()
        pair.promoted.set(f"{settings.prefix}doctor", 1)
        asked = one.probe.connection_pool
        until(lambda: one.api.simulate_get("/api/health").status_code == 200, "it is healthy", RECOVERY_S)
        assert asked is one.probe.connection_pool


def test_a_connection_of_the_pool_leaves_what_another_one_has_found_demoted(pair: Pair) -> None:
    with connect(pair.url, timeout_ms=30_000) as client, connect(pair.url, timeout_ms=30_000) as other:
        client.set("a", 1)
        assert other.get("a") == b"1"
        pair.fail_over()
        with pytest.raises(redis.exceptions.ReadOnlyError):
            client.set("a", 2)
        client.set("a", 2)
        assert (other.info("server")["run_id"], other.get("a")) == (run_id(pair.promoted), b"2")


def test_a_server_that_stays_primary_behind_a_name_that_has_moved_is_left_in_time(start: Start) -> None:
    old, new = start(), start()
    with CuttingProxy(old.port) as name:
        url = f"redis://127.0.0.1:{name.port}/0"
        with connect(url, timeout_ms=30_000, max_age_ms=200) as client, redis.Redis(port=new.port) as admin:
            client.set("a", "old")
            name.lead_to(new.port)
            admin.set("a", "new")
            assert until(lambda: client.get("a") == b"new")


@pytest.mark.parametrize(
    ("setting", "refusing"), [("maxmemory", "1"), ("min_replicas_to_write", "1")], ids=["full", "alone"]
)
def test_a_primary_that_refuses_writes_is_left_for_where_the_name_leads(
    start: Start, setting: str, refusing: str
) -> None:
    old, new = start(), start()
    with CuttingProxy(old.port) as name, connect(f"redis://127.0.0.1:{name.port}/0", timeout_ms=30_000) as client:
        client.set("a", 1)
        with redis.Redis(port=old.port) as admin:
            admin.config_set(setting.replace("_", "-"), refusing)
        name.lead_to(new.port)
        with pytest.raises(redis.ResponseError):
            client.set("a", 2)
        client.set("a", 2)
        assert client.info("server")["run_id"] == run_id(redis.Redis(port=new.port))


def _works(client: redis.Redis) -> bool:
    with contextlib.suppress(redis.ConnectionError):  # the one that meets the closed connection
        return client.set("a", 2) is True
    return False


def test_a_server_that_closes_its_connections_is_left(start: Start) -> None:
    old, new = start(), start()
    with CuttingProxy(old.port) as name, connect(f"redis://127.0.0.1:{name.port}/0", timeout_ms=30_000) as client:
        client.set("a", 1)
        name.lead_to(new.port)
        with redis.Redis(port=old.port) as admin:
            admin.client_kill_filter(_type="normal", skipme=True)
        assert until(lambda: _works(client))
        assert client.info("server")["run_id"] == run_id(redis.Redis(port=new.port))
