from typing import Any
from urllib.parse import urlencode

import pytest
from falcon.testing import TestClient

from tests.api.client import Connected, problem
from tests.api.test_keys import HERE
from tests.api.test_operate_flow import ask, done
from tests.parts import BODY, Parts
from tests.proxy import CuttingProxy
from txn.api.operate import letters
from txn.model.transaction import ErrorCode, rfc3339


def failed(api: TestClient, **asked: object) -> Any:
    answer = ask(api, "GET", "failed", query_string=urlencode(asked))
    assert answer.status_code == 200, answer.text
    return answer.json


def ids(found: Any) -> list[str]:
    return [letter["id"] for letter in found["letters"]]


def test_what_failed_is_listed_with_all_that_a_program_needs(keyed: TestClient, parts: Parts) -> None:
    parts.accept("waits")
    parts.fail("a", detail="their database is full")
    found = failed(keyed)
    [letter] = found["letters"]
    assert (found["matching"], found["exact"], found["next"]) == (1, True, None)
    assert (letter["id"], letter["code"], letter["detail"]) == ("a", "rejected", "their database is full")
    assert (letter["amount"], letter["currency"], letter["discardedAt"]) == ("100.50", "USD", None)


def test_pages_hold_each_letter_once_the_newest_first(keyed: TestClient, parts: Parts) -> None:
    for number in range(7):
        parts.fail(f"a{number}")
        parts.clock.forward(5)
    seen, before = [], {}
    while True:
        page = failed(keyed, limit=3, **before)
        assert page["matching"] == 7
        seen += ids(page)
        if page["next"] is None:
            break
        before = {"before": page["next"]}
    assert seen == [f"a{number}" for number in reversed(range(7))]


def test_filters_are_those_of_the_command_line(keyed: TestClient, parts: Parts) -> None:
    parts.fail("a", ErrorCode.REJECTED, "limit 5 reached")
    parts.clock.forward(60_000)
    middle = rfc3339(parts.database.now_ms() - 30_000)
    parts.fail("b", ErrorCode.CONFLICT, "another amount")
    parts.fail("c", ErrorCode.REJECTED, "closed", BODY.replace(b"USD", b"EUR"))
    parts.operations.discard(["c"], "ada", "why not")
    assert ids(failed(keyed, code="conflict")) == ["b"]
    assert ids(failed(keyed, since=middle)) == ["b"]
    assert ids(failed(keyed, until=middle)) == ["a"]
    assert ids(failed(keyed, text="LIMIT 5")) == ["a"]
    assert ids(failed(keyed, currency="eur")) == []
    gone = failed(keyed, state="discarded", currency="eur")
    assert ids(gone) == ["c"]
    assert gone["letters"][0]["discardedAt"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("code=rejectd", "code"),
        ("since=yesterday", "since"),
        ("until=2026-11-23T18:15", "until"),
        ("until=9999-12-31T23:59:59-23:59", "until"),
        ("currency=DOLLARS", "currency"),
        ("text=" + "x" * 301, "text"),
        ("state=failed", "state"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=%C2%B2", "limit"),
        ("before=x", "before"),
        ("before=", "before"),
        ("before=123456789012345", "before"),
        ("discarded=1", "discarded"),
        ("code=rejected&code=conflict", "code"),
    ],
)
def test_a_question_that_is_none_is_refused(keyed: TestClient, query: str, field: str) -> None:
    problem(ask(keyed, "GET", "failed", query_string=query), 400, "invalid", field)


def test_a_replay_says_what_became_of_each_id_and_the_journal_who_and_why(keyed: TestClient, parts: Parts) -> None:
    parts.fail("a")
    parts.accept("b")
    answer = ask(keyed, "POST", "replay", json={"ids": ["a", "b", "c", "a"], "why": "limit raised"})
    assert answer.json == {"replayed": ["a"], "notFailed": ["b"], "unknown": ["c"]}
    assert parts.store.read("a").status == "pending"
    assert done(parts) == [("ops", "replay", "limit raised")]
    again = ask(keyed, "POST", "replay", json={"ids": ["a"]})
    assert again.json == {"replayed": [], "notFailed": ["a"], "unknown": []}
    assert len(done(parts)) == 1


def test_a_discard_takes_it_off_the_list_and_a_replay_brings_it_back(keyed: TestClient, parts: Parts) -> None:
    parts.fail("a")
    answer = ask(keyed, "POST", "discard", json={"ids": ["a"], "why": "paid in cash"})
    assert answer.json == {"discarded": ["a"], "notFailed": [], "unknown": []}
    assert ids(failed(keyed)) == []
    assert ids(failed(keyed, state="discarded")) == ["a"]
    assert ask(keyed, "POST", "replay", json={"ids": ["a"]}).json["replayed"] == ["a"]


@pytest.mark.parametrize("what", ["replay", "discard"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"why": "x"}, "ids"),
        ({"ids": [], "why": "x"}, "ids"),
        ({"ids": "a", "why": "x"}, "ids"),
        ({"ids": ["a", 5], "why": "x"}, "ids.1"),
        ({"ids": ["a", ".."], "why": "x"}, "ids.1"),
        ({"ids": ["a", "b\n"], "why": "x"}, "ids.1"),
        ({"ids": [f"a{number}" for number in range(201)], "why": "x"}, "ids"),
        ({"ids": ["a"], "why": "x" * 301}, "why"),
        ({"ids": ["a"], "why": "x", "all": True}, "all"),
    ],
)
def test_a_request_that_is_wrong_in_one_place_changes_nothing(
    keyed: TestClient, parts: Parts, what: str, body: object, field: str
) -> None:
    parts.fail("a")
    problem(ask(keyed, "POST", what, json=body), 400, "invalid", field)
    assert parts.store.read("a").status == "failed"
    assert done(parts) == []


def test_a_discard_needs_a_reason(keyed: TestClient, parts: Parts) -> None:
    parts.fail("a")
    for why in ({}, {"why": " "}):
        problem(ask(keyed, "POST", "discard", json={"ids": ["a"]} | why), 400, "invalid", "why")
    assert done(parts) == []


def test_one_page_reads_a_bounded_part_of_the_letters(keyed: TestClient, parts: Parts, monkeypatch: Any) -> None:
    monkeypatch.setattr("txn.readers.dead_letters.SLICE", 2)
    monkeypatch.setattr("txn.readers.dead_letters.MAX_LOOKED_AT", 4)
    parts.fail("rare", detail="rare")
    for number in range(8):
        parts.clock.forward(5)
        parts.fail(f"a{number}")
    first = failed(keyed, text="rare")
    assert (ids(first), first["exact"]) == ([], False)
    found = first
    while found["next"] is not None and not ids(found):
        found = failed(keyed, text="rare", before=found["next"])
    assert ids(found) == ["rare"]


def test_without_redis_it_is_503(remote: Connected, proxy: CuttingProxy) -> None:
    proxy.refuse()
    for method, what in [("GET", "failed"), ("POST", "replay"), ("POST", "discard")]:
        body = {"json": {"ids": ["a"], "why": "x"}} if method == "POST" else {}
        answer = remote.api.simulate_request(method, f"/api/operate/{what}", host="localhost", extras=HERE, **body)
        problem(answer, 503, "redis_unavailable")


def test_a_filter_is_told_as_it_is_asked_for() -> None:
    asked = {"code": "rejected", "since": "2026-11-28T00:00:00.000Z", "until": "2026-11-28T18:15:00.006Z"}
    asked |= {"currency": "USD", "text": "x", "state": "discarded"}
    assert letters.shown(letters.which(asked)) == asked
    assert letters.shown(letters.which({})) == {}
