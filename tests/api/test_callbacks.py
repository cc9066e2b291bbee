import json
from typing import Any

import pytest
from falcon.testing import Result, TestClient

from tests.api.client import problem
from tests.api.conforming import Conforming
from tests.api.test_keys import RING, bearer
from tests.callbacks.receiver import line
from tests.parts import Parts
from txn.api.app import create_app
from txn.callbacks.rules import CallbackRules, read_endpoints
from txn.settings import Settings
from txn.store.durability import DurabilityMonitor

FORM = {"amount": 1, "currency": "USD", "description": "Payment"}
URL = "https://hooks.example/x"
LINES = line("shop", "https://shop.example/") + line("till", "-")


def told(parts: Parts, monitor: DurabilityMonitor, **values: Any) -> TestClient:
    settings = Settings.model_validate({"callbacks": LINES, "callback_hosts": "hooks.example", **values})
    rules = CallbackRules(settings, read_endpoints(settings))
    return Conforming(
        create_app(parts.store, parts.statistics, monitor, parts.timings, keys=lambda: RING, callbacks=rules)
    )


def sent(api: TestClient, who: str, **more: Any) -> Result:
    return api.simulate_post("/api/transactions", json=FORM | more, headers=bearer(who))


@pytest.mark.parametrize(
    ("who", "more", "stored"),
    [
        ("shop", {}, "client"),
        ("shop", {"callbackUrl": None}, "client"),
        ("shop", {"callbackUrl": URL}, URL),
        ("till", {}, None),
        ("till", {"callbackUrl": URL}, URL),
        ("rival", {}, None),
    ],
)
def test_the_record_says_who_is_told(
    parts: Parts, monitor: DurabilityMonitor, who: str, more: dict[str, Any], stored: str | None
) -> None:
    found = sent(told(parts, monitor), who, **more)
    assert found.status_code == 202
    assert parts.record(found.json["transactionId"]).get("callback") == stored
    assert "callbackUrl" not in found.json


@pytest.mark.parametrize(
    ("who", "url"),
    [
        ("rival", URL),
        ("shop", "https://elsewhere.example/"),
        ("shop", "http://hooks.example/"),
        ("shop", ""),
        ("shop", 7),
        ("shop", [URL]),
        ("shop", "client"),
    ],
)
def test_a_url_that_is_not_taken_is_refused_and_nothing_stored(
    parts: Parts, monitor: DurabilityMonitor, who: str, url: object
) -> None:
    problem(sent(told(parts, monitor), who, callbackUrl=url), 400, "invalid", "callbackUrl")
    assert parts.read_statistics().totals.accepted == 0


def test_without_hosts_no_submission_may_name_a_url(parts: Parts, monitor: DurabilityMonitor) -> None:
    problem(sent(told(parts, monitor, callback_hosts=""), "shop", callbackUrl=URL), 400, "invalid", "callbackUrl")


def test_where_there_are_no_callbacks_none_is_taken(api: TestClient) -> None:
    found = api.simulate_post("/api/transactions", json=FORM | {"callbackUrl": URL})
    assert "there are no callbacks" in problem(found, 400, "invalid", "callbackUrl")["detail"]


def test_a_repeat_with_another_url_is_a_repeat_and_the_first_is_told(parts: Parts, monitor: DurabilityMonitor) -> None:
    api = told(parts, monitor)
    first = sent(api, "shop", id="a", callbackUrl=URL)
    again = sent(api, "shop", id="a", callbackUrl=f"{URL}/other")
    assert (first.status_code, again.status_code) == (202, 200)
    assert parts.record("a")["callback"] == URL


@pytest.mark.parametrize("atomic", [False, True])
def test_in_a_batch_each_has_its_own(parts: Parts, monitor: DurabilityMonitor, *, atomic: bool) -> None:
    body = [FORM | {"id": "a"}, FORM | {"id": "b", "callbackUrl": URL}, FORM | {"id": "c", "callbackUrl": "https://x/"}]
    body = body if not atomic else body[:2]
    found = told(parts, monitor).simulate_post(
        "/api/transactions/batch",
        body=json.dumps({"transactions": body, "atomic": atomic}),
        headers=bearer("shop") | {"Content-Type": "application/json"},
    )
    results = found.json["results"]
    assert [one["result"] for one in results] == ["created", "created", "invalid"][: len(body)]
    assert [parts.record(name).get("callback") for name in ("a", "b")] == ["client", URL]
    assert atomic or results[2]["problem"]["field"] == "callbackUrl"


@pytest.mark.parametrize("batch", [False, True])
def test_a_repeat_is_a_repeat_although_its_url_is_not_taken_any_more(
    parts: Parts, monitor: DurabilityMonitor, *, batch: bool
) -> None:
    sent(told(parts, monitor), "shop", id="a", callbackUrl=URL)
    api = told(parts, monitor, callback_hosts="")
    if not batch:
        assert sent(api, "shop", id="a", callbackUrl=URL).status_code == 200
        problem(sent(api, "shop", id="b", callbackUrl=URL), 400, "invalid", "callbackUrl")
        return
    body = [FORM | {"id": name, "callbackUrl": URL} for name in ("a", "b")]
    found = api.simulate_post("/api/transactions/batch", json=body, headers=bearer("shop"))
    assert [one["result"] for one in found.json["results"]] == ["replayed", "invalid"]
    assert parts.record("a")["callback"] == URL
