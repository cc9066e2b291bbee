import pytest
from falcon.testing import TestClient

from tests.api.client import problem
from tests.parts import Parts
from txn.model.transaction import rfc3339

FORM = {"amount": 1, "currency": "USD", "description": "Payment"}


def submitted(api: TestClient, parts: Parts, in_ms: int) -> tuple[int, dict[str, str], str]:
    at = rfc3339(parts.read_statistics().now_ms + in_ms)
    found = api.simulate_post("/api/transactions", json=FORM | {"deliverBy": at}, headers={"Idempotency-Key": "k"})
    return found.status_code, found.json, at


def test_an_expiry_is_shown_in_every_answer_and_a_repeat_is_told_the_first(api: TestClient, parts: Parts) -> None:
    status, said, at = submitted(api, parts, 60_000)
    assert (status, said["deliverBy"]) == (202, at)
    asked = api.simulate_get(f"/api/transactions/{said['transactionId']}")
    assert asked.json["deliverBy"] == at
    status, said, _ = submitted(api, parts, -60_000)
    assert (status, said["deliverBy"]) == (200, at)


def test_one_that_is_over_is_refused_with_the_time_that_it_is(api: TestClient, parts: Parts) -> None:
    status, said, _ = submitted(api, parts, -1)
    assert (status, said["field"]) == (400, "deliverBy")
    assert said["detail"].startswith("is over: it is 2")
    assert parts.read_statistics().totals.accepted == 0


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59.999-00:01"])
def test_one_that_is_no_time_in_utc_is_refused_before_anything_is_stored(
    api: TestClient, parts: Parts, at: str
) -> None:
    found = api.simulate_post("/api/transactions", json=FORM | {"deliverBy": at})
    problem(found, 400, "invalid", "deliverBy")
    assert parts.read_statistics().totals.accepted == 0
    latest = api.simulate_post("/api/transactions", json=FORM | {"deliverBy": "9999-12-31T23:59:59.999Z"})
    assert latest.json["deliverBy"] == "9999-12-31T23:59:59.999Z"
