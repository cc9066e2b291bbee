import pytest
from falcon.testing import TestClient

from tests.api.client import problem, status, submit, with_id
from tests.api.test_submit import TIME
from tests.parts import Parts
from txn.model.outcome import Cause, Clear, Completed, Failed, Maybe, Retry
from txn.model.transaction import ErrorCode, Evidence


def test_a_transaction_that_waits_is_pending(api: TestClient) -> None:
    accepted = submit(api, with_id("a"))
    found = status(api, "a")
    assert found.status_code == 200
    assert found.headers["Content-Type"] == "application/json"
    assert found.json == accepted.json
    assert found.json["status"] == "pending"


def test_a_transaction_that_is_being_delivered_is_processing(api: TestClient, parts: Parts) -> None:
    accepted = submit(api, with_id("a"))
    parts.claimed("a")
    assert status(api, "a").json == accepted.json | {"status": "processing"}


def test_a_transaction_that_will_be_tried_again_is_pending_and_has_no_error(api: TestClient, parts: Parts) -> None:
    accepted = submit(api, with_id("a"))
    parts.settle(parts.claimed("a"), Retry(Cause.UNCERTAIN, "500", Maybe(15_000), 1_000))
    assert status(api, "a").json == accepted.json


@pytest.mark.parametrize("evidence", Evidence)
def test_a_completed_transaction_says_when(api: TestClient, parts: Parts, evidence: Evidence) -> None:
    accepted = submit(api, with_id("a"))
    claim = parts.claimed("a")
    parts.clock.forward(1_234)
    parts.settle(claim, Completed(evidence))
    found = status(api, "a").json
    assert found == accepted.json | {"status": "completed", "completedAt": found["completedAt"]}
    assert TIME.fullmatch(found["completedAt"])
    assert found["completedAt"] > found["submittedAt"]


@pytest.mark.parametrize("code", ErrorCode)
def test_a_failed_transaction_says_when_and_why(api: TestClient, parts: Parts, code: ErrorCode) -> None:
    accepted = submit(api, with_id("a"))
    parts.settle(parts.claimed("a"), Failed(code, 'the posting service said "no" <b>\u20ac', Clear()))
    found = status(api, "a").json
    assert TIME.fullmatch(found["completedAt"])
    assert found == accepted.json | {
        "status": "failed",
        "completedAt": found["completedAt"],
        "error": {"code": code.value, "detail": 'the posting service said "no" <b>\u20ac'},
    }


def test_a_replayed_transaction_is_pending_without_an_error(api: TestClient, parts: Parts) -> None:
    accepted = submit(api, with_id("a"))
    parts.settle(parts.claimed("a"), Failed(ErrorCode.REJECTED, "no", Clear()))
    parts.replay("a")
    assert status(api, "a").json == accepted.json


@pytest.mark.parametrize("transaction_id", ["nobody", "...", "a" * 64, ":", "due", "t:a"])
def test_an_unknown_transaction_is_404(api: TestClient, transaction_id: str) -> None:
    problem(status(api, transaction_id), 404, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        *("..", ".", "%2e%2e", "%2E", "../health", "%00", "a%00", "a" * 65, "a" * 5_000),
        *("<script>alert(1)</script>", "%3Cscript%3E", "a/b", "a%2Fb", "a/", "/a", "a//b", "%2F", "a%5Cb"),
        *("a%20b", "a%0A", "%0d%0aSet-Cookie:x=1", "%C3%A9", "%FF", "%E2%80%AE", "a*", "a;b", "a=b", "%25", "%7Ba%7D"),
    ],
    ids=lambda path: path[:30],
)
def test_what_can_be_no_id_is_refused_and_not_repeated(api: TestClient, path: str) -> None:
    result = status(api, path)
    problem(result, 400, "invalid", "id")
    assert "script>" not in result.text
    assert "Set-Cookie" not in result.headers


def test_no_id_at_all_is_a_problem_too(api: TestClient) -> None:
    result = status(api, "")
    assert result.status_code in (400, 404)
    assert result.headers["Content-Type"] == "application/problem+json"
