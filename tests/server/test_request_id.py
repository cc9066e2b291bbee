from collections.abc import Iterable
from typing import Any

from gevent import socket

from txn.server.connection import Connection
from txn.server.request_id import REQUEST_ID, begin


def test_what_is_done_for_a_request_is_not_logged_under_the_id_of_the_one_before() -> None:
    found: list[str] = []

    def application(_environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        found.append(REQUEST_ID.get())
        begin("of the first")
        start("204 No Content", [])
        return []

    client, ours = socket.socketpair()
    connection = Connection(ours, "", application, {})
    connection.greenlet.start()
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    client.shutdown(socket.SHUT_WR)
    connection.greenlet.join()
    connection.close()
    client.close()
    assert found == ["", ""]
