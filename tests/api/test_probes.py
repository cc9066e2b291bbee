import pytest
from falcon.testing import TestClient

from ops.redis_server import RedisServer
from tests.api.client import SHORT_MS, Connected
from tests.api.test_outage import hanging, until_answered
from tests.parts import Clock, Parts
from tests.proxy import CuttingProxy
from txn.model.outcome import Cause, Clear, Retry
from txn.settings import Settings
from txn.store.durability import Durability, DurabilityMonitor


def test_a_process_with_a_durable_redis_is_alive_and_ready(api: TestClient) -> None:
    assert [api.simulate_get(path).json for path in ("/livez", "/readyz")] == [{"status": "alive"}, {"status": "ready"}]


def test_without_redis_it_is_alive_and_not_ready_until_redis_is_back(remote: Connected, proxy: CuttingProxy) -> None:
    proxy.refuse()
    assert remote.api.simulate_get("/livez").status_code == 200
    result = remote.api.simulate_get("/readyz")
    assert (result.status_code, result.json["status"]) == (503, "unready")
    assert result.json["reason"].startswith("Redis cannot be reached: it closed the connection")
    proxy.mend()
    assert remote.api.simulate_get("/readyz").status_code == 200


def test_with_a_redis_that_hangs_it_is_not_ready(server: RedisServer, settings: Settings, clock: Clock) -> None:
    with Connected(server.url, settings, clock, timeout_ms=SHORT_MS) as one:
        with hanging(server):
            assert one.api.simulate_get("/readyz").status_code == 503
        assert until_answered(lambda: one.api.simulate_get("/readyz")).status_code == 200


@pytest.mark.parametrize("found", [Durability("lossy", "appendonly is 'no'"), Durability("durable", full=True)])
def test_with_a_redis_that_cannot_keep_another_transaction_it_is_not_ready(
    api: TestClient, monitor: DurabilityMonitor, found: Durability
) -> None:
    monitor.latest = found
    result = api.simulate_get("/readyz")
    assert result.status_code == 503
    assert (found.problem or "Redis is full") in result.json["reason"]


def test_with_the_posting_service_away_it_is_ready(api: TestClient, parts: Parts) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), Retry(Cause.OUTAGE, "refused", Clear(), 0), outage="refused")
    parts.clock.forward(60_000)
    assert parts.read_statistics().posting_away
    assert api.simulate_get("/readyz").status_code == 200


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/api/health", "/metrics", "/api/transactions/a", "/api/nowhere"]
)
def test_a_head_is_answered_as_a_get_without_its_body(api: TestClient, parts: Parts, path: str) -> None:
    parts.accept("a")
    named = {"X-Request-Id": "a"}
    head, get = api.simulate_head(path, headers=named), api.simulate_get(path, headers=named)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    if path != "/metrics":  # it tells what it measures
        assert head.headers == get.headers
    assert int(head.headers["Content-Length"]) > 0


def test_a_head_of_what_cannot_be_read_fails_as_a_get_does(remote: Connected, proxy: CuttingProxy) -> None:
    proxy.refuse()
    assert [remote.api.simulate_head(path).status_code for path in ("/livez", "/readyz", "/api/health")] == [
        200,
        503,
        503,
    ]
