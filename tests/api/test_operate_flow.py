from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from falcon.testing import Result, TestClient

from tests.api.client import Connected, problem
from tests.api.test_keys import ELSEWHERE, HERE, bearer
from tests.api.test_keys import routes as served
from tests.parts import Parts
from tests.proxy import CuttingProxy
from txn.model.content import loads


def ask(api: TestClient, method: str, what: str, name: str = "ops", **words: Any) -> Result:
    return api.simulate_request(method, f"/api/operate/{what}", headers=bearer(name), **words)


def done(parts: Parts) -> list[tuple[str, str, str]]:
    return [(entry.by, entry.what, entry.why) for entry in parts.journal.read()]


def ahead(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def test_a_pause_is_begun_told_changed_and_ended(keyed: TestClient, parts: Parts) -> None:
    assert ask(keyed, "GET", "pause").json["paused"] is None
    begun = ask(keyed, "PUT", "pause", json={"why": "their database\nis moved"})
    assert begun.status_code == 200
    paused = begun.json["paused"]
    assert (paused["by"], paused["why"], paused["until"]) == ("ops", "their database is moved", None)
    health = keyed.simulate_get("/api/health", headers=bearer("ops")).json
    assert ask(keyed, "GET", "pause").json["paused"] == paused == health["paused"]
    until = ahead(8)
    changed = ask(keyed, "PUT", "pause", json={"why": "longer", "until": until}).json["paused"]
    assert abs(datetime.fromisoformat(changed["until"]) - datetime.fromisoformat(until)) < timedelta(minutes=1)
    assert ask(keyed, "DELETE", "pause").json["changed"] is True
    assert ask(keyed, "DELETE", "pause").json == {"paused": None, "limits": None, "changed": False}
    assert done(parts) == [
        ("ops", "resume", ""),
        ("ops", "pause", "longer"),
        ("ops", "pause", "their database is moved"),
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "why"),
        ({"why": ""}, "why"),
        ({"why": "  "}, "why"),
        ({"why": None}, "why"),
        ({"why": "x" * 301}, "why"),
        ({"why": "x", "until": "06:00"}, "until"),
        ({"why": "x", "until": "2026-11-28T06:00:00"}, "until"),
        ({"why": "x", "until": "2020-01-01T00:00:00Z"}, "until"),
        ({"why": "x", "until": ahead(200)}, "until"),
        ({"why": "x", "until": 5}, "until"),
        ({"why": "x", "hours": 5}, "hours"),
        ([], "body"),
    ],
)
def test_a_pause_that_is_none_is_refused_and_nothing_is_paused(
    keyed: TestClient, parts: Parts, body: object, field: str
) -> None:
    problem(ask(keyed, "PUT", "pause", json=body), 400, "invalid", field)
    assert parts.statistics.read().flow.paused is None
    assert done(parts) == []


def test_limits_are_set_one_by_one_told_and_taken_away(keyed: TestClient, parts: Parts) -> None:
    first = ask(keyed, "PUT", "limits", json={"inFlight": 50, "why": "their night batch"}).json
    assert first["changed"]
    assert (first["limits"]["inFlight"], first["limits"]["rate"], first["limits"]["by"]) == (50, None, "ops")
    both = ask(keyed, "PUT", "limits", json={"rate": "200/s"}).json
    assert (both["limits"]["inFlight"], both["limits"]["rate"]) == (50, "200/s")
    assert not ask(keyed, "PUT", "limits", json={"rate": "200/s"}).json["changed"]
    health = keyed.simulate_get("/api/health", headers=bearer("ops")).json
    assert ask(keyed, "GET", "limits").json["limits"] == health["limits"]
    gone = ask(keyed, "DELETE", "limits", query_string="why=it+is+over").json
    assert gone == {"paused": None, "limits": None, "changed": True}
    assert not ask(keyed, "DELETE", "limits").json["changed"]
    assert done(parts)[0] == ("ops", "limit: none", "it is over")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"why": "x"}, "body"),
        ({"inFlight": 0}, "inFlight"),
        ({"inFlight": None}, "inFlight"),
        ({"inFlight": True}, "inFlight"),
        ({"inFlight": "5"}, "inFlight"),
        ({"inFlight": 10**30}, "inFlight"),
        ({"rate": None}, "rate"),
        ({"rate": ""}, "rate"),
        ({"rate": "fast"}, "rate"),
        ({"rate": "0/s"}, "rate"),
        ({"inFlight": 5, "rate": "100001/s"}, "rate"),
        ({"inFlight": 5, "rate": " 200 / s"}, "rate"),
        ({"inFlight": 5, "rate": "\u0662\u0660\u0660/s"}, "rate"),
        ({"inFlight": 5, "why": "x" * 301}, "why"),
        ({"inFlight": 5, "why": "x" * 300 + " "}, "why"),
        ({"in_flight": 5}, "in_flight"),
    ],
)
def test_limits_that_are_none_are_refused_and_nothing_is_limited(
    keyed: TestClient, parts: Parts, body: object, field: str
) -> None:
    problem(ask(keyed, "PUT", "limits", json=body), 400, "invalid", field)
    assert parts.statistics.read().flow.limits is None
    assert done(parts) == []


def test_a_parameter_that_would_be_overlooked_is_refused(keyed: TestClient, parts: Parts) -> None:
    for method, what in [("GET", "pause"), ("PUT", "pause"), ("DELETE", "pause"), ("GET", "limits"), ("PUT", "limits")]:
        body = {"json": {"why": "x"}} if method == "PUT" else {}
        problem(ask(keyed, method, what, query_string="until=06:00", **body), 400, "invalid", "until")
    problem(ask(keyed, "DELETE", "limits", query_string="why=a&why=b"), 400, "invalid", "why")
    assert done(parts) == []


def test_a_reason_in_the_address_may_be_as_long_as_one_in_a_body(keyed: TestClient, parts: Parts) -> None:
    ask(keyed, "PUT", "limits", json={"inFlight": 5})
    problem(ask(keyed, "DELETE", "limits", query_string="why=" + "+" * 301), 400, "invalid", "why")
    assert ask(keyed, "DELETE", "limits", query_string="why=" + "x" * 300).json["changed"] is True
    assert done(parts)[0] == ("ops", "limit: none", "x" * 300)


def operated(api: TestClient) -> list[tuple[str, str]]:
    found = [route for route in served(api.app) if route[1].startswith("/api/operate/")]
    assert len(found) > 5
    return found


@pytest.mark.parametrize("name", ["shop", "till", "books", "default"])
def test_only_a_key_with_the_role_operate_may_do_any_of_it(keyed: TestClient, name: str) -> None:
    for method, path in operated(keyed):
        answer = keyed.simulate_request(method, path, headers=bearer(name))
        assert "the role operate" in problem(answer, 403, "forbidden")["detail"]


@pytest.mark.parametrize(
    "words",
    [
        {"extras": ELSEWHERE},
        {"headers": {"X-Forwarded-For": "127.0.0.1"}},
        {"headers": {"Origin": "http://localhost"}},
        {"headers": {"Sec-Fetch-Site": "same-origin"}},
        {"headers": {"Referer": "http://localhost/"}},
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example"},
    ],
)
def test_without_keys_neither_another_machine_nor_a_page_may_do_any_of_it(
    api: TestClient, words: dict[str, Any]
) -> None:
    for method, path in operated(api):
        answer = api.simulate_request(method, path, **{"host": "localhost", "extras": HERE} | words)
        assert "role operate" in problem(answer, 403, "forbidden")["detail"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_without_keys_a_program_on_this_machine_may_and_is_called_api(api: TestClient, parts: Parts, host: str) -> None:
    answer = api.simulate_put("/api/operate/pause", host=host, extras=HERE, json={"why": "x"})
    assert answer.json["paused"]["by"] == "api"
    assert done(parts) == [("api", "pause", "x")]


def test_a_body_that_is_not_json_is_refused(keyed: TestClient) -> None:
    sent = keyed.simulate_put(
        "/api/operate/pause", body="why=x", headers=bearer("ops") | {"Content-Type": "text/plain"}
    )
    problem(sent, 415, "unsupported_media_type", "Content-Type")
    broken = keyed.simulate_put(
        "/api/operate/pause", body='{"why": ', headers=bearer("ops") | {"Content-Type": "application/json"}
    )
    problem(broken, 400, "invalid_json", "why")


def test_without_redis_it_is_503_and_can_be_repeated(remote: Connected, proxy: CuttingProxy) -> None:
    proxy.refuse()
    for method, body in [("GET", None), ("PUT", {"why": "x"}), ("DELETE", None)]:
        words = {} if body is None else {"json": body}
        answer = remote.api.simulate_request(method, "/api/operate/pause", host="localhost", extras=HERE, **words)
        assert problem(answer, 503, "redis_unavailable")["retryable"]


@pytest.mark.parametrize("why", [b'"a\\u0000b"', b'"\\ud83d\\ude00"', b'"\\u2028<script>"', b'"\\u001b[31m"'])
def test_any_text_may_be_a_reason_and_is_told_as_it_was(keyed: TestClient, parts: Parts, why: bytes) -> None:
    headers = bearer("ops") | {"Content-Type": "application/json"}
    answer = keyed.simulate_put("/api/operate/pause", body=b'{"why": ' + why + b"}", headers=headers)
    assert answer.json["paused"]["why"] == parts.journal.read()[0].why == " ".join(loads(why).split())


@pytest.mark.parametrize("body", [b'{"why": "\\ud800"}', b'{"why": "\xff"}', b'{"why": 1e999999999999}', b"[" * 50_000])
def test_a_body_that_cannot_be_read_is_refused(keyed: TestClient, parts: Parts, body: bytes) -> None:
    headers = bearer("ops") | {"Content-Type": "application/json"}
    assert keyed.simulate_put("/api/operate/pause", body=body, headers=headers).status_code == 400
    assert keyed.simulate_delete("/api/operate/limits", query_string="why=%ff", headers=bearer("ops")).status_code < 500
    assert done(parts) == []
