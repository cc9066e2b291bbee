import pytest
import redis
from falcon.testing import Result, TestClient

from tests.api.client import Connected, problem, status, submit, with_id
from tests.parts import Parts
from tests.proxy import CuttingProxy
from txn.api.app import create_app
from txn.model.outcome import Clear, Completed, Failed
from txn.model.transaction import ErrorCode, Evidence
from txn.store.durability import DurabilityMonitor


@pytest.fixture
def production(parts: Parts, monitor: DurabilityMonitor) -> TestClient:
    return TestClient(create_app(parts.store, parts.statistics, monitor, parts.timings, allow_cleanup=False))


def cleanup(api: TestClient, media_type: str = "application/json", host: str = "localhost") -> Result:
    return api.simulate_post("/api/cleanup", headers={"Content-Type": media_type}, host=host)


def ours(parts: Parts) -> set[bytes]:
    return set(parts.client.scan_iter(f"{parts.settings.prefix}*"))


def test_where_it_is_not_allowed_cleanup_is_403_and_deletes_nothing(production: TestClient, parts: Parts) -> None:
    submit(production, with_id("a"))
    before = ours(parts)
    document = problem(cleanup(production), 403, "cleanup_forbidden")
    assert "TXN_ALLOW_CLEANUP=1" in document["detail"]
    assert ours(parts) == before
    assert status(production, "a").status_code == 200


def test_where_it_is_allowed_cleanup_empties_the_store(api: TestClient, parts: Parts) -> None:
    for name in ("a", "b", "c"):
        submit(api, with_id(name))
    parts.settle(parts.claimed("a"), Completed(Evidence.POSTED))
    parts.settle(parts.claimed("b"), Failed(ErrorCode.REJECTED, "no", Clear()))
    kept = {parts.keys.epoch.encode()}
    expected = len(ours(parts) - kept)
    result = cleanup(api)
    assert result.status_code == 200
    assert result.json == {"deleted": expected}
    assert ours(parts) <= kept
    assert [status(api, name).status_code for name in ("a", "b", "c")] == [404, 404, 404]
    numbers = api.simulate_get("/api/health").json
    assert (numbers["queueDepth"], numbers["completed"], numbers["failed"]) == (0, 0, 0)


def test_after_a_cleanup_everything_works_as_before(api: TestClient, parts: Parts) -> None:
    parts.claimed(submit(api, with_id("a")).json["transactionId"])
    cleanup(api)
    assert submit(api, with_id("a")).status_code == 202
    assert parts.claimed("a").mode == "post"


def test_cleaning_an_empty_store_is_fine(api: TestClient) -> None:
    assert cleanup(api).json == {"deleted": 0}


def test_more_keys_than_one_chunk_are_deleted(api: TestClient, parts: Parts, raw: redis.Redis) -> None:
    raw.mset({parts.keys.record(str(number)): "" for number in range(3_500)})
    assert cleanup(api).json == {"deleted": 3_500}
    assert ours(parts) == set()


def test_keys_of_others_are_left_alone(api: TestClient, parts: Parts, raw: redis.Redis) -> None:
    stranger = f"x{parts.settings.prefix}due"
    raw.set(stranger, "mine")
    submit(api)
    cleanup(api)
    assert raw.get(stranger) == b"mine"
    raw.delete(stranger)


def test_without_redis_cleanup_is_503(remote: Connected, proxy: CuttingProxy) -> None:
    proxy.refuse()
    problem(cleanup(remote.api), 503, "redis_unavailable")


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "text/plain; application/json"]
)
def test_what_a_page_of_another_site_can_send_is_refused(api: TestClient, parts: Parts, media_type: str) -> None:
    submit(api, with_id("a"))
    problem(cleanup(api, media_type), 415, "unsupported_media_type", "Content-Type")
    assert status(api, "a").status_code == 200


@pytest.mark.parametrize("header", ["Origin", "Sec-Fetch-Site", "Referer"])
def test_a_post_without_anything_is_let_in_from_programs_only(api: TestClient, header: str) -> None:
    assert api.simulate_post("/api/cleanup", host="localhost").status_code == 200
    sent = api.simulate_post("/api/cleanup", host="localhost", headers={header: "x"})
    problem(sent, 415, "unsupported_media_type", "Content-Type")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("evil.example", 403),
        ("localhost", 200),
        ("127.0.0.1", 200),
        ("[::1]", 200),
        ("api", 200),
        ("127.0.0.1.x.yz", 403),
    ],
)
def test_a_page_whose_name_leads_here_is_refused(api: TestClient, host: str, expected: int) -> None:
    assert cleanup(api, host=host).status_code == expected
