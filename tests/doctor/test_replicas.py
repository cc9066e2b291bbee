from pathlib import Path

import pytest
import redis

from ops.mock_posting.client import MockPosting
from ops.ports import free_port
from ops.sentinels import NAME, Watched, names
from tests.cli.doctor_rig import found
from tests.cli.terminal import Commands

pytestmark = pytest.mark.timeout(300)


def test_what_a_failover_needs_is_checked(tmp_path: Path, mock: MockPosting) -> None:
    with Watched({name: free_port() for name in names()}, tmp_path) as watched:
        environment = {"TXN_REDIS_URL": watched.url, "TXN_POSTING_URL": mock.url}
        loose = Commands(environment)("doctor", "--json")
        assert found(loose, "redis replicas")["level"] == "warn"
        assert "TXN_REDIS_REPLICAS=1" in found(loose, "redis replicas")["do"]
        assert "min-replicas-to-write 1" in found(loose, "redis cut off")["do"]
        assert found(loose, "sentinels")["level"] == "ok"

        with redis.Redis(port=watched.primary().port) as primary:
            primary.config_set("min-replicas-to-write", 1)
        watched.ask("sentinel0", "SENTINEL", "SET", NAME, "down-after-milliseconds", "200")
        watched.servers["sentinel2"].kill()
        tight = Commands(environment | {"TXN_REDIS_REPLICAS": "1"})("doctor", "--json")
        assert found(tight, "redis replicas")["level"] == "note"
        assert not [one for one in tight.json["findings"] if one["check"] == "redis cut off"]
        said = [one["found"] for one in tight.json["findings"] if one["check"] == "sentinels"]
        assert said == ["1 of 3 do not answer", "they take a primary for dead after 200 ms"]

        assert found(tight, "redis replica disks")["level"] == "ok"
        with redis.Redis(port=watched.servers["replica"].port) as replica:
            replica.config_set("appendfsync", "everysec")
        late = found(Commands(environment | {"TXN_REDIS_REPLICAS": "1"})("doctor", "--json"), "redis replica disks")
        assert late["level"] == "warn"
        assert "CONFIG SET appendfsync always" in late["do"]

        missing = Commands(environment | {"TXN_REDIS_REPLICAS": "2"})("doctor", "--json")
        assert (missing.code, found(missing, "redis replicas")["level"]) == (1, "bad")
