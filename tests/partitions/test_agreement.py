import pytest
import redis

from tests.partitions.parts import AllParts
from tests.parts import Clock, Parts
from txn.errors import StoreUnavailable
from txn.queue.message import NAME
from txn.store.agreement import Agreement
from txn.store.connection import connect
from txn.store.database import Database
from txn.store.keys import Keys


def start(parts: Parts, partitions: int, **credentials: str) -> Database:
    """A process that begins with this setting, and its first call."""
    keys = Keys(parts.settings.prefix, NAME)
    options = parts.client.connection_pool.connection_kwargs
    url = f"redis://{options['host']}:{options['port']}/{options.get('db', 0)}"
    client = connect(url, timeout_ms=30_000, on_connect=Agreement(keys, partitions).before())
    client.connection_pool.connection_kwargs.update(credentials)
    database = Database(client, keys)
    try:
        database.now_ms()
    finally:
        client.close()
    return database


def test_the_first_start_writes_the_number_and_the_same_is_let_in(parts: AllParts) -> None:
    start(parts, 4)
    assert parts.client.get(f"{parts.settings.prefix}partitions") == b"4"
    start(parts, 4)


@pytest.mark.parametrize("other", [8, 2, 1, 0])
def test_another_number_or_none_is_refused_and_says_which_it_is(parts: AllParts, other: int) -> None:
    start(parts, 4)
    with pytest.raises(StoreUnavailable, match=r"accepted with 4: set TXN_PARTITIONS=4 for every process"):
        start(parts, other)
    assert parts.client.get(f"{parts.settings.prefix}partitions") == b"4"


def test_what_was_accepted_without_partitions_is_not_left_behind(parts: AllParts, clock: Clock) -> None:
    url = "redis://{host}:{port}/{db}".format(**({"db": 0} | parts.client.connection_pool.connection_kwargs))
    with Parts(url, parts.settings, clock) as undivided:
        undivided.accept()
    with pytest.raises(StoreUnavailable, match="accepted without partitions: unset it"):
        start(parts, 4)
    assert not parts.client.exists(f"{parts.settings.prefix}partitions")
    start(parts, 0)


def test_what_an_older_connection_accepts_without_partitions_is_not_hidden(parts: AllParts, clock: Clock) -> None:
    url = "redis://{host}:{port}/{db}".format(**({"db": 0} | parts.client.connection_pool.connection_kwargs))
    with Parts(url, parts.settings, clock) as undivided:
        start(parts, 4)
        undivided.accept()
    with pytest.raises(StoreUnavailable, match="accepted without partitions: stop every process, and see docs"):
        start(parts, 4)


def test_it_is_looked_at_on_each_new_connection(parts: AllParts) -> None:
    database = start(parts, 4)
    database.now_ms()
    parts.client.set(f"{parts.settings.prefix}partitions", 8)
    database.client.connection_pool.disconnect()
    with pytest.raises(StoreUnavailable, match="accepted with 8"):
        database.now_ms()


def test_a_cleanup_does_not_forget_it(parts: AllParts) -> None:
    start(parts, 4)
    parts.accept()
    assert parts.store.cleanup()
    assert parts.client.get(f"{parts.settings.prefix}partitions") == b"4"


def test_who_may_not_ask_goes_on_without_partitions(parts: AllParts) -> None:
    start(parts, 4)
    rules = ["reset", "on", ">word", "~*", "+@all", "-exists"]
    parts.client.execute_command("ACL", "SETUSER", "narrow", *rules)
    start(parts, 0, username="narrow", password="word")
    with pytest.raises((StoreUnavailable, redis.RedisError)):
        start(parts, 8, username="narrow", password="word")
