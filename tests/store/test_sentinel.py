import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from ops.ports import free_port
from ops.sentinels import NAME, Watched, names
from ops.waiting import until
from tests.posting.raw_server import CERTIFICATE
from tests.proxy import TlsProxy
from tests.topologies import port
from txn.errors import StoreUnavailable
from txn.redis_places import Place, SentinelAccess, SentinelUrl
from txn.store.asking import Answer, Found
from txn.store.connection import connect
from txn.store.database import Database
from txn.store.keys import Keys
from txn.store.sentinel import Sentinels, _Seen

PROMPT_S = 10.0  # two on a machine that does nothing else


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with Watched({name: free_port() for name in names()}, tmp_path) as found:
        yield found


def set_once(client: redis.Redis, value: str) -> bool:
    try:
        return bool(client.set("key", value))
    except redis.RedisError:
        return False


def test_the_sentinels_say_where_the_primary_is_and_after_a_failover_where_it_is_then(watched: Watched) -> None:
    old = watched.primary()
    with connect(watched.url, timeout_ms=1_000) as client:
        assert port(client) == old.port
        old.kill()
        until(lambda: set_once(client, "after"), "it takes writes again")
        until(lambda: watched.primary() is not old, "the sentinel that is asked here knows")
        assert port(client) == watched.primary().port != old.port


def test_a_frozen_primary_is_not_believed_when_it_comes_back(watched: Watched) -> None:
    old = watched.primary()
    with connect(watched.url, timeout_ms=1_000) as idle:
        assert port(idle) == old.port  # a connection that stays open, unused
        server = idle.connection_pool.connection_kwargs["server"]
        old.freeze()
        until(lambda: server.primary.port != old.port, "the sentinels name another one")
        old.thaw()
        assert idle.set("key", "idle")
        until(lambda: watched.primary() is not old, "the sentinel that is asked here knows")
        assert port(idle) == watched.primary().port != old.port


def test_a_planned_failover_is_followed_at_once(watched: Watched) -> None:
    old = watched.primary()
    with connect(watched.url, timeout_ms=1_000) as client:
        assert port(client) == old.port
        watched.ask("sentinel1", "SENTINEL", "FAILOVER", NAME)
        until(lambda: watched.primary() is not old, "there is a new primary")
        began_s = time.monotonic()
        until(lambda: set_once(client, "x") and port(client) == watched.primary().port, "it is followed")
        assert time.monotonic() - began_s < PROMPT_S


def test_less_than_half_of_the_sentinels_is_not_enough_and_more_is(watched: Watched) -> None:
    watched.servers["sentinel0"].kill()
    with connect(watched.url, timeout_ms=1_000) as client:
        assert client.ping()
    watched.servers["sentinel1"].freeze()
    with connect(watched.url, timeout_ms=1_000) as client, pytest.raises(StoreUnavailable, match="1 of 3 sentinels"):
        Database(client, Keys("txn:", "q")).call(lambda one: one.ping())
    watched.servers["sentinel1"].thaw()


def test_who_asks_for_another_name_is_told_so(watched: Watched) -> None:
    url = watched.url.replace(f"/{NAME}/", "/other/")
    with connect(url, timeout_ms=1_000) as client, pytest.raises(StoreUnavailable, match="no master of this name"):
        Database(client, Keys("txn:", "q")).call(lambda one: one.ping())


def test_sentinels_have_a_password_of_their_own(watched: Watched) -> None:
    for name in names()[2:]:
        watched.ask(name, "ACL", "SETUSER", "default", "resetpass", ">hunter2")
    with connect(watched.url, timeout_ms=1_000, access=SentinelAccess(password="wrong")) as client:
        database = Database(client, Keys("txn:", "q"))
        with pytest.raises(StoreUnavailable, match="TXN_SENTINEL_PASSWORD"):
            database.call(lambda one: one.ping())
    with connect(watched.url, timeout_ms=1_000, access=SentinelAccess(password="hunter2")) as client:
        assert client.ping()


def answers(client: redis.Redis) -> bool:
    with contextlib.suppress(redis.RedisError):
        return bool(client.ping())
    return False


def test_sentinels_may_speak_tls(watched: Watched) -> None:
    plain = SentinelAccess()
    with TlsProxy(watched.servers["sentinel0"].port, CERTIFICATE) as proxy:
        url = f"redis+sentinel://app:app@127.0.0.1:{proxy.port}/{NAME}"
        with connect(url, timeout_ms=1_000, access=SentinelAccess(ca=CERTIFICATE)) as client:
            until(lambda: answers(client), "a handshake comes in time")
        for access in (SentinelAccess(ca="system"), plain):  # not trusted, and without TLS
            database = Database(connect(url, timeout_ms=1_000, access=access), Keys("txn:", "q"))
            with pytest.raises(StoreUnavailable, match="TXN_SENTINEL_CA"):
                database.call(lambda one: one.ping())


def seen(described: int, epoch: int, place: int, *, is_down: bool = False) -> Answer:
    """What a sentinel says of a primary on one port, while it sends clients to another."""
    state = {"ip": "h", "port": described, "config-epoch": epoch, "is_master": True}
    return Answer(_Seen(state | {"is_sdown": is_down, "is_odown": False}, Place("h", place)), None, Place("s", 1))


@pytest.mark.parametrize("is_down", [True, False])
def test_the_sentinel_that_leads_a_failover_is_believed_before_the_others_know_of_it_and_the_old_primary_is_back(
    monkeypatch: pytest.MonkeyPatch, is_down: bool
) -> None:
    others, leader = [seen(1, 1, 1), seen(1, 1, 1)], seen(1, 2, 2, is_down=is_down)
    sentinels = Sentinels(SentinelUrl([Place("h", 1)] * 3, NAME, ""), SentinelAccess())
    monkeypatch.setattr(sentinels, "_told", lambda: [*others, leader])
    assert sentinels.primary() == Found(Place("h", 2), 2)
