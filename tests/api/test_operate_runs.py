from typing import Any
from urllib.parse import urlencode

import pytest
from falcon.testing import TestClient

from tests.api.client import Connected, problem
from tests.api.test_keys import HERE
from tests.api.test_operate_flow import ask, done
from tests.parts import Parts
from tests.proxy import CuttingProxy
from txn.model.dead_letter import Filter
from txn.model.transaction import ErrorCode
from txn.operate.bulk_runner import BulkRunner
from txn.operate.events import Events


def counted(api: TestClient, **wanted: str) -> Any:
    answer = ask(api, "GET", "count", query_string=urlencode(wanted))
    assert answer.status_code == 200, answer.text
    return answer.json


def confirmed(count: Any, what: str = "replay", **more: Any) -> dict[str, Any]:
    """What a program sends that agrees to a count."""
    return {name: count[name] for name in ("run", "count", "before")} | {"what": what, "why": "a test"} | more


def finish(parts: Parts) -> None:
    BulkRunner(parts.runs, parts.letters, "w").tick()


def test_a_run_does_what_was_counted_and_confirmed_and_no_more(keyed: TestClient, parts: Parts) -> None:
    for name in ("a", "b"):
        parts.fail(name)
    parts.fail("other", ErrorCode.CONFLICT)
    parts.clock.forward(5)
    count = counted(keyed, code="rejected")
    assert (count["count"], count["exact"], count["next"]) == (2, True, None)
    parts.clock.forward(5)
    parts.fail("later")
    started = ask(keyed, "POST", "runs", json=confirmed(count, filter={"code": "rejected"}))
    assert started.status_code == 200, started.text
    assert (started.json["state"], started.json["confirmed"], started.json["by"]) == ("running", 2, "ops")
    finish(parts)
    run = ask(keyed, "GET", f"runs/{count['run']}").json
    assert (run["state"], run["done"], run["filter"]) == ("done", 2, {"code": "rejected"})
    assert ask(keyed, "GET", "runs").json["runs"] == [run]
    assert [parts.status(name) for name in ("a", "b", "other", "later")] == ["pending", "pending", "failed", "failed"]


def test_what_lies_beyond_the_filter_is_left_alone_whatever_before_says(keyed: TestClient, parts: Parts) -> None:
    parts.fail("a")
    parts.clock.forward(10)
    until = counted(keyed)["before"]
    parts.clock.forward(10)
    parts.fail("b")
    parts.clock.forward(10)
    body = confirmed(counted(keyed), filter={"until": until})
    assert ask(keyed, "POST", "runs", json=body).status_code == 200
    finish(parts)
    assert [parts.status(name) for name in ("a", "b")] == ["pending", "failed"]


def test_a_run_that_meets_more_than_were_confirmed_stops(keyed: TestClient, parts: Parts) -> None:
    for name in ("a", "b", "c"):
        parts.fail(name)
        parts.clock.forward(5)
    count = counted(keyed)
    ask(keyed, "POST", "runs", json=confirmed(count) | {"count": 1})
    finish(parts)
    run = ask(keyed, "GET", f"runs/{count['run']}").json
    assert (run["state"], run["done"], run["more"]) == ("stopped", 1, True)


def test_a_start_that_is_sent_twice_starts_one_and_one_that_differs_is_refused(keyed: TestClient, parts: Parts) -> None:
    parts.fail("a")
    parts.clock.forward(5)
    body = confirmed(counted(keyed))
    first, second = (ask(keyed, "POST", "runs", json=body) for _ in range(2))
    assert first.json == second.json
    for other in ({"what": "discard"}, {"count": 7}, {"filter": {"currency": "EUR"}}):
        problem(ask(keyed, "POST", "runs", json=body | other), 409, "content_conflict", "run")
    assert [what for _, what, _ in done(parts)] == ["replay all"]
    assert len(ask(keyed, "GET", "runs").json["runs"]) == 1


def test_a_run_is_stopped_where_it_stands(keyed: TestClient, parts: Parts) -> None:
    parts.fail("a")
    parts.clock.forward(5)
    count = counted(keyed)
    ask(keyed, "POST", "runs", json=confirmed(count, "discard"))
    stopped = ask(keyed, "POST", f"runs/{count['run']}/stop").json
    assert (stopped["state"], stopped["stoppedBy"], stopped["changed"]) == ("stopped", "ops", True)
    assert not ask(keyed, "POST", f"runs/{count['run']}/stop").json["changed"]
    finish(parts)
    assert parts.letters.count(Filter()).matching == 1


@pytest.mark.parametrize("run", ["0" * 16, "x", "..", "0" * 15 + "%0A"])
def test_a_run_that_there_is_not_is_404(keyed: TestClient, run: str) -> None:
    assert ask(keyed, "GET", f"runs/{run}").status_code == 404
    assert ask(keyed, "POST", f"runs/{run}/stop").status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"run": "x"}, "run"),
        ({"run": None}, "run"),
        ({"run": "0" * 16 + "\n"}, "run"),
        ({"what": "delete"}, "what"),
        ({"what": "discard", "filter": {"state": "discarded"}}, "what"),
        ({"count": 0}, "count"),
        ({"count": "2"}, "count"),
        ({"count": True}, "count"),
        ({"before": None}, "before"),
        ({"before": "now"}, "before"),
        ({"filter": {"code": "rejectd"}}, "filter.code"),
        ({"filter": {"since": "yesterday"}}, "filter.since"),
        ({"filter": {"codes": "rejected"}}, "filter.codes"),
        ({"filter": None}, "filter"),
        ({"what": "discard", "why": ""}, "why"),
        ({"confirmed": True}, "confirmed"),
    ],
)
def test_a_run_that_is_wrong_in_one_place_is_not_started(
    keyed: TestClient, parts: Parts, change: dict[str, Any], field: str
) -> None:
    parts.fail("a")
    parts.clock.forward(5)
    body = confirmed(counted(keyed)) | change
    problem(ask(keyed, "POST", "runs", json=body), 400, "invalid", field)
    assert parts.runs.recent() == []


@pytest.mark.parametrize("missing", ["run", "what", "count", "before"])
def test_a_run_without_what_was_counted_is_not_started(keyed: TestClient, parts: Parts, missing: str) -> None:
    body = confirmed(counted(keyed)) | {"count": 1}
    del body[missing]
    problem(ask(keyed, "POST", "runs", json=body), 400, "invalid", missing)
    assert parts.runs.recent() == []


def test_a_long_count_goes_on_where_it_stopped(
    keyed: TestClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("txn.readers.dead_letters.SLICE", 2)
    monkeypatch.setattr("txn.api.operate.runs.COUNT_S", -1)
    for number in range(5):
        parts.fail(f"a{number}", detail="full" if number % 2 else "no")
        parts.clock.forward(5)
    found = counted(keyed, text="full")
    asked = 1
    while not found["exact"]:
        found = counted(keyed, text="full", after=found["next"])
        asked += 1
    assert (found["count"], found["next"], asked > 1) == (2, None, True)
    for after in ("x", "1.2.3", "1.2.3.4.5.6", "².1.1.1.1"):
        answer = ask(keyed, "GET", "count", query_string=urlencode({"after": after}))
        problem(answer, 400, "invalid", "after")


def test_the_journal_is_read_page_by_page(keyed: TestClient, parts: Parts) -> None:
    for number in range(5):
        parts.pauses.pause("ada", f"reason {number}")
    seen, before = [], {}
    while True:
        page = ask(keyed, "GET", "journal", query_string=urlencode({"limit": 2} | before)).json
        seen += [(entry["by"], entry["why"]) for entry in page["entries"]]
        if page["next"] is None:
            break
        before = {"before": page["next"]}
    assert seen == [("ada", f"reason {number}") for number in reversed(range(5))]


def test_the_journal_has_a_run_with_its_filter(keyed: TestClient, parts: Parts) -> None:
    parts.fail("a")
    parts.clock.forward(5)
    count = counted(keyed, since="2026-01-01T00:00:00Z")
    ask(keyed, "POST", "runs", json=confirmed(count, filter={"since": "2026-01-01T00:00:00Z"}))
    [entry] = ask(keyed, "GET", "journal").json["entries"]
    assert (entry["what"], entry["run"], entry["confirmed"]) == ("replay all", count["run"], 1)
    assert entry["filter"] == {"since": "2026-01-01T00:00:00.000Z"}


def test_events_are_told_the_newest_first_since_a_time(keyed: TestClient, parts: Parts) -> None:
    assert ask(keyed, "GET", "events").json == {"events": []}
    events, now_ms = Events(parts.database), parts.database.now_ms()
    events.notice("pause", "on x", now_ms - 60_000, now_ms, "by ada: x")
    events.notice("pause", "off", now_ms, now_ms)
    told = ask(keyed, "GET", "events").json["events"]
    assert [one["now"] for one in told] == ["off", "on x"]
    assert told[0]["sentence"].startswith("Deliveries go out again")
    assert len(ask(keyed, "GET", "events", query_string="limit=1").json["events"]) == 1
    assert ask(keyed, "GET", "events", query_string="since=2999-01-01T00:00:00Z").json == {"events": []}


@pytest.mark.parametrize(
    ("what", "query", "field"),
    [
        ("journal", "before=x", "before"),
        ("journal", "before=", "before"),
        ("journal", "before=0-0", "before"),
        ("journal", "before=0-5", "before"),
        ("journal", "limit=201", "limit"),
        ("events", "since=yesterday", "since"),
        ("events", "limit=-1", "limit"),
        ("events", "until=x", "until"),
        ("runs", "limit=201", "limit"),
        ("runs", "state=running", "state"),
        ("count", "limit=5", "limit"),
    ],
)
def test_a_question_that_is_none_is_refused(keyed: TestClient, what: str, query: str, field: str) -> None:
    problem(ask(keyed, "GET", what, query_string=query), 400, "invalid", field)


def test_without_redis_it_is_503(remote: Connected, proxy: CuttingProxy) -> None:
    body = {"run": "0" * 16, "what": "replay", "count": 1, "before": "2026-11-28T18:15:00Z"}
    proxy.refuse()
    for what in ("count", "runs", f"runs/{'0' * 16}", "journal", "events"):
        answer = remote.api.simulate_get(f"/api/operate/{what}", host="localhost", extras=HERE)
        problem(answer, 503, "redis_unavailable")
    for what, sent in (("runs", {"json": body}), (f"runs/{'0' * 16}/stop", {})):
        answer = remote.api.simulate_post(f"/api/operate/{what}", host="localhost", extras=HERE, **sent)
        problem(answer, 503, "redis_unavailable")
