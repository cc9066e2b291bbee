"""A promoted replica that lacks the last claim, and two workers: one that has seen it, and one that has not."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from ops.waiting import until
from tests.parts import Clock, submission
from tests.store.test_replicas import Pair
from txn.model.outcome import Mode
from txn.queue.message import NAME, message_template
from txn.settings import Settings
from txn.store.arrival import MOMENT_MS, Arrival
from txn.store.connection import connect
from txn.store.database import Database
from txn.store.keys import Keys
from txn.store.transactions import Store

KEYS, SETTINGS = Keys("txn:", NAME), Settings()


@pytest.fixture(params=["valkey", "redis6"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    found = Pair(tmp_path, request.param)
    yield found
    found.kill()


class Worker:
    """One process's store; `go_to` is what its connections do when the primary is another one."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._clock, self._seen = clock, 0
        self.store = self._store(url)

    def go_to(self, url: str) -> None:
        [(_, self._seen)] = self.store.claims_seen()
        self.store = self._store(url)
        self.store._claims_seen = self._seen

    def mode(self, name: str, owner: str = "owner") -> Mode | None:
        claim = self.store.claim(name, owner)
        return None if claim is None else claim.mode

    def _store(self, url: str) -> Store:
        arrival = Arrival(SETTINGS, lambda: [(KEYS, self._seen)], self._clock)
        self.client = connect(url, timeout_ms=30_000, on_connect=arrival.on_connect)
        return Store(Database(self.client, KEYS, self._clock), message_template(), SETTINGS)


@pytest.fixture
def worker(pair: Pair, clock: Clock) -> Iterator[Callable[[], Worker]]:
    made = []

    def make() -> Worker:
        made.append(Worker(pair.primary.url, clock))
        return made[-1]

    yield make
    for one in made:
        one.client.close()


Make = Callable[[], Worker]


def promote(pair: Pair) -> str:
    """The replica, as it is; the primary is gone. Its URL."""
    pair.primary.kill()
    with redis.Redis(port=pair.replica.port) as client:
        client.replicaof("NO", "ONE")
        until(lambda: client.info("replication")["role"] == "master", "it is promoted")
    return pair.replica.url


def in_step(pair: Pair) -> None:
    with redis.Redis(port=pair.primary.port) as client:
        client.set("x", 1)
        until(lambda: client.wait(1, 1_000) == 1, "the replica is in step")


def accept_three(worker: Worker, pair: Pair) -> None:
    for name in "abc":
        worker.store.accept(submission(name))
    worker.claimed = worker.mode("c", "first")  # type: ignore[attr-defined]
    in_step(pair)


def test_whoever_has_seen_less_does_not_post_before_the_other_has_spoken(
    pair: Pair, worker: Make, clock: Clock
) -> None:
    a, b = worker(), worker()
    accept_three(a, pair)
    with redis.Redis(port=pair.replica.port) as client:
        client.replicaof("NO", "ONE")  # cut off before A's claim
    assert a.mode("a") is Mode.POST
    url = promote(pair)
    b.go_to(url)
    assert b.mode("a", "other") is Mode.CONFIRM
    a.go_to(url)
    a.store.due(10)
    clock.forward(MOMENT_MS + 1)
    assert b.mode("b", "other") is Mode.CONFIRM, "A has said that a claim is lost"
    clock.forward(SETTINGS.lease_ms + SETTINGS.doubt_window_ms)
    assert b.mode("b", "another") is Mode.POST


def test_a_promotion_that_lost_nothing_costs_a_moment_and_only_once(pair: Pair, worker: Make, clock: Clock) -> None:
    a, b = worker(), worker()
    accept_three(a, pair)
    url = promote(pair)
    b.go_to(url)
    assert b.mode("a", "other") is Mode.CONFIRM
    clock.forward(MOMENT_MS + 1)
    a.go_to(url)
    assert a.mode("b") is Mode.POST


def test_a_restart_costs_nothing(pair: Pair, worker: Make) -> None:
    a = worker()
    accept_three(a, pair)
    pair.primary.kill()
    pair.primary.start()
    a.go_to(pair.primary.url)
    assert a.mode("a") is Mode.POST
