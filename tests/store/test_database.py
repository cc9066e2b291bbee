import re
from pathlib import Path

import pytest

import txn
from tests.parts import Parts
from txn.errors import StoreRefuses, StoreUnavailable
from txn.store.connection import connect
from txn.store.database import OTHER_TYPE, Database

#: What talks to connections, and `durability`, which asks whatever server there is.
BELOW = {
    "agreement.py",
    "asking.py",
    "connection.py",
    "group_commit.py",
    "scripts.py",
    "database.py",
    "durability.py",
    "inspection.py",
    "sentinel.py",
    "arrival.py",
    "flusher.py",
    "reasons.py",
}


@pytest.fixture
def away(parts: Parts) -> Database:
    return Database(connect("redis://127.0.0.1:1/0", timeout_ms=100), parts.keys)


def test_every_way_to_redis_says_in_our_words_that_it_is_away(away: Database) -> None:
    for ask in (
        lambda: away.run("push", ["a", "b"], ["c", "d"]),
        lambda: away.call(lambda client: client.get("a")),
        lambda: away.pipeline(lambda pipeline: pipeline.get("a")),
        lambda: away.pipeline(lambda pipeline: pipeline.get("a"), other_types=True),
        away.now_ms,
    ):
        with pytest.raises(StoreUnavailable, match="nothing listens there"):
            ask()


def test_a_server_that_takes_no_writes_refuses(parts: Parts) -> None:
    parts.client.config_set("maxmemory", "1")
    try:
        with pytest.raises(StoreRefuses):
            parts.database.call(lambda client: client.set(parts.keys.doctor, 1))
        with pytest.raises(StoreRefuses):
            parts.database.pipeline(lambda pipeline: pipeline.set(parts.keys.doctor, 1), other_types=True)
    finally:
        parts.client.config_set("maxmemory", "0")


def test_a_key_of_another_type_is_told_from_the_others_only_where_that_is_asked_for(parts: Parts) -> None:
    keys, database = parts.keys, parts.database
    parts.client.set(keys.record("text"), "no hash")
    parts.accept("a")

    def ask(pipeline: object) -> None:
        for name in ("text", "a"):
            pipeline.hget(keys.record(name), "status")  # type: ignore[attr-defined]

    assert database.pipeline(ask, other_types=True) == [OTHER_TYPE, b"pending"]
    with pytest.raises(StoreUnavailable, match="WRONGTYPE"):
        database.pipeline(ask)


def test_its_clock_is_rediss_and_moves_with_the_test(parts: Parts) -> None:
    before = parts.database.now_ms()
    parts.clock.forward(60_000)
    assert 60_000 <= parts.database.now_ms() - before < 120_000


def test_nobody_else_makes_errors_of_redis_ours() -> None:
    catches = re.compile(r"except \(?redis\.|(?<!def )\bunavailable\(")
    root = Path(txn.__file__).parent
    found = {path.name for path in root.rglob("*.py") if catches.search(path.read_text())}
    assert found - BELOW == set()
