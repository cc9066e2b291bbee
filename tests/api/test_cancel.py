from falcon.testing import Result, TestClient

from tests.api.client import problem, status, submit, with_id
from tests.api.test_keys import bearer, keyed_api
from tests.parts import Parts
from txn.store.durability import DurabilityMonitor


def cancel(api: TestClient, transaction_id: str, **headers: str) -> Result:
    return api.simulate_post(f"/api/transactions/{transaction_id}/cancel", headers=headers)


def test_it_is_taken_back_and_stays_so(api: TestClient) -> None:
    transaction_id = submit(api, key="k").json["transactionId"]
    found = cancel(api, transaction_id)
    assert (found.status_code, found.json["status"], found.json["error"]["code"]) == (200, "failed", "cancelled")
    assert found.json["completedAt"]
    assert cancel(api, transaction_id).json == status(api, transaction_id).json == found.json
    again = submit(api, key="k")
    assert (again.status_code, again.json) == (200, found.json)


def test_what_may_have_been_sent_is_409_and_says_why(api: TestClient, parts: Parts) -> None:
    submit(api, with_id("a"))
    parts.claimed("a")
    document = problem(cancel(api, "a"), 409, "not_cancellable")
    assert "may have been posted" in document["detail"]
    assert status(api, "a").json["status"] == "processing"


def test_what_is_not_there_is_404(api: TestClient) -> None:
    problem(cancel(api, "nobody"), 404, "not_found")
    problem(cancel(api, "a%20b"), 400, "invalid", "id")
    problem(api.simulate_get("/api/transactions/a/cancel"), 405, "method_not_allowed")


def test_only_its_client_can(parts: Parts, monitor: DurabilityMonitor) -> None:
    api = keyed_api(parts, monitor)
    submit(api, with_id("a"), **bearer("shop"))
    assert [cancel(api, "a", **bearer(name)).status_code for name in ("rival", "till", "books", "ops")] == [
        404,
        404,
        403,
        403,
    ]
    assert cancel(api, "a").status_code == 401
    assert cancel(api, "a", **bearer("shop")).status_code == 200
    assert '"by":"shop"' in parts.record("a")["history"]
