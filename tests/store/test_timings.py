import pytest

from ops.redis_server import RedisServer
from tests.parts import Parts
from tests.proxy import CuttingProxy
from txn.errors import StoreUnavailable
from txn.store import timings
from txn.store.connection import connect
from txn.store.database import Database
from txn.store.timings import BUCKETS_MS, KEPT_MINUTES, RECENT_MINUTES, Timings


def test_what_several_processes_noted_is_added_up(parts: Parts) -> None:
    one, other = Timings(parts.database), Timings(parts.database)
    for process, seconds in ((one, 0.0005), (one, 0.001), (one, 0.0011), (other, 0.3), (other, 99)):
        process.note("submit", seconds)
    other.note("get:404", 0.02)
    one.flush()
    other.flush()
    found = parts.timings.read()
    assert list(found) == ["get:404", "submit"]
    assert dict(zip((*BUCKETS_MS, None), found["submit"].counts, strict=True)) == {
        **dict.fromkeys((*BUCKETS_MS, None), 0),
        1: 2,  # an upper end belongs to its bucket
        2: 1,
        500: 1,
        None: 1,
    }
    assert found["submit"].sum_s == pytest.approx(99.3026)
    assert found["get:404"].sum_s == 0.02


@pytest.mark.parametrize("limit_ms", BUCKETS_MS)
def test_a_bucket_ends_with_the_last_microsecond_of_its_upper_end(parts: Parts, limit_ms: int) -> None:
    limit_us = limit_ms * 1000
    spent_us = (limit_us - 1, limit_us, limit_us + 1)
    for us in spent_us:
        parts.timings.note("submit", (us + 0.5) / 1e6)  # what is less than a microsecond does not count
    parts.timings.flush()
    found = parts.timings.read()["submit"]
    counts = dict(zip((*BUCKETS_MS, None), found.counts, strict=True))
    next_ms = dict(zip(BUCKETS_MS, (*BUCKETS_MS[1:], None), strict=True))[limit_ms]
    assert {bucket: count for bucket, count in counts.items() if count} == {limit_ms: 2, next_ms: 1}
    assert found.sum_s == pytest.approx(sum(spent_us) / 1e6, abs=1e-9)


def test_many_notes_of_one_kind_cost_the_notes_of_others_nothing(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timings, "_MAX_NOTES", 10)
    noted = Timings(parts.database)
    noted.note("post:201", 0.02)
    for _ in range(11):
        noted.note("get:404", 0.02)
    noted.flush()
    assert {what: sum(found.counts) for what, found in noted.read().items()} == {"get:404": 10, "post:201": 1}


def test_what_was_added_is_not_added_again(parts: Parts) -> None:
    parts.timings.note("submit", 0.01)
    parts.timings.flush()
    parts.timings.flush()
    assert sum(parts.timings.read()["submit"].counts) == 1


def test_nothing_noted_writes_nothing(parts: Parts) -> None:
    assert parts.timings.flush() == 1.0
    assert not parts.client.exists(parts.keys.timings)


def test_without_redis_a_flush_says_so_and_loses_its_own_notes_only(parts: Parts) -> None:
    away = Timings(Database(connect("redis://127.0.0.1:1/0", timeout_ms=100), parts.keys))
    away.note("submit", 0.01)
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        away.flush()
    away._database = parts.database
    away.note("submit", 0.02)
    away.flush()
    assert parts.timings.read()["submit"].sum_s == 0.02


def test_a_flush_whose_answer_is_lost_is_not_repeated(parts: Parts, server: RedisServer) -> None:
    with CuttingProxy(server.port) as proxy:
        timings = Timings(Database(connect(f"redis://127.0.0.1:{proxy.port}/0", timeout_ms=30_000), parts.keys))
        timings.note("submit", 0.01)
        proxy.cut_answers(b"HINCRBY")
        with pytest.raises(StoreUnavailable):
            timings.flush()
        proxy.mend()
        timings.flush()
    assert sum(parts.timings.read()["submit"].counts) == 1


def test_the_latest_minutes_are_told_apart_from_all_time(parts: Parts) -> None:
    parts.begin_a_minute()
    parts.timings.note("post:none", 5.01)
    parts.timings.note("get:404", 0.02)
    parts.timings.flush()
    for minutes, there in ((1, True), (RECENT_MINUTES - 2, True), (1, False)):
        parts.clock.forward(minutes * 60_000)
        parts.timings.note("get:404", 0.02)
        parts.timings.flush()
        assert ("post:none" in parts.timings.recent()) == there
    assert sum(parts.timings.recent()["get:404"].counts) == 3
    assert sum(parts.timings.read()["get:404"].counts) == 4
    assert sum(parts.timings.read()["post:none"].counts) == 1
    parts.clock.forward(RECENT_MINUTES * 60_000)
    assert parts.timings.recent() == {}


def test_the_latest_minutes_of_several_processes_are_one(parts: Parts) -> None:
    parts.begin_a_minute()
    for _ in range(2):
        process = Timings(parts.database)
        process.note("get:404", 0.02)
        process.flush()
    assert sum(parts.timings.recent()["get:404"].counts) == 2


def test_minutes_of_timings_expire_and_are_none_of_the_charts(parts: Parts) -> None:
    parts.timings.note("get:404", 0.02)
    parts.timings.flush()
    [key] = parts.client.keys(f"{parts.keys.recent_timings}*")
    assert 0 < parts.client.ttl(key) <= KEPT_MINUTES * 60
    assert parts.client.ttl(parts.keys.timings) == -1


def test_a_number_that_is_none_takes_nothing_else_away(parts: Parts) -> None:
    parts.timings.note("get:404", 0.02)
    parts.timings.flush()
    parts.client.hset(parts.keys.timings, mapping={b"\xff:10": "1", "get:404:10": "many"})
    assert sum(parts.timings.read()["get:404"].counts) == 1
