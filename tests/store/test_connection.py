import pytest

from ops.redis_server import RedisServer
from txn.store.connection import connect


@pytest.mark.parametrize("query", ["decode_responses=True", "protocol=3", "socket_timeout=60", "retry_on_timeout=True"])
def test_options_in_the_url_do_not_change_what_the_store_relies_on(server: RedisServer, query: str) -> None:
    with connect(f"{server.url}?{query}", timeout_ms=1_000) as client:
        assert client.echo("text") == b"text"
        connection = client.connection_pool.get_connection()
        assert connection.socket_timeout == 1.0
        assert connection.protocol == 2
        client.connection_pool.release(connection)
