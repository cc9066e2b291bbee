import pytest
from falcon.testing import TestClient

from tests.parts import Parts
from txn import __version__
from txn.api.app import create_app
from txn.store.durability import DurabilityMonitor


def test_the_first_page_says_where_what_is(api: TestClient) -> None:
    result = api.simulate_get("/")
    assert (result.status_code, result.headers["Content-Type"]) == (200, "application/json")
    assert result.json == {
        "service": "txn",
        "version": __version__,
        "links": {
            "submit": "/api/transactions",
            "status": "/api/transactions/{transactionId}",
            "events": "/api/events",
            "health": "/api/health",
            "metrics": "/metrics",
            "docs": "/docs",
            "openapi": "/openapi.json",
        },
    }


def test_what_it_links_to_is_there(api: TestClient) -> None:
    for path in api.simulate_get("/").json["links"].values():
        assert api.simulate_options(path.replace("{transactionId}", "nobody")).status_code == 200


@pytest.mark.parametrize("there", [True, False])
def test_the_admin_site_is_named_where_it_is(parts: Parts, monitor: DurabilityMonitor, there: bool) -> None:
    api = TestClient(create_app(parts.store, parts.statistics, monitor, parts.timings, has_admin=there))
    assert api.simulate_get("/").json["links"].get("admin") == ("/admin" if there else None)
