import socket
import threading
from pathlib import Path

import pycurl
import pytest

from tests.posting.conftest import Wires
from tests.posting.raw_server import CERTIFICATE, PATIENCE_S, Turn, answer, dripping, hanging
from txn.posting import curl_handle
from txn.posting.curl import CurlTransport
from txn.posting.curl_callbacks import reset_on_close
from txn.posting.transport import MaybeSent, NotSent

OK = b"HTTP/1.1 200 OK\r\n"


def test_a_certificate_vouched_for_by_the_ca_file_is_accepted(wires: Wires) -> None:
    wire = wires.connect(scheme="https", ca_file=CERTIFICATE)
    assert [wire.post().status for _ in range(3)] == [200, 200, 200]
    assert len(wire.arrived()) == 3
    assert len(wire.server.peers) == 1 + 1  # one more is how the server stops


def test_the_ca_file_of_the_environment_counts(wires: Wires, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", CERTIFICATE)
    assert wires.connect(scheme="https").post().status == 200


def test_a_certificate_that_nobody_vouches_for_is_not_sent(wires: Wires, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    wire = wires.connect(scheme="https")
    assert "certificate" in wire.fails(NotSent, wire.post)
    assert wire.arrived() == []


def test_a_certificate_of_another_name_is_not_sent(wires: Wires) -> None:
    server = wires.connect(scheme="https").server
    wire = wires.to(server.port, "https", host="localhost", ca_file=CERTIFICATE)
    wire.fails(NotSent, wire.post)
    assert server.stop() == []


def test_a_ca_file_that_is_not_there_is_not_sent(wires: Wires, tmp_path: Path) -> None:
    wire = wires.connect(scheme="https", ca_file=str(tmp_path / "none.pem"))
    wire.fails(NotSent, wire.post)
    assert wire.arrived() == []


def test_a_handshake_that_is_dropped_is_not_sent(wires: Wires) -> None:
    wire = wires.connect(scheme="https", handshake=False)
    wire.fails(NotSent, wire.post)


def test_a_handshake_that_is_not_answered_is_not_sent(wires: Wires) -> None:
    wire = wires.connect(scheme="https", accepting=False)
    wire.fails_on_time(NotSent, timeout_ms=200)


def test_a_server_that_does_not_speak_tls_is_not_sent(wires: Wires) -> None:
    wire = wires.to(wires.connect().server.port, "https")
    wire.fails(NotSent, lambda: wire.post(timeout_ms=500))


def test_a_server_that_speaks_tls_unasked_is_maybe_sent(wires: Wires) -> None:
    wire = wires.to(wires.connect(scheme="https").server.port)
    wire.fails(MaybeSent, wire.post)


@pytest.mark.parametrize(
    "turn",
    [
        hanging,
        dripping(OK + b"X-A: b\r\n" * 10_000),
        dripping(OK + b"Content-Length: 10000\r\n\r\n" + b"x" * 10_000),
    ],
    ids=["silent", "headers", "body"],
)
@pytest.mark.parametrize("reused", [False, True])
def test_the_deadline_is_total_and_closes_at_once(wires: Wires, turn: Turn, reused: bool) -> None:
    wire = wires.connect(turn, reused=reused, scheme="https", ca_file=CERTIFICATE)
    wire.fails_on_time(MaybeSent, timeout_ms=200)
    peer = wire.server.peer()
    peer.join(PATIENCE_S)
    assert not peer.is_alive()
    assert len(wire.arrived()) == 1


def test_what_the_kernel_still_holds_at_the_deadline_is_not_delivered_later(wires: Wires) -> None:
    reading = threading.Event()
    wire = wires.connect(scheme="https", ca_file=CERTIFICATE, receive_buffer=4096, reading=reading)
    wire.fails_on_time(MaybeSent, timeout_ms=200, body=b"x" * 50_000)
    reading.set()
    assert all(len(request) < 50_000 for request in wire.arrived())


def test_tls_records_that_left_before_libcurl_counts_them_are_maybe_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def small_send_buffer(descriptor: int, purpose: int) -> int:
        sock = socket.socket(fileno=descriptor)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
        sock.detach()
        return reset_on_close(descriptor, purpose)

    monkeypatch.setattr(curl_handle, "_OPTIONS", (*curl_handle._OPTIONS, (pycurl.SOCKOPTFUNCTION, small_send_buffer)))
    reading = threading.Event()
    wire = Wires(CurlTransport).connect(scheme="https", ca_file=CERTIFICATE, receive_buffer=20_000, reading=reading)
    wire.fails_on_time(MaybeSent, timeout_ms=200, body=b"x" * 60_000)
    reading.set()
    assert 16_000 < len(wire.arrived()[0]) < 60_000


def test_the_largest_answer_allowed_comes_through_tls(wires: Wires) -> None:
    wire = wires.connect(lambda peer: peer.say([answer(200, b"x" * 1_000_000)]), scheme="https", ca_file=CERTIFICATE)
    assert len(wire.get().body) == 1_000_000
