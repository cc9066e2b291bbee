from typing import Any

import pytest
from falcon.testing import TestClient

from tests.api.client import problem, submit, with_id
from tests.api.test_keys import MADE, RING, bearer
from tests.parts import Parts
from txn.api.app import create_app
from txn.model.content import dumps
from txn.model.outcome import Cause, Clear, Completed, Failed, Maybe, Outcome, Retry
from txn.model.transaction import ErrorCode, Evidence
from txn.store.durability import DurabilityMonitor

LINE = {
    "attempt": 1,
    "mode": "post",
    "outcome": "uncertain",
    "detail": "POST: host:8080",
    "http": 500,
    "ms": 12,
    "worker": "w",
}


def settled(parts: Parts, ended: Outcome, /, **line: Any) -> None:
    parts.settle(parts.claimed("a"), ended, history=dumps(LINE | line).decode() if line else "")


def attempts(api: TestClient, **headers: str) -> Any:
    return api.simulate_get("/api/transactions/a?include=attempts", headers=headers).json["attempts"]


def test_nothing_was_tried_yet(api: TestClient) -> None:
    submit(api, with_id("a"))
    assert attempts(api) == []
    assert "attempts" not in api.simulate_get("/api/transactions/a").json


def test_each_delivery_is_told_in_its_order(api: TestClient, parts: Parts) -> None:
    submit(api, with_id("a"))
    settled(parts, Retry(Cause.UNCERTAIN, "500", Maybe(0), 0), http=500)
    settled(parts, Failed(ErrorCode.REJECTED, "no", Clear()), attempt=2, outcome="rejected", http=422)
    first, second = attempts(api)
    assert first == LINE | {"at": first["at"]}
    assert (second["attempt"], second["outcome"], second["http"]) == (2, "rejected", 422)
    assert first["at"] <= second["at"]
    parts.replay("a")  # what an operator did is no attempt
    assert len(attempts(api)) == 2


def test_one_that_went_well_at_once_has_one_attempt(api: TestClient, parts: Parts) -> None:
    submit(api, with_id("a"))
    settled(parts, Completed(Evidence.POSTED))
    ended = api.simulate_get("/api/transactions/a").json["completedAt"]
    [only] = attempts(api)
    assert (only["at"], only["attempt"], only["outcome"], only["http"]) == (ended, 1, "posted", None)


def test_there_are_at_most_as_many_as_the_record_keeps(api: TestClient, parts: Parts) -> None:
    submit(api, with_id("a"))
    for number in range(25):
        settled(parts, Retry(Cause.OUTAGE, "away", Clear(), 0), attempt=number)
    assert [one["attempt"] for one in attempts(api)] == list(range(5, 25))


def test_a_line_that_cannot_be_read_is_no_server_error(api: TestClient, parts: Parts) -> None:
    submit(api, with_id("a"))
    parts.client.hset(parts.keys.record("a"), "history", "x\n1764331207000 {\n1764331207000 []\n")
    assert isinstance(attempts(api), list)


def test_what_names_hosts_is_for_operators(parts: Parts, monitor: DurabilityMonitor) -> None:
    api = TestClient(create_app(parts.store, parts.statistics, monitor, parts.timings, keys=lambda: RING))
    submit(api, with_id("a"), **bearer("shop"))
    settled(parts, Retry(Cause.UNCERTAIN, "500", Maybe(0), 0), http=500)
    assert attempts(api, **bearer("ops"))[0].keys() - attempts(api, **bearer("shop"))[0].keys() == {"detail", "worker"}
    for name in set(MADE) - {"shop", "ops"}:
        asked = api.simulate_get("/api/transactions/a?include=attempts", headers=bearer(name))
        assert asked.status_code in (403, 404)


@pytest.mark.parametrize(
    "query", ["include=", "include=everything", "include=attempts,more", "include=attempts&include=x"]
)
def test_what_cannot_be_included_is_refused(api: TestClient, query: str) -> None:
    submit(api, with_id("a"))
    problem(api.simulate_get(f"/api/transactions/a?{query}"), 400, "invalid", "include")
