import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import redis
from falcon.testing import TestClient

from tests.api.client import OTHER_BODY, problem, status, submit, with_id
from tests.parts import BODY, Parts
from txn.model.ids import id_for_key
from txn.model.outcome import Completed
from txn.model.transaction import Evidence

TIME = re.compile(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z")


def records(parts: Parts) -> int:
    return sum(1 for _ in parts.client.scan_iter(f"{parts.settings.prefix}t:*"))


def test_a_new_transaction_is_accepted_with_202_in_the_shape_of_the_contract(api: TestClient) -> None:
    result = submit(api)
    transaction_id = result.json["transactionId"]
    assert result.status_code == 202
    assert result.headers["Content-Type"] == "application/json"
    assert result.headers["Location"] == f"/api/transactions/{transaction_id}"
    assert "Idempotent-Replayed" not in result.headers
    assert uuid.UUID(transaction_id).version == 4
    assert TIME.fullmatch(result.json["submittedAt"])
    assert result.json == {
        "transactionId": transaction_id,
        "status": "pending",
        "submittedAt": result.json["submittedAt"],
        "completedAt": None,
        "error": None,
    }


def test_the_location_leads_to_the_same_transaction(api: TestClient) -> None:
    accepted = submit(api)
    assert api.simulate_get(accepted.headers["Location"]).json == accepted.json


def test_what_is_stored_is_what_was_sent_digit_by_digit(api: TestClient, parts: Parts, raw: redis.Redis) -> None:
    sent = '{"amount":99999999.99,"currency":"EUR","description":"Zahlung \u20ac","metadata":{"a":1.10,"b":1E+5}}'
    stored = raw.get(parts.keys.payload(submit(api, sent.encode()).json["transactionId"]))
    assert stored == sent.encode()
    assert json.loads(stored, parse_float=Decimal)["amount"] == Decimal("99999999.99")


def test_two_submits_without_a_name_are_two_transactions(api: TestClient, parts: Parts) -> None:
    first, second = submit(api), submit(api)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json["transactionId"] != second.json["transactionId"]
    assert records(parts) == 2


# --- the same again


def test_the_same_key_with_the_same_content_is_the_same_transaction(api: TestClient, parts: Parts) -> None:
    first = submit(api, key="order-1")
    parts.clock.forward(60_000)
    again = submit(api, key="order-1")
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert again.json == first.json
    assert first.json["transactionId"] == id_for_key("order-1")
    assert records(parts) == 1
    assert len(parts.queued()) == 1


def test_the_same_id_with_the_same_content_is_the_same_transaction(api: TestClient, parts: Parts) -> None:
    first, again = submit(api, with_id("order:1")), submit(api, with_id("order:1"))
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json == first.json
    assert first.json["transactionId"] == "order:1"
    assert records(parts) == 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"amount":"100.5","currency":"USD","description":"Payment","metadata":{"order_id":"12345"}}',
        b'{"metadata":{"order_id":"12345"},"description":"Payment","currency":"USD","amount":1.005e2}',
        b' {"amount":100.500,"currency":"USD","description":"\\u0050ayment","metadata":{"order_id":"12345"}}\n',
    ],
)
def test_the_same_content_may_be_written_differently(api: TestClient, body: bytes) -> None:
    submit(api, key="k")
    assert submit(api, body, key="k").status_code == 200


def test_a_repeat_with_another_timestamp_is_the_same_transaction(api: TestClient, parts: Parts) -> None:
    def at(timestamp: str) -> bytes:
        return BODY.removesuffix(b"}") + f', "timestamp": {timestamp}}}'.encode()

    first = submit(api, at('"2025-11-28T12:00:00Z"'), key="k")
    again = [submit(api, body, key="k") for body in (at('"2025-11-28T12:00:07+00:00"'), at("1764331207"), BODY)]
    assert (first.status_code, [repeat.status_code for repeat in again]) == (202, [200] * 3)
    assert {repeat.json["transactionId"] for repeat in again} == {first.json["transactionId"]}
    assert records(parts) == 1


def test_repeating_shows_the_transaction_as_it_is_now(api: TestClient, parts: Parts) -> None:
    transaction_id = submit(api, key="k").json["transactionId"]
    claim = parts.claimed(transaction_id)
    assert submit(api, key="k").json["status"] == "processing"
    parts.settle(claim, Completed(Evidence.POSTED))
    again = submit(api, key="k")
    assert again.status_code == 200
    assert again.json["status"] == "completed"
    assert TIME.fullmatch(again.json["completedAt"])
    assert again.json == status(api, transaction_id).json
    assert parts.due_score(transaction_id) is None


@pytest.mark.parametrize(
    ("body", "differs"),
    [
        (OTHER_BODY, ["amount"]),
        (BODY.replace(b"USD", b"EUR"), ["currency"]),
        (BODY.replace(b"Payment", b"payment"), ["description"]),
        (BODY.replace(b'"12345"', b"12345"), ["metadata"]),
        (b'{"amount": 100.50, "currency": "USD", "description": "Payment"}', ["metadata"]),
        (OTHER_BODY.replace(b"USD", b"EUR"), ["amount", "currency"]),
    ],
)
def test_a_known_key_with_other_content_is_422_says_which_and_changes_nothing(
    api: TestClient, parts: Parts, body: bytes, differs: list[str]
) -> None:
    first = submit(api, key="k")
    document = problem(submit(api, body, key="k"), 422, "content_conflict", "Idempotency-Key")
    assert document["differs"] == differs
    assert document["detail"].endswith(f"with other content, in {', '.join(differs)}")
    assert "100.5" not in document["detail"]
    assert submit(api, key="k").json == first.json
    assert records(parts) == 1


def test_a_known_id_with_other_content_is_409_and_changes_nothing(api: TestClient, parts: Parts) -> None:
    first = submit(api, with_id("a"))
    problem(submit(api, with_id("a", OTHER_BODY)), 409, "content_conflict", "id")
    assert status(api, "a").json == first.json
    assert records(parts) == 1


@pytest.mark.parametrize("stored", [None, b"", b"{", b"[]", b"7"])
def test_a_conflict_is_one_also_if_what_was_stored_cannot_be_read(
    api: TestClient, parts: Parts, raw: redis.Redis, stored: bytes | None
) -> None:
    submit(api, with_id("a"))
    raw.delete(parts.keys.payload("a"))
    if stored is None:
        raw.hset(parts.keys.payload("a"), "another", "type")
    else:
        raw.set(parts.keys.payload("a"), stored)
    document = problem(submit(api, with_id("a", OTHER_BODY)), 409, "content_conflict", "id")
    assert document["differs"] == []


def test_what_was_refused_has_not_used_the_key_up(api: TestClient) -> None:
    for body in (b"{", BODY.replace(b"100.50", b"-1"), BODY + b" " * 70_000, with_id("other")):
        assert submit(api, body, key="k").status_code in (400, 413)
    assert api.simulate_post("/api/transactions", body=BODY, headers={"Idempotency-Key": "k"}).status_code == 415
    assert submit(api, key="k").status_code == 202


def test_an_id_and_an_equal_key_are_the_id(api: TestClient) -> None:
    first = submit(api, with_id("a"), key="a")
    assert (first.status_code, first.json["transactionId"]) == (202, "a")
    assert submit(api, with_id("a")).status_code == 200
    assert submit(api, with_id("a"), key="a").status_code == 200
    problem(submit(api, with_id("a", OTHER_BODY), key="a"), 409, "content_conflict", "id")


def test_an_id_and_another_key_are_refused(api: TestClient, parts: Parts) -> None:
    problem(submit(api, with_id("a"), key="b"), 400, "invalid", "Idempotency-Key")
    assert records(parts) == 0


def test_an_id_that_a_key_stands_for_belongs_to_that_key(api: TestClient) -> None:
    submit(api, key="k")
    assert submit(api, with_id(id_for_key("k"))).status_code == 200
    problem(submit(api, with_id(id_for_key("k"), OTHER_BODY)), 409, "content_conflict", "id")


def test_of_many_equal_submits_at_once_one_is_new(api: TestClient, parts: Parts) -> None:
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda _: submit(api, key="k"), range(64)))
    assert sorted(result.status_code for result in results) == [200] * 63 + [202]
    assert len({result.text for result in results}) == 1
    assert records(parts) == 1
    assert parts.queued() == [id_for_key("k")]


# --- what is refused

INVALID = [
    (b"", "body", "invalid_json"),
    (b"x", "body", "invalid_json"),
    (b"[" * 30_000, "body", "invalid_json"),
    (b"\xff", "body", "invalid_json"),
    (b"[]", "body", "invalid"),
    (b"{}", "amount", "invalid"),
    (BODY.replace(b"100.50", b"NaN"), "amount", "invalid_json"),
    (BODY.replace(b"100.50", b"1e999"), "amount", "invalid"),
    (BODY.replace(b"100.50", b"100.505"), "amount", "invalid"),
    (BODY.replace(b"100.50", b"99999999.990000000000000001"), "amount", "invalid"),
    (BODY.replace(b"100.50", b"true"), "amount", "invalid"),
    (BODY.replace(b"USD", b"usd"), "currency", "invalid"),
    (BODY.replace(b"Payment", b""), "description", "invalid"),
    (BODY.replace(b"Payment", b"\\ud800"), "description", "invalid_json"),
    (BODY.replace(b"Payment", b"\\u0000"), "description", "invalid"),
    (BODY.replace(b'"12345"', b'"' + b"x" * 9_000 + b'"'), "metadata", "invalid"),
    (BODY.replace(b'"metadata"', b'"currency"'), "currency", "invalid_json"),
    (BODY.replace(b'"metadata"', b'"<script>"'), "<script>", "invalid"),
    (with_id("a/b"), "id", "invalid"),
    (with_id(".."), "id", "invalid"),
    (with_id("a" * 65), "id", "invalid"),
]


@pytest.mark.parametrize(("body", "field", "code"), INVALID, ids=lambda value: repr(value)[:40])
def test_what_is_wrong_is_refused_with_400_and_named(api: TestClient, body: bytes, field: str, code: str) -> None:
    problem(submit(api, body), 400, code, field)


@pytest.mark.parametrize("key", ["", "a b", "a" * 256, "\u00e9", "\x7f"])
def test_a_key_that_is_no_key_is_refused(api: TestClient, key: str) -> None:
    problem(submit(api, key=key), 400, "invalid", "Idempotency-Key")


def test_nothing_that_is_refused_reaches_redis(api: TestClient, parts: Parts, raw: redis.Redis) -> None:
    def calls() -> dict[str, int]:
        found = raw.info("commandstats")
        return {name: numbers["calls"] for name, numbers in found.items() if "info" not in name}

    before = calls()
    for body, _, _ in INVALID:
        submit(api, body)
    submit(api, key="a b")
    submit(api, with_id("a"), key="b")
    submit(api, b" " * 70_000)
    api.simulate_post("/api/transactions", body=BODY, headers={"Content-Type": "text/plain"})
    for path in ("..", "%00", "a/b", "%3Cscript%3E", "a" * 65):
        status(api, path)
    for path in ("/", "/api", "/api/nowhere"):
        api.simulate_get(path)
    api.simulate_delete("/api/transactions/a")
    assert calls() == before
    assert list(raw.scan_iter(f"{parts.settings.prefix}*")) == []
