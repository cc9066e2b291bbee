import pytest

from ops.redis_server import RedisServer
from tests.parts import Parts
from tests.proxy import CuttingProxy
from txn.errors import StoreUnavailable
from txn.store.connection import connect
from txn.store.timings import BUCKETS_MS, Timings


def test_what_several_processes_noted_is_added_up(parts: Parts) -> None:
    one, other = Timings(parts.client, parts.keys), Timings(parts.client, parts.keys)
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


def test_what_was_added_is_not_added_again(parts: Parts) -> None:
    parts.timings.note("submit", 0.01)
    parts.timings.flush()
    parts.timings.flush()
    assert sum(parts.timings.read()["submit"].counts) == 1


def test_nothing_noted_writes_nothing(parts: Parts) -> None:
    assert parts.timings.flush() == 1.0
    assert not parts.client.exists(parts.keys.timings)


def test_without_redis_a_flush_says_so_and_loses_its_own_notes_only(parts: Parts) -> None:
    away = Timings(connect("redis://127.0.0.1:1/0", timeout_ms=100), parts.keys)
    away.note("submit", 0.01)
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        away.flush()
    away._client = parts.client
    away.note("submit", 0.02)
    away.flush()
    assert parts.timings.read()["submit"].sum_s == 0.02


def test_a_flush_whose_answer_is_lost_is_not_repeated(parts: Parts, server: RedisServer) -> None:
    with CuttingProxy(server.port) as proxy:
        timings = Timings(connect(f"redis://127.0.0.1:{proxy.port}/0", timeout_ms=1_000), parts.keys)
        timings.note("submit", 0.01)
        proxy.cut_answers(b"HINCRBY")
        with pytest.raises(StoreUnavailable):
            timings.flush()
        proxy.mend()
        timings.flush()
    assert sum(parts.timings.read()["submit"].counts) == 1
