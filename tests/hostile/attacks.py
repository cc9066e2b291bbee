"""What one hostile client does on one connection, a step at a time; each ends when the server closes it.

A step returns how long to wait before the next, in s.
"""

import socket
from collections.abc import Iterator

from tests.parts import BODY

POST = b"POST /api/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
Steps = Iterator[float]


def pipelines(client: socket.socket) -> Steps:
    """Asks as fast as it is answered, and never stops asking."""
    asked = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 2_000
    rest = asked
    while True:
        try:
            rest = rest[client.send(rest) :] or asked
        except BlockingIOError:
            yield 0.001
        if _is_closed(client):
            return
        yield 0


def pipelines_without_reading(client: socket.socket) -> Steps:
    """Asks, and reads no answer."""
    while True:
        yield from _sent(client, b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n" * 20)


def streams_a_body_that_is_too_long(client: socket.socket) -> Steps:
    yield from _sent(client, POST + b"Content-Length: 99999999999\r\n\r\n")
    while True:
        yield from _sent(client, b" " * 65536)


def streams_chunks_without_an_end(client: socket.socket) -> Steps:
    yield from _sent(client, POST + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        yield from _sent(client, b"1\r\n \r\n" * 1000)


def submits(client: socket.socket) -> Steps:
    """Valid submits, as fast as they are answered."""
    submit = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    while True:
        yield from _sent(client, submit)
        if _is_closed(client):
            return


def drips_a_header(client: socket.socket) -> Steps:
    """As much of a head as is let in, then a byte at a time."""
    yield from _sent(client, b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"v" * 400) for n in range(70)))
    yield from _dripped(client, 0.001)


def drips_a_trailer(client: socket.socket) -> Steps:
    trailers = b"".join(b"X-%d: %s\r\n" % (n, b"v" * 400) for n in range(70))
    yield from _sent(client, POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + trailers)
    yield from _dripped(client, 0.001)


def drips_a_long_header(client: socket.socket) -> Steps:
    """More of a head than anybody needs, then a byte at a time."""
    yield from _sent(client, b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"v" * 8000) for n in range(99)))
    yield from _dripped(client, 0.001)


def drips_a_body(client: socket.socket) -> Steps:
    yield from _sent(client, POST + b"Content-Length: 60000\r\n\r\n")
    yield from _dripped(client, 1)


def does_nothing(client: socket.socket) -> Steps:
    while True:
        yield 1
        if _is_closed(client):
            return


def sends_rubbish(client: socket.socket) -> Steps:
    yield from _sent(client, POST + b"Content-Length: 12\r\n\r\n" + b'{"card": "4111-1111"} SECRET / HTTP/1.1\r\n\r\n')
    for _ in range(100):
        yield 0.01
        if _is_closed(client):
            return


def _sent(client: socket.socket, data: bytes) -> Steps:
    while data:
        try:
            data = data[client.send(data) :]
        except BlockingIOError:
            yield 0.01
    yield 0


def _dripped(client: socket.socket, wait_s: float) -> Steps:
    while True:
        yield from _sent(client, b"v")
        yield wait_s
        if _is_closed(client):
            return


def _is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(65536) == b""
    except BlockingIOError:
        return False
