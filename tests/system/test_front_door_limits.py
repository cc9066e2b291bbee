"""How much, and for how long, the server listens to a client that asks for more than is its due."""

import contextlib
import http.client
import json
import socket
import time
from typing import Any

import pytest

from tests.parts import BODY
from tests.system.stack import Stack, stack_fixture

HEAD = b"POST /api/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
#: What a kernel may hold between two processes.
BUFFERS = 32 * 2**20

stack = stack_fixture({"WEB_CONCURRENCY": "1"}, scope="module")


def connection(stack: Stack, sent: bytes) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", stack.api_port), timeout=60)
    found.sendall(sent)
    return found


def answer(client: socket.socket) -> tuple[int, Any]:
    """The one answer before the server closes."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(65536):
            found += piece
    head, _, document = found.partition(b"\r\n\r\n")
    assert b"\r\nconnection: close" in head.lower()
    assert b"\r\ncontent-type: application/problem+json" in head.lower()
    return int(head.split()[1]), json.loads(document)


@pytest.mark.parametrize("expects", [b"", b"Expect: 100-continue\r\n"])
def test_a_body_that_is_too_long_is_refused_before_it_has_come(stack: Stack, expects: bytes) -> None:
    with connection(stack, HEAD + expects + b"Content-Length: 99999999999\r\n\r\n") as client:
        status, document = answer(client)
    assert (status, document["code"], document["field"]) == (413, "body_too_large", "body")


def test_what_follows_a_refused_body_is_not_read(stack: Stack) -> None:
    sent = 0
    with connection(stack, HEAD + b"Content-Length: 99999999999\r\n\r\n") as client, contextlib.suppress(OSError):
        while sent < 2 * BUFFERS:
            client.sendall(b" " * 65536)
            sent += 65536
    assert sent < BUFFERS


def test_a_body_that_was_let_in_is_asked_for(stack: Stack) -> None:
    found = b""
    while found in (b"", b"HTTP/1.1 503"):  # Redis stands still
        with connection(stack, HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY)) as client:
            assert client.recv(25, socket.MSG_WAITALL) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(BODY)
            found = client.recv(12, socket.MSG_WAITALL)
    assert found == b"HTTP/1.1 202"


def test_a_body_shorter_than_it_says_is_refused_also_if_its_json_is_whole(stack: Stack) -> None:
    with connection(stack, HEAD + b"Content-Length: %d\r\n\r\n" % (len(BODY) + 1) + BODY) as client:
        client.shutdown(socket.SHUT_WR)
        status, document = answer(client)
    assert (status, document["code"]) == (400, "invalid_body")
    assert "ended before all of it had come" in document["detail"]


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /livez HTTP/1.1\r\nX: " + b"v" * 40_000,
        b"GET /livez HTTP/1.1\r\n" + b"X: v\r\n" * 6_000,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + b"X: v\r\n" * 6_000,
    ],
    ids=["one line", "many lines", "trailers"],
)
def test_more_header_than_is_let_in_is_refused_while_it_comes(stack: Stack, sent: bytes) -> None:
    with connection(stack, sent) as client:
        status, _ = answer(client)
    assert status in (400, 431)


def test_what_does_not_come_to_its_end_is_given_up(stack: Stack) -> None:
    with contextlib.ExitStack() as open_ones:
        beginnings = [
            b"GET /li",
            HEAD,
            HEAD + b"Content-Length: 9\r\n\r\n{",
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n",
        ]
        clients = [open_ones.enter_context(connection(stack, sent)) for sent in beginnings]
        assert [answer(client)[0] for client in clients] == [408] * len(clients)


@pytest.mark.long
def test_no_connection_is_idle_for_ever(stack: Stack) -> None:
    with connection(stack, b"") as client:
        began = time.monotonic()
        assert client.recv(1) == b""
        assert time.monotonic() - began > 20, "well-behaved clients keep theirs for a while"


def test_a_refused_request_ends_the_connection_before_what_follows_it(stack: Stack) -> None:
    submit = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    before = stack.client.hget("txn:count", "accepted")
    with connection(stack, HEAD + b"Content-Length: 5, 5\r\n\r\n" + submit) as client:
        assert answer(client)[0] == 400
    assert stack.client.hget("txn:count", "accepted") == before


def test_a_refused_small_body_does_not_cost_the_connection(stack: Stack) -> None:
    client = http.client.HTTPConnection("127.0.0.1", stack.api_port, timeout=60)
    for _ in range(3):
        client.request("POST", "/api/nowhere", b"x" * 5_000)
        found = client.getresponse()
        found.read()
        assert (found.status, found.headers["Connection"]) == (404, "keep-alive")
    client.close()


def events(stack: Stack) -> list[dict[str, Any]]:
    """Without what it says of Redis, which does not answer where the machine stands still."""
    lines = [json.loads(line) for line in (stack.folder / "api.log").read_text().splitlines()]
    return [line for line in lines if line["logger"] != "txn.state"]


def test_malformed_requests_are_one_kind_of_line_without_their_bytes(stack: Stack) -> None:
    before = len(events(stack))
    secret = b'{"card": "4111-1111-1111-1111"}'
    for number in range(200):
        with connection(
            stack, HEAD + b"Content-Length: 1\r\n\r\n" + secret * 2 + b"%d / HTTP/1.1\r\n\r\n" % number
        ) as client:
            while client.recv(65536):
                pass
    lines = events(stack)[before:]
    assert {line["event"] for line in lines} <= {"a malformed request was refused"}
    assert 0 < len(lines) < 50, "a flood is counted"
    assert "4111" not in (stack.folder / "api.log").read_text()
