from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from ops.mock_posting.client import MockPosting
from ops.ports import free_port
from ops.redis_server import RedisServer
from ops.waiting import until
from tests.cli.doctor_rig import found
from tests.cli.terminal import Commands, Result

#: Changes the server, and says what the doctor finds then.
Looked = Callable[[Callable[[redis.Redis], object]], Result]


@pytest.fixture
def server(own_server: RedisServer) -> RedisServer:
    return own_server


@pytest.fixture
def looked(server: RedisServer, mock: MockPosting) -> Looked:
    def look(change: Callable[[redis.Redis], object]) -> Result:
        with redis.Redis.from_url(server.url) as client:
            change(client)
        return Commands({"TXN_REDIS_URL": server.url, "TXN_POSTING_URL": mock.url})("doctor", "--json")

    return look


def test_every_setting_that_can_lose_is_named_with_what_mends_it(looked: Looked) -> None:
    def spoil(client: redis.Redis) -> None:
        client.config_set("appendfsync", "everysec")
        client.config_set("no-appendfsync-on-rewrite", "yes")
        client.config_set("maxmemory-policy", "allkeys-lru")

    done = looked(spoil)
    wrong = [one["do"] for one in done.json["findings"] if one["check"] == "redis durability"]
    assert done.code == 1
    assert [text.partition(",")[0] for text in wrong] == [
        "run CONFIG SET appendfsync always",
        "run CONFIG SET no-appendfsync-on-rewrite no",
        "run CONFIG SET maxmemory-policy noeviction",
    ]


def test_a_replica_is_wrong(looked: Looked) -> None:
    done = looked(lambda client: client.replicaof("127.0.0.1", "1"))
    assert (done.code, found(done, "redis durability")["level"]) == (1, "bad")
    assert "primary" in found(done, "redis durability")["do"]


@pytest.mark.parametrize(("limit", "level"), [(1, "bad"), (10**12, "ok"), (0, "note")])
def test_memory_is_counted_against_its_limit(looked: Looked, limit: int, level: str) -> None:
    assert found(looked(lambda client: client.config_set("maxmemory", limit)), "redis memory")["level"] == level


def test_memory_that_is_nearly_used_up_is_a_warning(looked: Looked) -> None:
    def fill(client: redis.Redis) -> None:
        client.setrange("ballast", 20_000_000, "x")
        client.config_set("maxmemory", int(client.info()["used_memory"] * 1.1))

    assert found(looked(fill), "redis memory")["level"] == "warn"


def test_replicas_are_worth_a_word(looked: Looked, tmp_path: Path) -> None:
    other = RedisServer(free_port(), tmp_path / "replica")

    def replicate(client: redis.Redis) -> None:
        other.start()
        with redis.Redis.from_url(other.url) as replica:
            replica.replicaof("127.0.0.1", str(client.connection_pool.connection_kwargs["port"]))
        until_connected(client)

    try:
        done = looked(replicate)
    finally:
        other.kill()
    assert found(done, "redis replicas")["level"] == "note"
    assert "failover" in found(done, "redis replicas")["do"]


def until_connected(client: redis.Redis) -> None:
    until(lambda: bool(client.info("replication")["connected_slaves"]), "the replica is connected")


def test_a_right_that_is_missing_is_named(server: RedisServer, mock: MockPosting) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.execute_command("ACL", "SETUSER", "app", "on", ">s3cret", "~*", "+@all", "-xadd", "-unlink")
    url = server.url.replace("://", "://app:s3cret@")
    done = Commands({"TXN_REDIS_URL": url, "TXN_POSTING_URL": mock.url})("doctor", "--json")
    assert (done.code, found(done, "redis rights")["found"]) == (1, "refused: UNLINK XADD")
    assert "txn:" in found(done, "redis rights")["do"]
    assert "s3cret" not in done.out


def test_without_the_right_to_look_the_rest_is_still_looked_at(server: RedisServer, mock: MockPosting) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.execute_command("ACL", "SETUSER", "app", "on", ">s3cret", "~*", "+@all", "-info", "-config")
    url = server.url.replace("://", "://app:s3cret@")
    done = Commands({"TXN_REDIS_URL": url, "TXN_POSTING_URL": mock.url})("doctor", "--json")
    assert (done.code, found(done, "redis")["level"]) == (1, "bad")
    assert found(done, "redis rights")["level"] == "ok"
    assert found(done, "clocks")["level"] == "ok"


def test_it_leaves_nothing_behind_that_stays(server: RedisServer, looked: Looked) -> None:
    looked(lambda client: None)
    with redis.Redis.from_url(server.url) as client:
        assert [key for key in client.scan_iter() if client.ttl(key) < 0] == []
