import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from falcon.testing import Result

from ops.redis_server import RedisServer
from tests.api.client import OTHER_BODY, SHORT_MS, Connected, problem, status, submit, with_id
from tests.parts import Clock, Parts
from tests.proxy import CuttingProxy
from txn.model.ids import id_for_key
from txn.settings import Settings


class CuttingOnce(CuttingProxy):
    """Loses one answer and mends itself, before anybody has seen the loss."""

    @property
    def cuts(self) -> int:
        return self._cuts

    @cuts.setter
    def cuts(self, count: int) -> None:
        self._cuts = count
        self.mend()


@pytest.fixture
def cutting_once(server: RedisServer, settings: Settings, clock: Clock) -> Iterator[tuple[CuttingOnce, Connected]]:
    with (
        CuttingOnce(server.port) as proxy,
        Connected(f"redis://127.0.0.1:{proxy.port}/0", settings, clock) as connected,
    ):
        yield proxy, connected


@contextmanager
def hanging(server: RedisServer) -> Iterator[None]:
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


def until_answered(ask: Callable[[], Result]) -> Result:
    """By a Redis that goes on again, at the first time that it answers within the short patience."""
    while (result := ask()).status_code == 503:
        pass
    return result


def records(parts: Parts) -> int:
    return sum(1 for _ in parts.client.scan_iter(f"{parts.settings.prefix}t:*"))


def test_without_redis_a_submit_is_503_and_says_how_to_repeat_it(remote: Connected, proxy: CuttingProxy) -> None:
    proxy.refuse()
    result = submit(remote.api, key="k")
    document = problem(result, 503, "redis_unavailable")
    assert result.headers["Retry-After"] == "1"
    assert "Idempotency-Key" in document["hint"]
    assert "may have been stored" in document["hint"]
    assert "127.0.0.1" not in result.text


def test_without_redis_a_question_is_503(remote: Connected, proxy: CuttingProxy) -> None:
    proxy.refuse()
    result = status(remote.api, "a")
    problem(result, 503, "redis_unavailable")
    assert result.headers["Retry-After"] == "1"


def test_without_redis_what_is_wrong_is_still_named(remote: Connected, proxy: CuttingProxy) -> None:
    proxy.refuse()
    problem(submit(remote.api, b"{}"), 400, "invalid", "amount")
    problem(status(remote.api, "a/b"), 400, "invalid", "id")


def test_when_redis_is_back_submits_are_accepted_again(remote: Connected, proxy: CuttingProxy, parts: Parts) -> None:
    proxy.refuse()
    assert submit(remote.api, key="k").status_code == 503
    proxy.mend()
    assert submit(remote.api, key="k").status_code == 202
    assert records(parts) == 1


def test_a_connection_that_died_while_idle_costs_nothing(remote: Connected, proxy: CuttingProxy) -> None:
    submit(remote.api, key="first")
    proxy.refuse()
    proxy.mend()
    assert submit(remote.api, key="second").status_code == 202


def test_an_accept_whose_answer_is_lost_is_there_once_when_it_is_repeated(
    remote: Connected, proxy: CuttingProxy, parts: Parts
) -> None:
    submit(remote.api, with_id("first"))
    proxy.cut_answers(b"EVALSHA")
    problem(submit(remote.api, key="k"), 503, "redis_unavailable")
    assert proxy.was_cut.is_set()
    assert parts.store.read(id_for_key("k")).status == "pending"
    proxy.mend()
    again = submit(remote.api, key="k")
    assert again.status_code == 200
    assert again.headers["Idempotent-Replayed"] == "true"
    problem(submit(remote.api, OTHER_BODY, key="k"), 422, "content_conflict", "Idempotency-Key")
    assert records(parts) == 2
    assert parts.queued() == ["first", id_for_key("k")]
    assert parts.read_statistics().totals.accepted == 2


@pytest.mark.parametrize("key", [None, "k"])
def test_a_single_lost_answer_is_not_noticed_by_the_client(
    cutting_once: tuple[CuttingOnce, Connected], parts: Parts, key: str | None
) -> None:
    proxy, remote = cutting_once
    submit(remote.api, with_id("first"))
    proxy.cut_answers(b"EVALSHA")
    result = submit(remote.api, key=key)
    assert proxy.cuts == 1
    # Somebody else may have sent the same key; nobody can have sent a random id.
    assert result.status_code == (202 if key is None else 200)
    assert parts.store.read(result.json["transactionId"]).status == "pending"
    assert records(parts) == 2


def test_a_redis_that_hangs_is_503_in_time_and_what_it_stored_is_there_once(
    server: RedisServer, settings: Settings, clock: Clock, parts: Parts
) -> None:
    with Connected(server.url, settings, clock, timeout_ms=SHORT_MS) as connected:
        until_answered(lambda: submit(connected.api, with_id("first")))
        with hanging(server):
            started = time.monotonic()
            problem(submit(connected.api, key="k"), 503, "redis_unavailable")
            problem(status(connected.api, "first"), 503, "redis_unavailable")
            assert time.monotonic() - started < 100
        until_answered(lambda: submit(connected.api, key="k"))
        assert until_answered(lambda: submit(connected.api, key="k")).status_code == 200
        assert records(parts) == 2


def test_without_redis_health_is_503_in_under_a_second(remote: Connected, proxy: CuttingProxy) -> None:
    assert remote.api.simulate_get("/api/health").status_code == 200
    proxy.refuse()
    started = time.monotonic()
    result = remote.api.simulate_get("/api/health")
    assert time.monotonic() - started < 10
    assert result.status_code == 503
    assert result.json["status"] == "unhealthy"
    assert [problem[:23] for problem in result.json["problems"]] == ["Redis cannot be reached"]
    assert {"uptime", "version"} <= result.json.keys()


@pytest.mark.parametrize("connected_before", [True, False])
def test_with_a_redis_that_hangs_health_is_503_in_under_a_second(
    server: RedisServer, settings: Settings, clock: Clock, connected_before: bool
) -> None:
    with Connected(server.url, settings, clock, timeout_ms=SHORT_MS) as connected:
        if connected_before:
            until_answered(lambda: connected.api.simulate_get("/api/health"))
        with hanging(server):
            started = time.monotonic()
            result = connected.api.simulate_get("/api/health")
            assert time.monotonic() - started < 10
        assert result.status_code == 503
        assert result.json["status"] == "unhealthy"
        assert until_answered(lambda: connected.api.simulate_get("/api/health")).status_code == 200
