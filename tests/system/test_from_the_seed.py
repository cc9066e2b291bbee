"""What clients of the seed system, and of others that were built after it, send and need back."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from tests.system.stack import Stack
from txn import __version__
from txn.password_hash import hash_password

PAGE = "http://localhost:3000"
SETTINGS = {"TXN_ALLOW_CLEANUP": "1", "TXN_CORS_ORIGINS": PAGE}
PLAIN: dict[str, Any] = {"amount": 100.5, "currency": "USD", "description": "Payment"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = SETTINGS | {"TXN_ADMIN_USERS": f"ann:view:{hash_password('correct horse')}"}
    with Stack(tmp_path_factory.mktemp("stack"), settings, processes=1) as found:
        found.start_worker()
        yield found


def now() -> str:
    return datetime.now(UTC).isoformat()


def submit(stack: Stack, body: dict[str, Any], **headers: str) -> requests.Response:
    while True:
        answer = requests.post(f"{stack.url}/api/transactions", json=body, headers=headers, timeout=60)
        if answer.status_code != 503:  # else Redis stands still, and clients are told to ask again
            return answer


def poll(stack: Stack, transaction_id: str, final: str = "completed") -> dict[str, Any]:
    stack.until(lambda: stack.status(transaction_id)["status"] in ("completed", "failed"), "it has an end")
    found = stack.status(transaction_id)
    assert found["status"] == final
    return found


@pytest.mark.parametrize(
    "body",
    [
        PLAIN | {"metadata": {"order_id": "12345"}},
        PLAIN | {"metadata": {"order_id": "12345"}, "timestamp": "2025-08-19T12:00:00Z"},
        PLAIN | {"metadata": {}, "timestamp": "2025-08-19T12:00:00.123456+00:00"},
        PLAIN | {"metadata": None, "timestamp": None},
        PLAIN | {"id": None, "metadata": None, "timestamp": "2025-08-19T12:00:00"},
        PLAIN | {"id": "4f1f2c52-6b39-4f3a-9f5c-2d9d0f6f8c11", "timestamp": 1755604800000},
        PLAIN | {"amount": "250.75", "metadata": {"user": {"id": 7}, "tags": ["a", "b"], "note": None, "rate": 0.1}},
        {"amount": 1, "currency": "EUR", "description": "Überweisung 💶"},
    ],
    ids=lambda body: json.dumps(body)[70:110],
)
def test_what_their_models_serialise_is_taken_and_completed(stack: Stack, body: dict[str, Any]) -> None:
    accepted = submit(stack, body)
    found = accepted.json()
    assert accepted.status_code == 202
    assert found.keys() == {"transactionId", "status", "submittedAt", "completedAt", "error"}
    assert (found["status"], found["completedAt"], found["error"]) == ("pending", None, None)
    assert (
        requests.get(stack.url + accepted.headers["Location"], timeout=60).json()["transactionId"]
        == found["transactionId"]
    )
    done = poll(stack, found["transactionId"])
    assert done["error"] is None
    assert datetime.fromisoformat(done["submittedAt"]) <= datetime.fromisoformat(done["completedAt"])
    [row] = [row for row in stack.mock.rows() if row["id"] == found["transactionId"]]
    assert (float(row["amount"]), row["currency"]) == (float(body["amount"]), body["currency"])
    assert row["description"] == body["description"]
    assert (row["metadata"] or {}) == json.loads(
        json.dumps(body.get("metadata") or {}), parse_float=type(row["amount"])
    )
    assert row["timestamp"] == done["submittedAt"]


def test_a_load_script_gets_an_id_for_each_and_each_is_there_once(stack: Stack) -> None:
    def send(number: int) -> str:
        body = PLAIN | {"amount": number + 0.01, "metadata": {"index": number}, "timestamp": now()}
        return str(submit(stack, body).json()["transactionId"])

    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(send, range(100)))
    assert len(set(ids)) == 100
    stack.until_quiet()
    stack.check_ledger(ids)


def test_a_client_that_repeats_itself_with_the_time_of_the_repeat_has_one_transaction(stack: Stack) -> None:
    answers = [submit(stack, PLAIN | {"timestamp": now()}, **{"Idempotency-Key": "repeated"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 200, 200]
    [one] = {answer.json()["transactionId"] for answer in answers}
    poll(stack, one)
    stack.check_ledger([one])


def test_a_suite_that_is_run_twice_with_ids_of_its_own_meets_its_own_transactions(stack: Stack) -> None:
    bodies = [PLAIN | {"id": f"load-test-{number}"} for number in range(5)]
    first = [submit(stack, body | {"timestamp": now()}) for body in bodies]
    again = [submit(stack, body | {"timestamp": now()}) for body in bodies]
    assert [answer.status_code for answer in (*first, *again)] == [202] * 5 + [200] * 5
    assert [answer.json()["transactionId"] for answer in again] == [body["id"] for body in bodies]
    stack.until_quiet()
    stack.check_ledger(body["id"] for body in bodies)


def test_what_is_wrong_is_400_and_names_all_of_it(stack: Stack) -> None:
    answer = submit(stack, {"amount": -1, "currency": "DOLLARS", "metadata": "none", "timestamp": now()})
    assert answer.status_code == 400
    assert [one["field"] for one in answer.json()["errors"]] == ["amount", "currency", "description", "metadata"]
    assert all(one["detail"] for one in answer.json()["errors"])


def test_an_id_that_nobody_has_is_404_with_json(stack: Stack) -> None:
    answer = requests.get(f"{stack.url}/api/transactions/00000000-0000-0000-0000-000000000000", timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_the_error_of_a_failed_one_is_an_object_with_a_code_and_a_sentence(stack: Stack) -> None:
    stack.mock.faults(reject=1)
    try:
        found = poll(stack, submit(stack, PLAIN | {"timestamp": now()}).json()["transactionId"], "failed")
    finally:
        stack.mock.faults()
    assert found["error"]["code"] == "rejected"
    assert "400" in found["error"]["detail"]


def test_health_has_what_they_read(stack: Stack) -> None:
    found = stack.numbers()
    assert found["status"] in ("healthy", "degraded", "unhealthy")
    for name in ("queueDepth", "retryCount", "errorRate", "uptime"):
        assert isinstance(found[name], (int, float))
    assert found["version"] == __version__
    stack.until(lambda: stack.health()["uptime"] >= max(1, found["uptime"]), "the time goes on")


def test_the_first_page_leads_on(stack: Stack) -> None:
    links = requests.get(stack.url, timeout=60).json()["links"]
    assert links.keys() == {"submit", "status", "events", "health", "metrics", "docs", "openapi", "admin"}
    transaction = stack.submit()
    links["status"] = links["status"].format(transactionId=transaction)
    assert {requests.get(stack.url + links[name], timeout=60).status_code for name in links if name != "submit"} == {
        200
    }
    assert requests.post(stack.url + links["submit"], json=PLAIN, timeout=60).status_code == 202


def test_a_web_page_of_theirs_may_submit_and_look_and_not_log_in(stack: Stack) -> None:
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    allowed = requests.options(f"{stack.url}/api/transactions", headers=asked, timeout=60)
    assert (allowed.status_code, allowed.headers["Access-Control-Allow-Origin"]) == (200, PAGE)
    sent = submit(stack, PLAIN, Origin=PAGE)
    assert (sent.status_code, sent.headers["Access-Control-Allow-Origin"]) == (202, PAGE)
    for path in ("/admin", "/admin/login", "/metrics"):
        for answer in (
            requests.get(stack.url + path, headers={"Origin": PAGE}, timeout=60),
            requests.options(stack.url + path, headers=asked, timeout=60),
        ):
            assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_cleanup_empties_the_store_and_not_the_posting_service(stack: Stack) -> None:
    transaction = submit(stack, PLAIN).json()["transactionId"]
    stack.until_quiet()
    answer = requests.post(f"{stack.url}/api/cleanup", timeout=60)
    assert answer.status_code == 200
    assert requests.get(f"{stack.url}/api/transactions/{transaction}", timeout=60).status_code == 404
    assert transaction in {row["id"] for row in stack.mock.rows()}
    assert stack.numbers()["queueDepth"] == 0
