import pytest
from falcon.testing import Result, TestClient

from tests.api.client import status, submit
from tests.parts import Parts
from txn.api.app import create_app
from txn.settings import Settings
from txn.store.durability import DurabilityMonitor
from txn.url import split_origins

SHOP, OTHER = "https://shop.example", "http://localhost:3000"


def allowing(parts: Parts, monitor: DurabilityMonitor, text: str) -> TestClient:
    origins = split_origins(Settings.from_environment({"TXN_CORS_ORIGINS": text}).cors_origins)
    return TestClient(
        create_app(
            parts.store,
            parts.statistics,
            monitor,
            parts.timings,
            allow_cleanup=True,
            cors_origins=origins,
            has_admin=True,
        )
    )


@pytest.fixture
def shops(parts: Parts, monitor: DurabilityMonitor) -> TestClient:
    return allowing(parts, monitor, f"{SHOP}, {OTHER}")


def preflight(api: TestClient, path: str, origin: str, method: str, headers: str | None = None) -> Result:
    sent = {"Origin": origin, "Access-Control-Request-Method": method}
    return api.simulate_options(path, headers=sent | ({"Access-Control-Request-Headers": headers} if headers else {}))


def cors(result: Result) -> dict[str, str]:
    return {name: value for name, value in result.headers.items() if name.startswith("access-control-")}


def test_without_the_setting_nobody_is_allowed_and_nothing_is_said(api: TestClient) -> None:
    result = submit(api, Origin=SHOP)
    assert (result.status_code, cors(result), result.headers.get("Vary")) == (202, {}, None)
    assert cors(preflight(api, "/api/transactions", SHOP, "POST", "content-type")) == {}


@pytest.mark.parametrize("origin", [SHOP, OTHER])
def test_a_page_of_a_named_origin_may_submit_and_reads_what_it_needs(shops: TestClient, origin: str) -> None:
    asked = preflight(shops, "/api/transactions", origin, "POST", "content-type,idempotency-key")
    assert asked.status_code == 200
    assert asked.headers["Access-Control-Allow-Origin"] == origin
    assert "POST" in asked.headers["Access-Control-Allow-Methods"]
    assert asked.headers["Access-Control-Allow-Headers"] == "content-type,idempotency-key"
    assert asked.headers["Vary"] == "Origin"
    sent = submit(shops, key="k", Origin=origin)
    assert sent.status_code == 202
    assert cors(sent) == {
        "access-control-allow-origin": origin,
        "access-control-expose-headers": "Location, Idempotent-Replayed, Retry-After, X-Request-Id",
    }
    assert sent.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        *(("GET", path, 200) for path in ("/", "/api/health", "/livez", "/readyz")),
        *(("POST", "/api/cleanup", 415), ("POST", "/api/transactions", 415), ("GET", "/api/transactions/nobody", 404)),
        *(("GET", "/api/transactions/a b", 400), ("PUT", "/api/transactions", 405), ("GET", "/nowhere", 404)),
    ],
)
def test_whatever_the_answer_is_the_page_can_read_it(shops: TestClient, method: str, path: str, code: int) -> None:
    result = shops.simulate_request(method, path, headers={"Origin": SHOP})
    assert result.status_code == code
    assert result.headers["Access-Control-Allow-Origin"] == SHOP


@pytest.mark.parametrize(
    "origin",
    [
        *(
            "https://evil.example",
            "null",
            "http://shop.example",
            "https://shop.example:444",
            "https://shop.example.evil",
        ),
        *("https://a.shop.example", "https://SHOP.example", "https://shop.example/", "https://shop.example, x", ""),
    ],
)
def test_another_origin_is_told_nothing_and_caches_know_why(shops: TestClient, origin: str) -> None:
    for result in (submit(shops, Origin=origin), preflight(shops, "/api/transactions", origin, "POST")):
        assert (cors(result), result.headers["Vary"]) == ({}, "Origin")


def test_an_answer_without_an_origin_says_that_it_depends_on_it(shops: TestClient) -> None:
    result = status(shops, submit(shops).json["transactionId"])
    assert (cors(result), result.headers["Vary"]) == ({}, "Origin")


@pytest.mark.parametrize("origin", [SHOP, "https://anybody.example", "null"])
def test_a_star_allows_everybody(parts: Parts, monitor: DurabilityMonitor, origin: str) -> None:
    api = allowing(parts, monitor, "*")
    assert submit(api, Origin=origin).headers["Access-Control-Allow-Origin"] == "*"
    assert preflight(api, "/api/transactions", origin, "POST").headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("text", ["*", SHOP])
def test_metrics_are_for_no_page_and_credentials_for_none_at_all(
    parts: Parts, monitor: DurabilityMonitor, text: str
) -> None:
    api = allowing(parts, monitor, text)
    for result in (
        api.simulate_get("/metrics", headers={"Origin": SHOP}),
        preflight(api, "/metrics", SHOP, "GET", "authorization"),
    ):
        assert cors(result) == {}
    for result in (submit(api, Origin=SHOP, Cookie="a=b"), preflight(api, "/api/transactions", SHOP, "POST")):
        assert "Access-Control-Allow-Credentials" not in result.headers


def test_a_preflight_of_a_path_that_is_not_there_allows_nothing(shops: TestClient) -> None:
    assert "Access-Control-Allow-Methods" not in preflight(shops, "/nowhere", SHOP, "GET").headers
