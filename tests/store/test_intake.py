from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.parts import Clock, Parts, Seconds
from txn.errors import Overloaded, StoreUnavailable
from txn.model.outcome import Completed
from txn.model.transaction import Evidence
from txn.store import intake
from txn.store.connection import connect
from txn.store.database import Database
from txn.store.intake import IntakeMonitor, Overload

Open = Callable[..., IntakeMonitor]


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def monitor_of(parts: Parts, seconds: Seconds) -> Open:
    def opened(**settings: Any) -> IntakeMonitor:
        return IntakeMonitor(parts.database, parts.settings.model_copy(update=settings), seconds)

    return opened


@pytest.fixture
def maxmemory(parts: Parts) -> Iterator[Callable[[int], None]]:
    """Sets it to so many bytes above what is used now."""

    def limit(spare: int) -> None:
        memory = parts.client.info("memory")
        parts.client.config_set("maxmemory", memory["used_memory"] - memory["mem_not_counted_for_evict"] + spare)

    yield limit
    parts.client.config_set("maxmemory", 0)


def seen(monitor: IntakeMonitor) -> Overload:
    monitor.beat()
    assert monitor.overload is not None
    return monitor.overload


def complete(parts: Parts) -> None:
    parts.settle(parts.claimed(parts.accept()), Completed(Evidence.POSTED))


def test_below_its_limits_everybody_is_let_in(parts: Parts, monitor_of: Open) -> None:
    parts.accept()
    monitor = monitor_of(max_unfinished=2)
    monitor.require()
    monitor.beat()
    monitor.require()


def test_with_too_many_unfinished_submits_are_refused_until_some_have_ended(parts: Parts, monitor_of: Open) -> None:
    names = [parts.accept() for _ in range(2)]
    monitor = monitor_of(max_unfinished=2)
    assert seen(monitor).reason == "unfinished"
    with pytest.raises(Overloaded, match="2 transactions are unfinished and 2 may be"):
        monitor.require()
    parts.settle(parts.claimed(names[0]), Completed(Evidence.POSTED))
    monitor.beat()
    monitor.require()


def test_they_are_let_in_again_only_a_little_below_the_limit(parts: Parts, monitor_of: Open) -> None:
    names = [parts.accept() for _ in range(100)]
    monitor = monitor_of(max_unfinished=100)
    since_ms = seen(monitor).since_ms
    for name in names[:2]:
        parts.settle(parts.claimed(name), Completed(Evidence.POSTED))
    assert seen(monitor).since_ms == since_ms
    parts.settle(parts.claimed(names[2]), Completed(Evidence.POSTED))
    monitor.beat()
    assert monitor.overload is None


@pytest.mark.parametrize(("ended", "unfinished", "wait_s"), [(0, 30, 60), (60, 30, 20), (60, 11, 1), (2, 300, 60)])
def test_the_wait_is_what_is_too_much_by_the_rate_of_the_last_minute(
    parts: Parts, monitor_of: Open, ended: int, unfinished: int, wait_s: int
) -> None:
    parts.begin_a_minute()
    for _ in range(ended):
        complete(parts)
    for _ in range(unfinished):
        parts.accept()
    assert seen(monitor_of(max_unfinished=10)).retry_after_s == pytest.approx(wait_s, abs=1)


def test_the_last_minute_is_no_minute_of_the_clock(parts: Parts, monitor_of: Open, clock: Clock) -> None:
    parts.begin_a_minute()
    for _ in range(40):
        complete(parts)
    monitor = monitor_of()
    found = []
    for _ in range(4):
        monitor.beat()
        assert monitor.level is not None
        found.append(monitor.level.ended)
        clock.forward(30_000)
    assert found[0] == found[1] == 40
    assert 10 <= found[2] <= 40, "a part of the minute before"
    assert found[3] < found[2]


def test_what_was_seen_too_long_ago_is_not_gone_by(parts: Parts, monitor_of: Open, seconds: Seconds) -> None:
    parts.accept()
    monitor = monitor_of(max_unfinished=1)
    seen(monitor)
    seconds.now_s += intake.TRUSTED_S
    assert monitor.overload is not None
    seconds.now_s += 0.1
    monitor.require()
    assert monitor.level is None


def test_a_redis_that_is_away_is_not_guessed_about(parts: Parts, seconds: Seconds) -> None:
    nobody = Database(connect("redis://127.0.0.1:1/0", timeout_ms=200), parts.keys)
    monitor = IntakeMonitor(nobody, parts.settings, seconds)
    with pytest.raises(StoreUnavailable):
        monitor.beat()
    assert monitor.level is None


def test_near_its_maxmemory_submits_are_refused_and_let_in_again_when_it_is_raised(
    monitor_of: Open, maxmemory: Callable[[int], None]
) -> None:
    maxmemory(20_000)
    monitor = monitor_of()
    over = seen(monitor)
    assert over.reason == "memory"
    assert "TXN_MAX_REDIS_MEMORY=90%" in over.sentence
    assert "CONFIG SET maxmemory" in over.sentence
    maxmemory(1_000_000_000)
    monitor.beat()
    assert monitor.overload is None


def test_without_a_maxmemory_there_is_no_share_of_it(monitor_of: Open) -> None:
    monitor = monitor_of(max_redis_memory="1%")
    monitor.beat()
    assert monitor.overload is None


def test_bytes_are_a_limit_without_a_maxmemory(monitor_of: Open) -> None:
    assert seen(monitor_of(max_redis_memory="100kb")).reason == "memory"


def test_a_user_who_may_not_ask_for_the_memory_still_has_the_other_limit(parts: Parts, seconds: Seconds) -> None:
    parts.accept()
    parts.client.execute_command("ACL", "SETUSER", "app", "reset", "on", ">s3cret", "~*", "+@all", "-info")
    url = f"redis://app:s3cret@127.0.0.1:{parts.client.connection_pool.connection_kwargs['port']}/0"
    database = Database(connect(url, timeout_ms=30_000), parts.keys)
    assert seen(IntakeMonitor(database, parts.settings.model_copy(update={"max_unfinished": 1}), seconds))


def test_what_was_refused_is_counted_by_why(parts: Parts, monitor_of: Open) -> None:
    parts.accept()
    monitor = monitor_of(max_unfinished=1)
    monitor.beat()
    for _ in range(3):
        with pytest.raises(Overloaded):
            monitor.require()
    monitor.refused("rate")
    monitor.beat()
    monitor.beat()
    assert parts.read_statistics().totals.shed_by == {"unfinished": 3, "memory": 0, "rate": 1}


def test_a_full_redis_is_read_and_counted_in_all_the_same(
    parts: Parts, monitor_of: Open, maxmemory: Callable[[int], None]
) -> None:
    monitor = monitor_of()
    monitor.refused("rate")
    maxmemory(-100_000)
    assert seen(monitor).reason == "memory"
    assert parts.read_statistics().totals.shed_by["rate"] == 1
