from typing import Any
from urllib.parse import quote

import pytest
from falcon.testing import Result, TestClient

from tests.api.client import problem, submit, with_id
from tests.api.test_keys import bearer
from tests.parts import BODY, Parts


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


def test_all_are_listed_page_by_page_as_each_of_them_is_answered_alone(api: TestClient, parts: Parts) -> None:
    for number in range(5):
        submit(api, with_id(f"a{number}"))
    parts.claimed("a3")
    first = listing(api, "limit=3").json
    second = listing(api, f"limit=3&cursor={first['cursor']}").json
    found = first["transactions"] + second["transactions"]
    assert found == [api.simulate_get(f"/api/transactions/a{number}").json for number in (4, 3, 2, 1, 0)]
    assert second["cursor"] is None
    assert listing(api, "").json == {"transactions": found, "cursor": None}


def test_filters_are_read_as_they_are_written_elsewhere(api: TestClient, parts: Parts) -> None:
    submit(api, with_id("yen", BODY.replace(b"100.50", b"7").replace(b"USD", b"JPY")))
    parts.fail("bad")
    at = submit(api, with_id("new")).json["submittedAt"]
    later = "2999-01-01T00:00:00%2B01:00"

    def ids(query: str) -> list[str]:
        return [one["transactionId"] for one in listing(api, query).json["transactions"]]

    assert ids("status=failed") == ids("errorCode=rejected&status=failed") == ["bad"]
    assert ids("currency=JPY") == ["yen"]
    assert ids(f"since={later}") == ids("until=2020-01-01T00:00:00Z") == ids("errorCode=expired") == []
    assert "new" in ids(f"since={at}&until={later}")
    assert "new" not in ids(f"until={at}")


def test_an_unreadable_one_is_named(api: TestClient, parts: Parts) -> None:
    submit(api, with_id("newer"))
    parts.client.hset(parts.keys.record("newer"), "status", "archived")
    assert listing(api, "").json == {"transactions": [], "cursor": None, "unreadable": ["newer"]}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=done", "status"),
        ("status=Failed", "status"),
        ("status=", "status"),
        ("errorCode=discarded", "errorCode"),
        ("currency=usd", "currency"),
        ("currency=XXXX", "currency"),
        ("since=yesterday", "since"),
        ("since=2026-11-28T10:00:00", "since"),
        ("until=2026-11-28T10:00:00+01:00", "until"),
        ("until=9999-99-99T00:00:00Z", "until"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=1&limit=1", "limit"),
        ("cursor=", "cursor"),
        ("cursor=AAAA", "cursor"),
        ("cursor=%00%FF", "cursor"),
        ("idempotencyKey=a&limit=1", "limit"),
        ("Status=failed", "Status"),
    ],
)
def test_a_filter_that_is_none_is_refused(api: TestClient, query: str, field: str) -> None:
    problem(listing(api, query), 400, "invalid", field)


def test_a_cursor_belongs_to_its_question(api: TestClient) -> None:
    for number in range(2):
        submit(api, with_id(f"a{number}"))
    cursor = listing(api, "limit=1").json["cursor"]
    document = problem(listing(api, f"cursor={cursor}&status=pending"), 400, "invalid", "cursor")
    assert "same parameters" in document["detail"]
    assert listing(api, f"cursor={cursor}&limit=7").json["transactions"][0]["transactionId"] == "a0"


def test_a_client_lists_its_own_and_cannot_use_the_cursor_of_another(keyed: TestClient) -> None:
    for name in ("shop", "rival"):
        for number in range(2):
            submit(keyed, with_id(f"{name}-{number}"), **bearer(name))

    def ids(name: str) -> list[str]:
        return [one["transactionId"] for one in ask(name)["transactions"]]

    def ask(name: str, query: str = "") -> dict[str, Any]:
        found: dict[str, Any] = keyed.simulate_get(f"/api/transactions?{query}", headers=bearer(name)).json
        return found

    assert ids("shop") == ["shop-1", "shop-0"]
    assert ids("rival") == ["rival-1", "rival-0"]
    assert sorted(ids("ops")) == ["rival-0", "rival-1", "shop-0", "shop-1"]
    cursor = ask("shop", "limit=1")["cursor"]
    assert ask("rival", f"cursor={cursor}")["code"] == "invalid"
    assert keyed.simulate_get("/api/transactions", headers=bearer("till")).status_code == 403
