from collections.abc import Callable, Iterator
from typing import Any

import pytest
from falcon.testing import TestClient

from tests.api.client import problem, submit
from tests.parts import Parts, Seconds
from txn.addresses import Networks
from txn.api.app import create_app
from txn.api.intake import MAX_CLIENTS, Intake, Rates
from txn.store.durability import DurabilityMonitor
from txn.store.intake import IntakeMonitor

Api = tuple[TestClient, IntakeMonitor]


@pytest.fixture
def api_of(parts: Parts, monitor: DurabilityMonitor) -> Callable[..., Api]:
    def opened(per_second: int = 0, proxies: str = "", **settings: Any) -> Api:
        limits = IntakeMonitor(parts.database, parts.settings.model_copy(update=settings))
        intake = Intake(limits, Rates(per_second, Seconds()), Networks(proxies.split(",")))
        app = create_app(parts.store, parts.statistics, monitor, parts.timings, intake=intake)
        return TestClient(app), limits

    return opened


@pytest.fixture
def overloaded(parts: Parts, api_of: Callable[..., Api]) -> Iterator[TestClient]:
    api, limits = api_of(max_unfinished=1)
    parts.accept("known")
    limits.beat()
    yield api
    limits.beat()


def test_above_a_limit_a_submit_is_refused_and_told_when_to_come_back(overloaded: TestClient) -> None:
    result = submit(overloaded)
    document = problem(result, 503, "overloaded")
    assert "TXN_MAX_UNFINISHED" in document["detail"]
    assert result.headers["Retry-After"] == "60"
    assert "Idempotency-Key" in document["hint"]


def test_it_is_refused_before_anything_of_it_is_read(overloaded: TestClient) -> None:
    problem(submit(overloaded, b"{", **{"Content-Type": "text/plain"}), 503, "overloaded")


def test_what_is_known_can_still_be_asked_for(overloaded: TestClient) -> None:
    assert overloaded.simulate_get("/api/transactions/known").status_code == 200
    assert overloaded.simulate_get("/readyz").status_code == 200


def test_health_is_unhealthy_and_says_why(overloaded: TestClient) -> None:
    result = overloaded.simulate_get("/api/health")
    assert (result.status_code, result.json["status"], result.json["queueDepth"]) == (503, "unhealthy", 1)
    assert "TXN_MAX_UNFINISHED" in result.json["problems"][0]


def metric(api: TestClient, line: str) -> bool:
    return line in api.simulate_get("/metrics", remote_addr="127.0.0.1").text


def test_metrics_say_which_limit_it_is_and_how_many_were_refused(parts: Parts, api_of: Callable[..., Api]) -> None:
    api, limits = api_of(max_unfinished=1)
    limits.beat()
    assert metric(api, 'txn_shedding{limit="unfinished"} 0.0')
    parts.accept()
    limits.beat()
    submit(api)
    limits.beat()
    assert metric(api, 'txn_shedding{limit="unfinished"} 1.0')
    assert metric(api, 'txn_shed_total{limit="unfinished"} 1.0')
    assert metric(api, "txn_redis_memory_bytes")
    assert metric(api, "txn_redis_memory_limit_bytes 0.0")


def test_one_client_sends_no_more_than_it_may_and_another_is_let_in(api_of: Callable[..., Api]) -> None:
    api, limits = api_of(per_second=2)
    found = [submit(api) for _ in range(3)]
    assert [one.status_code for one in found] == [202, 202, 429]
    problem(found[2], 429, "too_many_submits")
    assert found[2].headers["Retry-After"] == "1"
    headers = {"Content-Type": "application/json"}
    body = b'{"amount": 1, "currency": "USD", "description": "x"}'
    other = api.simulate_post("/api/transactions", body=body, headers=headers, remote_addr="192.0.2.7")
    assert other.status_code == 202
    limits.beat()
    assert metric(api, 'txn_shed_total{limit="rate"} 1.0')


@pytest.mark.parametrize(
    ("proxies", "first", "second", "status"),
    [
        ("127.0.0.1", "192.0.2.1", "192.0.2.2", 202),
        ("127.0.0.1", "192.0.2.2, 192.0.2.1", "192.0.2.3, 192.0.2.1", 429),
        ("127.0.0.1", "2001:db8::1", "2001:db8::2", 429),
        ("127.0.0.1", "2001:db8::1", "2001:db8:0:1::1", 202),
        ("", "192.0.2.1", "192.0.2.2", 429),
    ],
    ids=["two behind a proxy", "one's own words", "one /64", "two /64", "a proxy that nobody has named"],
)
def test_a_client_is_whom_a_trusted_proxy_has_seen(
    api_of: Callable[..., Api], proxies: str, first: str, second: str, status: int
) -> None:
    api, _ = api_of(per_second=1, proxies=proxies)
    assert submit(api, **{"X-Forwarded-For": first}).status_code == 202
    assert submit(api, **{"X-Forwarded-For": second}).status_code == status


def test_a_batch_counts_as_many_as_are_in_it(api_of: Callable[..., Api]) -> None:
    api, _ = api_of(per_second=10)
    batch = [{"amount": 1, "currency": "USD", "description": "x"}] * 40
    assert api.simulate_post("/api/transactions/batch", json=batch).status_code == 200
    result = submit(api)
    problem(result, 429, "too_many_submits")
    assert int(result.headers["Retry-After"]) in (3, 4)


def test_a_batch_is_refused_before_it_is_read(overloaded: TestClient) -> None:
    result = overloaded.simulate_post("/api/transactions/batch", body=b"[", headers={"Content-Type": "text/plain"})
    problem(result, 503, "overloaded")


def test_after_a_pause_a_client_may_send_what_a_second_holds_at_once() -> None:
    seconds = Seconds()
    rates = Rates(10, seconds)
    assert [rates.wait_s("a") > 0 for _ in range(11)] == [False] * 10 + [True]
    seconds.now_s += 0.3
    assert [rates.wait_s("a") > 0 for _ in range(4)] == [False] * 3 + [True]
    seconds.now_s += 100
    assert [rates.wait_s("a") > 0 for _ in range(11)] == [False] * 10 + [True]


def test_who_is_refused_is_let_in_after_the_wait_that_it_was_told() -> None:
    seconds = Seconds()
    rates = Rates(1, seconds)
    assert rates.wait_s("a") == 0
    for _ in range(50):
        wait_s = rates.wait_s("a")
    assert 0 < wait_s <= 1
    seconds.now_s += wait_s + 0.001
    assert rates.wait_s("a") == 0


def test_strangers_without_number_are_not_remembered() -> None:
    rates = Rates(1, Seconds())
    for number in range(MAX_CLIENTS + 10):
        rates.wait_s(str(number))
    assert len(rates._spent) == MAX_CLIENTS
