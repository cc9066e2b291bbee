from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from falcon.testing import Result

from tests.api.client import problem, submit
from tests.api.conforming import Conforming as TestClient
from tests.api.test_keys import RING, bearer
from tests.api.test_waiting import Watched, complete, until_waiting
from tests.parts import Parts
from txn.api.app import create_app
from txn.api.waiting import Waiters
from txn.store.changes import Changes
from txn.store.durability import DurabilityMonitor


@pytest.fixture
def watched(parts: Parts) -> Watched:
    return Watched(parts)


@pytest.fixture
def waiters(watched: Watched) -> Waiters:
    return Waiters(watched)


@pytest.fixture
def api(parts: Parts, monitor: DurabilityMonitor, waiters: Waiters) -> TestClient:
    changes = Changes(parts.database)
    app = create_app(parts.store, parts.statistics, monitor, parts.timings, changes=changes, waiters=waiters)
    return TestClient(app)


def feed(api: TestClient, **asked: str | int) -> Result:
    return api.simulate_get("/api/events", params=asked)


def ended(parts: Parts, name: str) -> str:
    parts.accept(name)
    complete(parts, name)
    return name


def test_a_change_is_told_as_the_transaction_says_it(api: TestClient, parts: Parts) -> None:
    ended(parts, "a")
    parts.fail("b")
    answer = feed(api)
    assert answer.status_code == 200
    seen = [api.simulate_get(f"/api/transactions/{name}").json for name in ("a", "b")]
    assert answer.json["events"] == [
        {"transactionId": "a", "status": "completed", "changedAt": seen[0]["completedAt"], "errorCode": None},
        {"transactionId": "b", "status": "failed", "changedAt": seen[1]["completedAt"], "errorCode": "rejected"},
    ]


def test_the_cursor_leads_on(api: TestClient, parts: Parts) -> None:
    names = [ended(parts, f"t{number}") for number in range(5)]
    first = feed(api, limit=2).json
    rest = feed(api, after=first["cursor"], limit=1000).json
    assert [event["transactionId"] for event in first["events"] + rest["events"]] == names
    assert feed(api, after=rest["cursor"]).json == {"events": [], "cursor": rest["cursor"]}


def test_whoever_waits_gets_the_next_change(api: TestClient, parts: Parts, watched: Watched, waiters: Waiters) -> None:
    ended(parts, "a")
    cursor = feed(api).json["cursor"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(feed, api, after=cursor, wait=30)
        until_waiting(watched, waiters)
        ended(parts, "b")
        assert [event["transactionId"] for event in waiting.result(60).json["events"]] == ["b"]


def test_what_is_there_is_not_waited_for(api: TestClient, parts: Parts, watched: Watched) -> None:
    ended(parts, "a")
    assert len(feed(api, wait=30).json["events"]) == 1
    assert watched.reads == 0


def test_an_empty_feed_has_a_cursor(api: TestClient, parts: Parts) -> None:
    empty = feed(api, wait="0.1").json
    assert empty["events"] == []
    ended(parts, "a")
    assert [event["transactionId"] for event in feed(api, after=empty["cursor"]).json["events"]] == ["a"]


def test_a_cursor_that_is_too_old_is_410(api: TestClient, parts: Parts, raw: redis.Redis) -> None:
    old = feed(api).json["cursor"]
    ended(parts, "a")
    ended(parts, "b")
    raw.xtrim(parts.keys.changes, maxlen=1, approximate=False)
    refused = problem(feed(api, after=old), 410, "cursor_expired")
    assert refused["retryable"] is False
    assert [event["transactionId"] for event in feed(api).json["events"]] == ["b"]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("after=x", "after"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("limit=\u0661", "limit"),
        ("wait=31", "wait"),
        ("cursor=x", "cursor"),
        ("after=a&after=b", "after"),
        ("limit=1,2", "limit"),
    ],
)
def test_what_is_asked_wrongly_is_refused(api: TestClient, asked: str, field: str) -> None:
    problem(api.simulate_get("/api/events", query_string=asked), 400, "invalid", field)


def test_without_redis_it_is_503(api: TestClient, parts: Parts) -> None:
    parts.client.set(parts.keys.changes, "x")
    problem(feed(api), 503, "redis_unavailable")


@pytest.fixture
def locked(parts: Parts, monitor: DurabilityMonitor, waiters: Waiters) -> TestClient:
    changes = Changes(parts.database)
    app = create_app(
        *(parts.store, parts.statistics, monitor, parts.timings), keys=lambda: RING, changes=changes, waiters=waiters
    )
    return TestClient(app)


def ids(answer: Result) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [event["transactionId"] for event in answer.json["events"]]


def keyed_feed(api: TestClient, name: str, **asked: str | int) -> Result:
    return api.simulate_get("/api/events", params=asked, headers=bearer(name))


def submitted_by(api: TestClient, parts: Parts, name: str) -> str:
    transaction: str = submit(api, **bearer(name)).json["transactionId"]
    complete(parts, transaction)
    return transaction


def test_with_keys_each_client_is_told_of_its_own_and_operators_of_all(locked: TestClient, parts: Parts) -> None:
    shops, rivals = submitted_by(locked, parts, "shop"), submitted_by(locked, parts, "rival")
    nobodys = ended(parts, "a")
    assert ids(keyed_feed(locked, "shop")) == [shops]
    assert ids(keyed_feed(locked, "rival")) == [rivals]
    assert ids(keyed_feed(locked, "default")) == [nobodys]
    assert ids(keyed_feed(locked, "books")) == []
    assert ids(keyed_feed(locked, "ops")) == [shops, rivals, nobodys]
    problem(feed(locked), 401, "unauthorized")
    problem(keyed_feed(locked, "till"), 403, "forbidden")


def test_with_keys_whoever_waits_is_woken_by_its_own_only(
    locked: TestClient, parts: Parts, watched: Watched, waiters: Waiters
) -> None:
    with ThreadPoolExecutor(2) as pool:
        shop = pool.submit(keyed_feed, locked, "shop", wait=30)
        ops = pool.submit(keyed_feed, locked, "ops", wait=30)
        until_waiting(watched, waiters, 2)
        rivals = submitted_by(locked, parts, "rival")
        assert ids(ops.result(60)) == [rivals]
        assert not shop.done()
        shops = submitted_by(locked, parts, "shop")
        assert ids(shop.result(60)) == [shops]


def test_with_keys_nobody_waits_for_anothers(locked: TestClient, parts: Parts, watched: Watched) -> None:
    rivals: str = submit(locked, **bearer("rival")).json["transactionId"]
    answer = locked.simulate_get(f"/api/transactions/{rivals}?wait=30", headers=bearer("shop"))
    problem(answer, 404, "not_found")
    assert watched.reads == 0
