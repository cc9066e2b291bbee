from urllib.parse import quote

import pytest
from falcon.testing import Result, TestClient

from tests.api.client import problem, submit, with_id
from tests.parts import Parts


def listing(api: TestClient, query: str) -> Result:
    return api.simulate_get(f"/api/transactions?{query}")


@pytest.mark.parametrize("key", ["order-1", "a+b", "a&b=c", "x" * 255])
def test_a_key_that_has_arrived_leads_to_its_transaction(api: TestClient, parts: Parts, key: str) -> None:
    submit(api, key="another")
    transaction = submit(api, key=key).json
    for written in (key, f'"{key}"'):
        result = listing(api, f"idempotencyKey={quote(written, safe='')}")
        assert (result.status_code, result.json) == (200, {"transactions": [transaction]})
    parts.claimed(transaction["transactionId"])
    assert listing(api, f"idempotencyKey={quote(key, safe='')}").json["transactions"][0]["status"] == "processing"


def test_a_key_that_has_not_arrived_leads_to_nothing(api: TestClient) -> None:
    submit(api, with_id("k"))  # an id, which nobody has sent as a key
    submit(api, b"{", key="k")
    assert listing(api, "idempotencyKey=k").json == {"transactions": []}


@pytest.mark.parametrize(
    "query",
    [
        "idempotencyKey=",
        "idempotencyKey=a+b",
        "idempotencyKey=%FF",
        "idempotencyKey=%22a",
        "idempotencyKey=a&idempotencyKey=a",
    ],
)
def test_a_question_that_is_none_is_refused(api: TestClient, query: str) -> None:
    document = problem(listing(api, query), 400, "invalid", listing(api, query).json["field"])
    assert document["field"] in ("Idempotency-Key", "idempotencyKey")


@pytest.mark.parametrize(("query", "field"), [("idempotency_key=a", "idempotency_key"), ("idempotencyKey=a&x=1", "x")])
def test_a_parameter_that_would_be_overlooked_is_refused(api: TestClient, query: str, field: str) -> None:
    problem(listing(api, query), 400, "invalid", field)
