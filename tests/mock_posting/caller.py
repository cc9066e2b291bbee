"""Callers of a posting service that can leave before they are answered."""

import http.client
import json
import socket
import time
from typing import Any, Self

from ops.mock_posting.client import MockPosting

PATIENCE_S = 60.0


def row(row_id: str, **changes: Any) -> dict[str, Any]:
    """The body of a POST."""
    return {
        "id": row_id,
        "amount": 100.5,
        "currency": "USD",
        "description": "Payment",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "metadata": {"order_id": "12345"},
    } | changes


class Caller:
    """One connection; leaves when the `with` ends."""

    def __init__(self, mock: MockPosting) -> None:
        self._socket = socket.create_connection(("127.0.0.1", mock.port), timeout=PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._socket.close()

    def post(self, row_id: str) -> Self:
        """Send a POST, do not wait for the answer."""
        body = json.dumps(row(row_id)).encode()
        self._socket.sendall(b"POST /transactions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return self

    def get(self, path: str) -> Self:
        """Send a GET, do not wait for the answer."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return self

    def status(self) -> int:
        """Of the answer, once all of it is there; 0: the connection was closed without one."""
        answer = http.client.HTTPResponse(self._socket)
        try:
            answer.begin()
        except http.client.RemoteDisconnected:
            return 0
        answer.read()
        return answer.status

    def closed(self) -> bool:
        """Waits for more; whether the connection was closed instead."""
        try:
            return self._socket.recv(4096) == b""
        except ConnectionResetError:
            return True


def until_stats(mock: MockPosting, **expected: int) -> None:
    """Wait until the statistics say so."""
    deadline = time.monotonic() + PATIENCE_S
    while not expected.items() <= (found := mock.stats()).items():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {expected}, but {found}"
        time.sleep(0.005)
