import contextlib
import errno
import itertools
import socket
import threading
from collections.abc import Iterable

import pytest

from ops.ports import free_port
from tests.posting.conftest import BODY, Wires
from tests.posting.raw_server import PATIENCE_S, Peer, Turn, answer, dripping, full_backlog, hanging, saying
from txn.posting.requests.transport import RequestsTransport
from txn.posting.transport import MAX_ANSWER_BYTES, MaybeSent, NotSent

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def test_refused_is_not_sent(wires: Wires) -> None:
    wire = wires.to(free_port())
    wire.fails(NotSent, wire.post)


def test_an_unresolvable_name_is_not_sent(wires: Wires) -> None:
    wire = wires.to(80, host="nobody.invalid")
    wire.fails(NotSent, lambda: wire.post(timeout_ms=2_000))


def test_a_connection_that_is_not_answered_is_not_sent(wires: Wires) -> None:
    with full_backlog() as port:
        wires.to(port).fails_on_time(NotSent, timeout_ms=150)


def test_a_name_server_that_does_not_answer_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    silence = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: silence.wait(PATIENCE_S))
    Wires(RequestsTransport).to(80, host="anybody.invalid").fails_on_time(NotSent, timeout_ms=150)
    silence.set()


def test_a_reset_while_connecting_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*args: object) -> None:
        raise ConnectionResetError(errno.ECONNRESET, "reset")

    monkeypatch.setattr(socket.socket, "connect", connect)
    wire = Wires(RequestsTransport).to(free_port())
    wire.fails(NotSent, wire.post)


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("/a\r\nb: c", "A", "b"),
        ("/a\0", "A", "b"),
        ("/a", "A", "b\r\nX: s3cret"),
        ("/a", "A", "b\ns3cret"),
        ("/a", "A\n", "b"),
    ],
)
def test_what_would_break_the_request_apart_does_not_leave(wires: Wires, path: str, name: str, value: str) -> None:
    wire = wires.connect()
    if wires.kind is RequestsTransport and path != "/a":  # requests encodes it instead
        assert wire.post(path).status == 200
    else:
        wire.fails(NotSent, lambda: wire.post(path, headers={name: value}))
        assert wire.arrived() == []


def test_the_next_call_after_a_failure_is_a_call_like_any_other(wires: Wires) -> None:
    wire = wires.connect(hanging, saying(b"garbage\r\n\r\n"))
    wire.fails_on_time(MaybeSent, timeout_ms=100)
    wire.fails(MaybeSent, wire.post)
    assert wire.post().status == 200
    assert len(wire.arrived()) == 3


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTT",
        b"HTTP/1.1 200",
        OK,
        OK + b"X-A: b\r\n",
        OK + b"Content-Length: 2\r\n",
        OK + b"Content-Length: 2\r\n\r\n",
        OK + b"Content-Length: 2\r\n\r\na",
        CHUNKED,
        CHUNKED + b"5\r\nabc",
        CHUNKED + b"3\r\nabc\r\n",
        CHUNKED + b"3\r\nabc\r\n0\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
@pytest.mark.parametrize("reused", [False, True])
def test_an_answer_cut_short_is_maybe_sent(wires: Wires, said: bytes, reused: bool) -> None:
    def turn(peer: Peer) -> None:
        peer.say([said])
        peer.hang_up()

    wire = wires.connect(turn, reused=reused)
    wire.fails(MaybeSent, wire.post)
    assert len(wire.arrived()) == 1


@pytest.mark.parametrize(
    "said",
    [
        b"\0\xff\r\n\r\n",
        b"220 mail ESMTP s3cret\r\n",
        b"s3cret\r\n\r\n",
        b"HTTP/1.1 s3cret no\r\n\r\n",
        b"HTTP/7.7 200 OK\r\n\r\n",
        CHUNKED + b"s3cret\r\nabc\r\n0\r\n\r\n",
        OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
def test_garbage_is_maybe_sent_and_not_quoted(wires: Wires, said: bytes) -> None:
    wire = wires.connect(saying(said))
    wire.fails(MaybeSent, lambda: wire.post(timeout_ms=5_000))
    assert len(wire.arrived()) == 1


def test_an_interim_answer_is_never_taken_for_the_answer(wires: Wires) -> None:
    wire = wires.connect(saying(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", answer(201)))
    try:
        assert wire.post().status == 201
    except MaybeSent:
        assert wires.kind is RequestsTransport
    assert wire.get().body == b"/base/transactions/x"


@pytest.mark.parametrize(
    "said",
    [
        [answer(200, b"x" * (MAX_ANSWER_BYTES + 1))],
        itertools.chain([OK + b"\r\n"], itertools.repeat(b"x" * 65536)),
        itertools.chain([CHUNKED], itertools.repeat(b"10000\r\n" + b"x" * 65536 + b"\r\n")),
        itertools.chain([OK], itertools.repeat(b"X-Header: " + b"x" * 2000 + b"\r\n")),
        itertools.chain([OK + b"X-Header: "], itertools.repeat(b"x" * 65536)),
        itertools.chain([CHUNKED], itertools.repeat(b"1" * 65536)),
    ],
    ids=["length", "endless", "endless chunks", "endless headers", "endless header", "endless chunk size"],
)
def test_an_answer_too_large_is_not_read_to_its_end(wires: Wires, said: Iterable[bytes]) -> None:
    wire = wires.connect(lambda peer: peer.say(said))
    wire.fails(MaybeSent, wire.post)
    assert len(wire.arrived()) == 1


@pytest.mark.parametrize(
    "turn",
    [
        hanging,
        dripping(OK + b"X-A: b\r\n" * 10_000),
        dripping(OK + b"Content-Length: 10000\r\n\r\n" + b"x" * 10_000),
        dripping(CHUNKED + b"1\r\nx\r\n" * 10_000),
        dripping(b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000),
        saying(OK + b"Content-Length: 2\r\n\r\na"),
        saying(OK + b"Connection: close\r\n\r\na"),
    ],
    ids=["silent", "headers", "body", "chunks", "interim", "stalled", "stalled at the end"],
)
@pytest.mark.parametrize("reused", [False, True])
def test_the_deadline_is_total_and_ends_in_a_reset(wires: Wires, turn: Turn, reused: bool) -> None:
    wire = wires.connect(turn, reused=reused)
    peer = wire.server.peer() if reused else None
    wire.fails_on_time(MaybeSent, timeout_ms=200)
    peer = peer or wire.server.peer()
    peer.join(PATIENCE_S)  # although the transport is still open
    assert peer.ended_by in ("ConnectionResetError", "BrokenPipeError")
    assert len(wire.arrived()) == 1


def test_a_request_that_nobody_reads_ends_at_the_deadline(wires: Wires) -> None:
    wire = wires.connect(accepting=False, receive_buffer=4096)
    wire.fails_on_time(MaybeSent, timeout_ms=200, body=b"x" * 20_000_000)
    wire.server.accept()
    assert len(wire.arrived()) == 1


def test_what_the_kernel_still_holds_at_the_deadline_is_not_delivered_later(wires: Wires) -> None:
    body = b"x" * 50_000
    wire = wires.connect(accepting=False, receive_buffer=4096)
    wire.fails_on_time(MaybeSent, timeout_ms=200, body=body)
    wire.server.accept()
    peer = wire.server.peer()
    peer.join(PATIENCE_S)
    assert peer.ended_by == "ConnectionResetError"
    assert len(wire.arrived()[0]) < len(body)


def test_a_small_request_that_waits_in_the_backlog_is_followed_by_a_reset(wires: Wires) -> None:
    wire = wires.connect(accepting=False)
    wire.fails_on_time(MaybeSent, timeout_ms=150)
    wire.server.accept()
    peer = wire.server.peer()
    peer.join(PATIENCE_S)
    assert peer.ended_by in ("ConnectionResetError", "BrokenPipeError")
    assert [request.endswith(BODY) for request in wire.arrived()] == [True]  # what the other kernel has, it hands over


@pytest.mark.parametrize("reused", [False, True])
def test_a_reset_in_the_middle_of_a_request_is_maybe_sent(wires: Wires, reused: bool) -> None:
    wire = wires.connect(reused=reused, cut_after=100_000)
    wire.fails(MaybeSent, lambda: wire.post(body=b"x" * 20_000_000))
    assert len(wire.arrived()) == 1


def test_header_lines_that_cannot_be_read_are_said_in_a_line_without_them(
    wires: Wires, caplog: pytest.LogCaptureFixture
) -> None:
    odd = OK + b"no colon s3cret\r\nContent-Length: 2\r\n\r\n{}"
    wire = wires.connect(saying(odd))
    with contextlib.suppress(MaybeSent):  # libcurl takes it for an answer of HTTP/0.9
        wire.post()
    for record in caplog.records:
        assert record.exc_info is None
        assert "s3cret" not in record.getMessage()
    assert len(caplog.records) == (wires.kind is RequestsTransport)
