import pytest
from falcon.testing import TestClient

from tests.api.client import problem, submit, with_id
from tests.parts import BODY, Parts
from txn.api.key_header import is_meant_for_the_key
from txn.model.ids import id_for_key

NAMES = [
    *("X-Idempotency-Key", "IdempotencyKey", "Idempotence-Key", "Idempotent-Key", "X-Request-Idempotency-Key"),
    *("Idempotency", "X-Idempotency", "Idempotency-Token", "Idempotency-Id", "Shop-Idempotency-Key"),
    *(
        "Idempotancy-Key",
        "Indempotency-Key",
        "Idempontency-Key",
        "Idempotecy-Key",
        "Idempotency-Keys",
        "Idempotency-Ky",
    ),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_can_only_be_meant_for_the_key_is_refused(api: TestClient, parts: Parts, name: str) -> None:
    found = problem(submit(api, **{name: "order-1"}), 400, "invalid", "Idempotency-Key")
    assert "is the name of the header" in found["detail"]
    assert name.lower() in found["detail"].lower()
    assert parts.queued() == []


@pytest.mark.parametrize(
    "name",
    ["X-Request-Id", "X-Api-Key", "Idempotent-Replayed", "Traceparent", "X-Correlation-Id", "Signature-Key", "Key"],
)
def test_other_headers_do_not_matter(api: TestClient, name: str) -> None:
    assert submit(api, key="k", **{name: "order-1"}).json["transactionId"] == id_for_key("k")


@pytest.mark.parametrize("value", ["order-1", "order-2"])
def test_a_second_key_under_another_name_is_refused_too(api: TestClient, value: str) -> None:
    problem(submit(api, key="order-1", **{"X-Idempotency-Key": value}), 400, "invalid", "Idempotency-Key")


@pytest.mark.parametrize(
    "query", ["idempotency_key=a", "x=1&Idempotency-Key=a", "idempotency%5Fkey=a", "idempotencyKey"]
)
def test_a_key_in_the_url_is_refused(api: TestClient, query: str) -> None:
    headers = {"Content-Type": "application/json"}
    result = api.simulate_post("/api/transactions", query_string=query, body=BODY, headers=headers)
    problem(result, 400, "invalid", "Idempotency-Key")


@pytest.mark.parametrize("trailer", ["Idempotency-Key", "X-Checksum, idempotency-key", "X-Idempotency-Key"])
def test_a_key_behind_the_body_is_refused(api: TestClient, trailer: str) -> None:
    problem(submit(api, Trailer=trailer), 400, "invalid", "Idempotency-Key")
    assert submit(api, Trailer="X-Checksum").status_code == 202


def test_another_query_does_not_matter(api: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    assert api.simulate_post("/api/transactions?trace=1", body=BODY, headers=headers).status_code == 202


@pytest.mark.parametrize("key", ["k,k", "k, k", "k,k,k", "a, b", "a,a, a", ",", ", "])
def test_a_key_that_somebody_on_the_way_has_joined_is_refused(api: TestClient, key: str) -> None:
    found = problem(submit(api, key=key), 400, "invalid", "Idempotency-Key")
    assert "more than once" in found["detail"]


@pytest.mark.parametrize("key", ["a,b", "customer,order", ",a", "a,", "a,b,a"])
def test_a_key_may_hold_a_comma(api: TestClient, key: str) -> None:
    assert submit(api, key=key).json["transactionId"] == id_for_key(key)


@pytest.mark.parametrize(
    ("quoted", "key"),
    [
        ('"k"', "k"),
        ('"a,a"', "a,a"),
        ('"a\\"b"', 'a"b'),
        ('"a\\\\b"', "a\\b"),
        ('"a\\\\\\"b"', 'a\\"b'),
        ("'k'", "'k'"),
        ('k"', 'k"'),
    ],
)
def test_a_key_in_quotes_is_the_same_key(api: TestClient, quoted: str, key: str) -> None:
    assert submit(api, key=quoted).json["transactionId"] == id_for_key(key)
    assert submit(api, key='"k"', body=with_id("k")).json["transactionId"] == "k"


@pytest.mark.parametrize(
    "key", ['"', '""', '"k', '"k"x', '"k";a=1', '"a"b"', '"a\\c"', '"a b"', '"a","b"', '"a","a"', '"k\\"']
)
def test_a_key_whose_quotes_are_wrong_is_refused(api: TestClient, key: str) -> None:
    problem(submit(api, key=key), 400, "invalid", "Idempotency-Key")


def test_what_a_header_is_meant_for_is_worked_out_once() -> None:
    is_meant_for_the_key("X-SOME-HEADER")
    before = is_meant_for_the_key.cache_info().hits
    is_meant_for_the_key("X-SOME-HEADER")
    assert is_meant_for_the_key.cache_info().hits == before + 1
