import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import redis
from falcon.testing import Result, TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.client import Connected, problem, status, submit
from tests.parts import BODY, Parts, submission
from tests.proxy import CuttingProxy
from txn.api.batch import MAX_BATCH_BYTES
from txn.errors import StoreUnavailable
from txn.model.batch import MAX_TRANSACTIONS

PATH = "/api/transactions/batch"
JSON, NDJSON = "application/json", "application/x-ndjson"
ONE: dict[str, Any] = json.loads(BODY)


def keyed(key: str, **changed: Any) -> dict[str, Any]:
    return ONE | {"idempotencyKey": key} | changed


def own(name: str, **changed: Any) -> dict[str, Any]:
    return ONE | {"id": name} | changed


def send(api: TestClient, body: Any, media_type: str = JSON, **headers: str) -> Result:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return api.simulate_post(PATH, body=sent, headers={"Content-Type": media_type} | headers)


def lines(*items: Any) -> bytes:
    return b"\n".join(item if isinstance(item, bytes) else json.dumps(item).encode() for item in items)


def results(answer: Result) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == JSON
    found: list[dict[str, Any]] = answer.json["results"]
    return found


def words(answer: Result) -> list[str]:
    return [one["result"] for one in results(answer)]


def stored(parts: Parts) -> int:
    return sum(1 for _ in parts.client.scan_iter(f"{parts.settings.prefix}t:*"))


def counters(parts: Parts) -> tuple[int, int]:
    totals = parts.read_statistics().totals
    return totals.accepted, totals.pending


def test_each_transaction_is_stored_as_a_submit_of_its_own_would_be(api: TestClient, parts: Parts) -> None:
    found = results(send(api, [keyed("k"), own("a"), ONE]))
    assert [one["result"] for one in found] == ["created"] * 3
    for one in found:
        transaction = one["transaction"]
        assert status(api, transaction["transactionId"]).json == transaction
        assert parts.due_score(transaction["transactionId"]) is not None
        assert parts.claim(transaction["transactionId"]) is not None
    assert parts.queued() == [one["transaction"]["transactionId"] for one in found]
    assert found[1]["transaction"]["transactionId"] == "a"
    assert uuid.UUID(found[2]["transaction"]["transactionId"]).version == 4
    assert counters(parts)[0] == 3


def test_a_key_of_a_batch_and_of_a_header_name_the_same_transaction(api: TestClient) -> None:
    single = submit(api, key="k")
    [one] = results(send(api, [keyed("k")]))
    assert (one["result"], one["transaction"]) == ("replayed", single.json)


def test_a_key_in_quotes_is_the_key_as_it_is_in_a_header(api: TestClient) -> None:
    single = submit(api, key='"k"')
    found = results(send(api, [keyed('"k"'), keyed("k"), keyed('"k')]))
    assert [one["result"] for one in found] == ["replayed", "replayed", "invalid"]
    assert found[0]["transaction"] == found[1]["transaction"] == single.json


def test_a_repeated_batch_is_a_replay_of_each(api: TestClient, parts: Parts) -> None:
    batch = [keyed("k"), own("a")]
    first = results(send(api, batch))
    again = results(send(api, batch))
    assert [one["result"] for one in again] == ["replayed"] * 2
    assert [one["transaction"] for one in again] == [one["transaction"] for one in first]
    assert (stored(parts), counters(parts)) == (2, (2, 2))


@pytest.mark.parametrize("atomic", [False, True])
def test_the_same_key_twice_in_one_batch_is_one_transaction(api: TestClient, parts: Parts, atomic: bool) -> None:
    found = results(send(api, {"transactions": [keyed("k"), keyed("k", timestamp="now")], "atomic": atomic}))
    assert [one["result"] for one in found] == ["created", "replayed"]
    assert found[0]["transaction"] == found[1]["transaction"]
    assert (stored(parts), counters(parts), len(parts.queued())) == (1, (1, 1), 1)


def test_the_same_key_twice_with_other_content_is_a_conflict_of_the_second(api: TestClient, parts: Parts) -> None:
    _, second = results(send(api, [keyed("k"), keyed("k", amount=7)]))
    assert second["result"] == "conflict"
    assert (second["problem"]["status"], second["problem"]["field"]) == (422, "Idempotency-Key")
    assert second["problem"]["differs"] == ["amount"]
    assert stored(parts) == 1


def test_what_is_wrong_with_one_does_not_keep_the_others_out(api: TestClient, parts: Parts) -> None:
    submit(api, key="used", body=BODY.replace(b"100.50", b"7"))
    found = results(send(api, [keyed("k"), keyed("x", amount=-1, currency="?"), 7, keyed("used"), keyed("", a=1)]))
    assert [one["result"] for one in found] == ["created", "invalid", "invalid", "conflict", "invalid"]
    said = found[1]["problem"]
    assert (said["status"], said["code"], said["retryable"], said["field"]) == (400, "invalid", False, "amount")
    assert [error["field"] for error in said["errors"]] == ["amount", "currency"]
    assert found[4]["problem"]["field"] == "idempotencyKey"
    assert stored(parts) == 2


def test_a_refused_transaction_does_not_use_its_key_up(api: TestClient) -> None:
    assert words(send(api, [keyed("k", amount=0)])) == ["invalid"]
    assert words(send(api, [keyed("k")])) == ["created"]


@pytest.mark.parametrize("name", ["Idempotency-Key", "idempotency_key", "IdempotencyKey", "key"])
def test_a_key_under_another_name_is_not_overlooked(api: TestClient, parts: Parts, name: str) -> None:
    assert words(send(api, [ONE | {name: "k"}])) == ["invalid"]
    assert stored(parts) == 0


@pytest.mark.parametrize("key", [7, True, "", "a b", "\u00e9", "x" * 256, ["k"], {"k": 1}])
def test_a_key_that_is_none_is_invalid(api: TestClient, parts: Parts, key: Any) -> None:
    [one] = results(send(api, [ONE | {"idempotencyKey": key}]))
    assert (one["result"], one["problem"]["field"]) == ("invalid", "idempotencyKey")
    assert stored(parts) == 0


def test_a_key_and_an_id_must_be_equal(api: TestClient) -> None:
    [same, other, none] = results(
        send(api, [own("a", idempotencyKey="a"), own("b", idempotencyKey="k"), keyed("n", id=None)])
    )
    assert (same["result"], same["transaction"]["transactionId"]) == ("created", "a")
    assert (other["result"], other["problem"]["field"]) == ("invalid", "idempotencyKey")
    assert none["result"] == "created"


@pytest.mark.parametrize("headers", [{"Idempotency-Key": "k"}, {"X-Idempotency-Key": "k"}])
def test_a_key_for_all_of_them_is_refused(api: TestClient, parts: Parts, headers: dict[str, str]) -> None:
    problem(send(api, [ONE], **headers), 400, "invalid", "Idempotency-Key")
    assert stored(parts) == 0


def test_lines_are_transactions_and_a_broken_line_is_one_of_them(api: TestClient, parts: Parts) -> None:
    body = lines(keyed("k"), b"", b'{"amount": 1', b"[]", b'{"amount": 1, "amount": 2}', own("a")) + b"\r\n"
    found = results(send(api, body, NDJSON))
    assert [one["result"] for one in found] == ["created", "invalid", "invalid", "invalid", "created"]
    assert [one["problem"]["code"] for one in found[1:4]] == ["invalid_json", "invalid", "invalid_json"]
    assert stored(parts) == 2


def test_a_number_that_nothing_can_hold_is_wrong_in_its_line_only(api: TestClient) -> None:
    body = lines(keyed("k"), BODY.replace(b"100.50", b"1e" + b"9" * 30))
    assert words(send(api, body, NDJSON)) == ["created", "invalid"]
    refused = problem(send(api, b"[" + BODY.replace(b"100.50", b"9" * 5_000) + b"]"), 400, "invalid_json", "amount")
    assert "number" in refused["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ([], "transactions"),
        (7, "body"),
        (None, "body"),
        ({"transactions": {}}, "body"),
        ({"transactions": []}, "transactions"),
        ({"transactions": [ONE], "atomic": 1}, "atomic"),
        ({"transactions": [ONE], "atomc": True}, "atomc"),
        (ONE, "amount"),
    ],
    ids=repr,
)
def test_what_is_no_batch_is_refused_as_a_whole(api: TestClient, parts: Parts, body: Any, field: str) -> None:
    problem(send(api, body), 400, "invalid", field)
    assert stored(parts) == 0


def test_repeated_members_and_broken_json_are_refused_as_a_whole(api: TestClient, parts: Parts) -> None:
    one = BODY
    for body in (
        b'{"atomic": true, "atomic": false, "transactions": []}',
        b"[" + one,
        b"[" + one + b"," + b"]",
        b"\xff",
    ):
        assert send(api, body).json["code"] == "invalid_json"
    assert stored(parts) == 0


def test_there_may_be_so_many_and_no_more(api: TestClient, parts: Parts) -> None:
    assert (
        words(send(api, [keyed(f"k{number}") for number in range(MAX_TRANSACTIONS)])) == ["created"] * MAX_TRANSACTIONS
    )
    problem(send(api, [ONE] * (MAX_TRANSACTIONS + 1)), 400, "invalid", "transactions")
    problem(send(api, lines(*[ONE] * (MAX_TRANSACTIONS + 1)), NDJSON), 400, "invalid", "transactions")
    assert counters(parts) == (MAX_TRANSACTIONS, MAX_TRANSACTIONS)


def test_the_body_has_a_limit_of_its_own(api: TestClient, parts: Parts) -> None:
    body = json.dumps([keyed("k")]).encode()
    assert words(send(api, body + b" " * (MAX_BATCH_BYTES - len(body)))) == ["created"]
    problem(send(api, body + b" " * (MAX_BATCH_BYTES + 1 - len(body))), 413, "body_too_large", "body")


@pytest.mark.parametrize("media_type", ["text/plain", "application/jsonl", "", "application/json; charset=latin-1"])
def test_other_media_types_are_refused(api: TestClient, media_type: str) -> None:
    problem(send(api, [ONE], media_type), 415, "unsupported_media_type", "Content-Type")


def test_all_or_none_stores_all(api: TestClient, parts: Parts) -> None:
    submit(api, key="before")
    batch = {"transactions": [keyed("k"), own("a"), keyed("before")], "atomic": True}
    assert words(send(api, batch)) == ["created", "created", "replayed"]
    assert words(send(api, batch)) == ["replayed"] * 3
    assert (stored(parts), counters(parts)) == (3, (3, 3))


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ([keyed("used")], ["conflict"]),
        ([keyed("x", amount=0)], ["invalid"]),
        ([7], ["invalid"]),
        ([own("b"), own("b", amount=7)], ["not_stored", "conflict"]),
        ([own("b"), own("b"), keyed("used")], ["not_stored", "not_stored", "conflict"]),
    ],
    ids=["used", "invalid", "no object", "twice", "twice the same"],
)
def test_all_or_none_stores_none(api: TestClient, parts: Parts, wrong: list[Any], expected: list[str]) -> None:
    submit(api, key="used", body=BODY.replace(b"100.50", b"7"))
    before = (counters(parts), parts.queued(), stored(parts))
    answer = send(api, {"transactions": [keyed("k"), *wrong, own("a")], "atomic": True})
    said = problem(answer, 422, "batch_refused")
    assert [one["result"] for one in said["results"]] == ["not_stored", *expected, "not_stored"]
    assert said["retryable"] is False
    assert (counters(parts), parts.queued(), stored(parts)) == before


@pytest.mark.parametrize("query", ["atomic=true", "atomic", "Atomic=1", "wait=1&atomic=false"])
def test_atomic_in_the_address_is_refused_not_overlooked(api: TestClient, parts: Parts, query: str) -> None:
    body, headers = lines(keyed("k"), {}), {"Content-Type": NDJSON}
    problem(api.simulate_post(PATH, body=body, headers=headers, query_string=query), 400, "invalid", "atomic")
    assert counters(parts) == (0, 0)


@pytest.mark.parametrize("atomic", [False, True])
def test_a_key_of_another_type_concerns_one_transaction(api: TestClient, parts: Parts, atomic: bool) -> None:
    parts.client.set(parts.keys.record("strange"), "x")
    answer = send(api, {"transactions": [own("a"), own("strange"), own("b")], "atomic": atomic})
    found = answer.json["results"]
    stays = "not_stored" if atomic else "created"
    assert [one["result"] for one in found] == [stays, "unavailable", stays]
    assert (found[1]["problem"]["status"], found[1]["problem"]["code"]) == (503, "record_unreadable")
    assert counters(parts) == ((0, 0) if atomic else (2, 2))


def test_a_record_of_a_newer_version_concerns_one_transaction(api: TestClient, parts: Parts) -> None:
    parts.accept("new")
    parts.client.hset(parts.keys.record("new"), "status", "sleeping")
    assert words(send(api, [own("a"), own("new")])) == ["created", "unavailable"]


def test_all_of_them_are_one_call_to_redis(api: TestClient, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    run: Callable[..., Any] = parts.store._database.run
    monkeypatch.setattr(
        parts.store._database, "run", lambda name, *rest, **more: calls.append(name) or run(name, *rest, **more)
    )
    assert words(send(api, [keyed(str(number)) for number in range(100)])) == ["created"] * 100
    assert calls == ["accept"]


def test_without_redis_nothing_is_acknowledged_and_the_repeat_stores_all(
    remote: Connected, proxy: CuttingProxy, parts: Parts
) -> None:
    batch = [keyed("k"), keyed("l")]
    assert words(send(remote.api, [keyed("first")])) == ["created"]
    proxy.refuse()
    assert send(remote.api, batch).status_code == 503
    proxy.mend()
    assert words(send(remote.api, batch)) == ["created", "created"]
    assert stored(parts) == 3


def test_an_answer_that_was_lost_is_the_same_the_next_time(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    random, named = submission(), submission("a")
    scripts = parts.store._database.scripts
    run, lost = scripts.run, []

    def losing(*arguments: Any) -> Any:
        found = run(*arguments)
        if not lost:
            lost.append(found)
            raise redis.ConnectionError("the answer is lost")
        return found

    monkeypatch.setattr(scripts, "run", losing)
    replies = parts.store.accept_batch([random, named])
    assert [isinstance(reply, tuple) and reply[1] for reply in replies] == [True, False]
    assert counters(parts) == (2, 2)


def test_an_id_of_this_name_can_be_asked_about(api: TestClient) -> None:
    assert status(api, "batch").status_code == 404
    submit(api, BODY[:1] + b'"id": "batch", ' + BODY[1:])
    assert status(api, "batch").json["transactionId"] == "batch"


def test_a_failure_that_concerns_all_is_no_result_of_one(parts: Parts) -> None:
    parts.client.set(parts.keys.due, "x")
    with pytest.raises(StoreUnavailable):
        parts.store.accept_batch([submission("a")])
    parts.client.delete(parts.keys.due)
    assert counters(parts) == (0, 0)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
_NEAR = st.dictionaries(
    st.sampled_from(["amount", "currency", "description", "metadata", "id", "idempotencyKey", "timestamp", "x"]), _JSON
).map(lambda changes: ONE | changes)
_BATCHES = (
    st.lists(_NEAR | _JSON, max_size=6)
    | st.fixed_dictionaries({"transactions": st.lists(_NEAR | _JSON, max_size=6) | _JSON}, optional={"atomic": _JSON})
    | _JSON
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300) | _BATCHES.map(lambda batch: json.dumps(batch).encode()), lines=st.booleans())
def test_whatever_is_sent_is_answered_and_what_was_refused_is_not_stored(
    api: TestClient, parts: Parts, body: bytes, lines: bool
) -> None:
    before = stored(parts)
    answer = send(api, body, NDJSON if lines else JSON)
    assert answer.status_code in (200, 400, 422), answer.text
    created = (
        sum(one["result"] == "created" for one in answer.json.get("results", [])) if answer.status_code == 200 else 0
    )
    assert stored(parts) - before == created
