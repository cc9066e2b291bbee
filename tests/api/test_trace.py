import pytest
from falcon.testing import TestClient

from tests.api.client import OTHER_BODY, problem, submit, with_id
from tests.parts import BODY, Parts
from tests.unit.test_trace import GIVEN, TRACE

LATER = GIVEN.replace(TRACE, "1" * 32)


def test_the_trace_of_a_submit_is_kept_with_the_transaction(api: TestClient, parts: Parts) -> None:
    assert submit(api, with_id("a"), Traceparent=GIVEN).status_code == 202
    assert parts.record("a")["trace"] == GIVEN
    assert parts.claimed("a").trace == GIVEN


@pytest.mark.parametrize("sent", [{}, {"Traceparent": GIVEN.upper()}, {"Traceparent": f"{GIVEN}, {GIVEN}"}])
def test_without_a_valid_one_nothing_is_kept_and_nothing_refused(
    api: TestClient, parts: Parts, sent: dict[str, str]
) -> None:
    assert submit(api, with_id("a"), **sent).status_code == 202
    assert "trace" not in parts.record("a")
    assert parts.claimed("a").trace == ""


@pytest.mark.parametrize("first", [GIVEN, ""])
def test_a_repeat_of_another_trace_is_a_repeat_and_the_first_one_stays(
    api: TestClient, parts: Parts, first: str
) -> None:
    submit(api, with_id("a"), Traceparent=first)
    again = submit(api, with_id("a"), Traceparent=LATER)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert parts.record("a").get("trace", "") == first
    problem(submit(api, with_id("a", OTHER_BODY), Traceparent=GIVEN), 409, "content_conflict", "id")


@pytest.mark.parametrize("atomic", [False, True])
def test_all_of_a_batch_are_of_its_trace_but_those_that_were_known(api: TestClient, parts: Parts, atomic: bool) -> None:
    submit(api, with_id("known"), Traceparent=GIVEN)
    items = b", ".join(with_id(name) for name in ("known", "a", "b"))
    body = b'{"transactions": [%s], "atomic": %s}' % (items, b"true" if atomic else b"false")
    sent = {"Content-Type": "application/json", "Traceparent": LATER}
    result = api.simulate_post("/api/transactions/batch", body=body, headers=sent)
    assert [one["result"] for one in result.json["results"]] == ["replayed", "created", "created"]
    assert [parts.record(name)["trace"] for name in ("known", "a", "b")] == [GIVEN, LATER, LATER]


def test_a_batch_without_one_keeps_none(api: TestClient, parts: Parts) -> None:
    sent = {"Content-Type": "application/json"}
    api.simulate_post("/api/transactions/batch", body=b"[" + with_id("a", BODY) + b"]", headers=sent)
    assert "trace" not in parts.record("a")
