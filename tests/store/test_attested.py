"""A real server whose user may not look at its settings, as managed services have it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from ops.mock_posting.client import MockPosting
from ops.ports import free_port
from ops.redis_server import RedisServer
from tests.api.client import Connected, submit
from tests.cli.doctor_rig import found
from tests.cli.terminal import Commands
from tests.parts import Clock
from txn.settings import Settings
from txn.store.connection import connect
from txn.store.durability import DurabilityMonitor

WHO = "the service's contract"
ATTESTED = {"TXN_REDIS_DURABILITY": f"attested:{WHO}"}
Hiding = Callable[..., str]


@pytest.fixture(params=["valkey", "redis6"])
def hiding(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hiding]:
    """Starts a server with these settings, which it hides: the URL of a user who may not see them."""
    servers = []

    def start(hidden: str = "-config", then: str = "PING", **config: str) -> str:
        server = RedisServer(free_port(), tmp_path, request.param, **config).start()
        servers.append(server)
        with redis.Redis(port=server.port) as admin:
            admin.execute_command("ACL", "SETUSER", "app", "on", ">hunter2", "~*", "+@all", *hidden.split())
            admin.execute_command(*then.split())
        return f"redis://app:hunter2@127.0.0.1:{server.port}/0"

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def api(clock: Clock) -> Iterator[Callable[[str, dict[str, str]], Connected]]:
    opened = []

    def open_api(url: str, environment: dict[str, str]) -> Connected:
        one = Connected(url, Settings.from_environment(environment), clock)
        opened.append(one)
        return one

    yield open_api
    for one in opened:
        one.__exit__()


Open = Callable[[str, dict[str, str]], Connected]


def test_hidden_settings_are_refused_with_the_two_ways_out(hiding: Hiding, api: Open) -> None:
    refused = submit(api(hiding(), {}).api)
    assert refused.status_code == 503
    assert "CONFIG GET and INFO are not allowed here" in refused.json["detail"]
    assert "TXN_REDIS_DURABILITY=attested:<who>" in refused.json["detail"]


@pytest.mark.parametrize("hidden", ["-config", "-config -info"])
def test_what_somebody_attests_is_accepted_and_health_and_metrics_say_who(
    hiding: Hiding, api: Open, hidden: str
) -> None:
    one = api(hiding(hidden), ATTESTED)
    assert submit(one.api).status_code == 202
    one.monitor.check(one.probe)
    if "-info" not in hidden:
        health = one.api.simulate_get("/api/health").json
        assert (health["durability"], health["attestedBy"]) == ("attested", WHO)
        metrics = one.api.simulate_get("/metrics", remote_addr="127.0.0.1").text
        assert f'txn_redis_attested{{by="{WHO}"}} 1.0' in metrics
        assert "txn_redis_durable 1.0" in metrics


def test_where_the_settings_can_be_seen_nobody_needs_to_attest_them(hiding: Hiding, api: Open) -> None:
    one = api(hiding("+config"), ATTESTED)
    assert submit(one.api).status_code == 202
    health = one.api.simulate_get("/api/health").json
    assert (health["durability"], health["attestedBy"]) == ("durable", None)


def may_lose(url: str, **how: Any) -> bool:
    monitor = DurabilityMonitor(allow_lossy=False, fails_over=True, **how)
    with connect(url, timeout_ms=30_000) as client:
        monitor.check(client)
    return monitor.may_lose_at_failover


def test_a_failover_is_a_risk_unless_somebody_attests_what_cannot_be_seen(hiding: Hiding) -> None:
    url = hiding()
    assert may_lose(url)
    assert not may_lose(url, attested_by=WHO)


def test_a_failover_is_a_risk_unless_replicas_are_waited_for(hiding: Hiding) -> None:
    url = hiding("+config")
    assert may_lose(url, attested_by=WHO)
    assert not may_lose(url, replicas=1)


def test_no_attestation_stands_against_what_is_seen(hiding: Hiding, api: Open) -> None:
    shown = submit(api(hiding("+config", appendfsync="everysec"), ATTESTED).api)
    assert "appendfsync is 'everysec'" in shown.json["detail"]
    evicts = submit(api(hiding(maxmemory_policy="allkeys-lru"), ATTESTED).api)
    assert "maxmemory-policy is 'allkeys-lru'" in evicts.json["detail"]
    replica = submit(api(hiding(then="REPLICAOF 127.0.0.1 1"), ATTESTED).api)
    assert replica.status_code == 503


def test_the_doctor_and_the_audit_say_who_attests_it(hiding: Hiding, mock: MockPosting) -> None:
    txn = Commands({"TXN_REDIS_URL": hiding(appendonly="no"), "TXN_POSTING_URL": mock.url} | ATTESTED)
    said = found(txn("doctor", "--json"), "redis durability")
    assert said["level"] == "warn"
    assert f"attested by {WHO}, not checked" in said["found"]
    assert "no append-only file" in said["found"]
    certificate = txn("audit", "--json").json
    assert certificate["redis"] == {"durability": "attested", "attested_by": WHO}
    assert any(f"attested by {WHO}, not checked" in note for note in certificate["notes"])
    assert f"attested by {WHO}" in txn("status").out
