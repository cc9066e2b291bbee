import select
import socket
import time
from typing import Any

import pytest
import redis

from ops.ports import free_port
from ops.redis_server import RedisServer
from tests.posting.raw_server import CERTIFICATE, full_backlog
from tests.proxy import TlsProxy
from txn.store.connection import connect


@pytest.mark.parametrize("query", ["decode_responses=True", "protocol=3", "socket_timeout=60", "retry_on_timeout=True"])
def test_options_in_the_url_do_not_change_what_the_store_relies_on(server: RedisServer, query: str) -> None:
    with connect(f"{server.url}?{query}", timeout_ms=1_000) as client:
        assert client.echo("text") == b"text"
        connection = client.connection_pool.get_connection()
        assert connection.socket_timeout == 1.0
        assert connection.protocol == 2
        client.connection_pool.release(connection)


@pytest.mark.parametrize("first", ["dead", "closed"])
def test_of_several_addresses_of_a_name_the_one_that_answers_is_taken_in_time(
    valkey: RedisServer, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    with full_backlog() as dead:
        ports = (dead if first == "dead" else free_port(), valkey.port)

        def resolved(*_name: Any, **_hints: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]

        monkeypatch.setattr(socket, "getaddrinfo", resolved)
        with connect("redis://redis.test/0", timeout_ms=3_000) as client:
            began = time.monotonic()
            assert client.ping()
            assert time.monotonic() - began < 30


def test_dead_addresses_share_the_time_for_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    with full_backlog() as dead:
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", dead))] * 20
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_name, **_hints: addresses)
        with connect("redis://redis.test/0", timeout_ms=1_000) as client:
            began = time.monotonic()
            with pytest.raises(redis.TimeoutError):
                client.ping()
            assert time.monotonic() - began < 20


def test_what_tls_says_for_itself_is_no_stray_reply(valkey: RedisServer) -> None:
    options = f"ssl_ca_certs={CERTIFICATE}"
    with (
        TlsProxy(valkey.port, CERTIFICATE) as proxy,
        connect(f"rediss://127.0.0.1:{proxy.port}/0?{options}", timeout_ms=30_000) as client,
    ):
        connection = client.connection_pool.make_connection()
        connection.connect()
        assert select.select([connection._sock], [], [], 60)[0], "the session tickets have come"
        assert not connection.can_read()
        connection.send_command("PING")
        assert connection.read_response() == b"PONG"
        connection.disconnect()
