import time
from collections.abc import Iterator

import pytest

from tests.posting.conftest import BODY, KINDS, NO_HEADERS, Kind, Wire, Wires
from tests.posting.raw_server import CERTIFICATE, RawServer, Turn, answer, saying
from txn.posting.transport import Answer, Request, TransportError

JSON = "Content-Type: application/json"
PAGE = "Content-Type: text/html"

KEPT = [
    ("GET", answer(404, b'{"detail": "none"}', JSON)),
    ("GET", answer(404, b' \n{"detail": "none"}')),
    ("GET", answer(404, b"\xef\xbb\xbf{}", "Content-Type: text/plain")),
    (
        "GET",
        answer(404, b"\x1f\x8b", "Content-Type: application/problem+json; charset=utf-8", "Content-Encoding: gzip"),
    ),
    ("GET", answer(200, b"[]")),
    *(("POST", answer(status, b'{"id": "x"}', JSON)) for status in (200, 201)),
    *(("POST", answer(status, b"", JSON)) for status in (400, 402, 409, 410, 411, 413, 414, 415, 417, 422, 431)),
]
LEFT = [
    *(
        (method, answer(status, b"{}", JSON))
        for method in ("GET", "POST")
        for status in (300, 301, 302, 307, 308, 401, 403, 405, 407, 408, 421, 425, 429, 500, 501, 502, 503, 504, 511)
    ),
    ("POST", answer(404, b"{}", JSON)),
    *((method, answer(200, b"<html>", PAGE)) for method in ("GET", "POST")),
    ("GET", answer(404, b"<html>", PAGE)),
    ("GET", answer(404, b"404 page not found\n", "Content-Type: text/plain")),
    ("GET", answer(404, b"")),
    ("POST", answer(201, b"")),
]


def ask(wire: Wire, method: str) -> Answer:
    return wire.transport.send(Request(method, "/x", NO_HEADERS, 5_000, BODY if method == "POST" else None))


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("method", "said"), KEPT, ids=lambda value: repr(value)[:16])
def test_a_connection_is_kept_after_what_the_posting_service_says_on_a_good_day(
    wires: Wires, method: str, said: bytes, scheme: str
) -> None:
    wire = wires.connect(saying(said), scheme=scheme, ca_file=CERTIFICATE if scheme == "https" else None)
    for _ in range(3):
        ask(wire, method)
    assert len(wire.arrived()) == 3
    assert len(wire.server.peers) == 1 + 1  # one more is how the server stops


def test_a_get_that_finds_nothing_and_the_post_after_it_share_a_connection(wires: Wires) -> None:
    wire = wires.connect(*[saying(answer(404, b"{}", JSON)), saying(answer(201, b"{}", JSON))] * 5)
    for _ in range(5):
        assert (wire.get().status, wire.post().status) == (404, 201)
    assert len(wire.arrived()) == 10
    assert len(wire.server.peers) == 1 + 1


@pytest.fixture(params=KINDS)
def moving(request: pytest.FixtureRequest) -> Iterator["Moving"]:
    found = Moving(request.param)
    yield found
    found.close()


class Moving:
    """An old server that serves the connections that it has, and a new one that gets all others, at one address."""

    def __init__(self, kind: Kind) -> None:
        self._kind, self._servers = kind, [RawServer()]
        self.old = self._servers[0]

    def wire(self, max_age_ms: int = 60_000) -> Wire:
        """With a connection to the old one."""
        self._wire = Wire(self._kind, f"http://127.0.0.1:{self.old.port}", max_age_ms=max_age_ms)  # type: ignore[arg-type]
        assert ask(self._wire, "GET").status == 200
        return self._wire

    def move(self, *old_turns: Turn) -> None:
        self.old.refuse()
        self.old._acceptor.join()
        self.old.turns = list(old_turns)
        self.new = RawServer(port=self.old.port)
        self._servers.append(self.new)

    def close(self) -> None:
        self._wire.transport.close()
        for server in self._servers:
            server.stop()


@pytest.mark.parametrize(("method", "said"), LEFT, ids=lambda value: repr(value)[:16])
def test_after_an_answer_that_speaks_of_an_outage_the_next_request_goes_where_the_name_leads(
    moving: Moving, method: str, said: bytes
) -> None:
    wire = moving.wire()
    moving.move(*[saying(said)] * 100)
    ask(wire, method)
    assert ask(wire, method).status == 200
    assert len(moving.new.requests) == 1


def test_an_old_server_that_says_what_the_posting_service_says_is_left_in_time(moving: Moving) -> None:
    wire = moving.wire(max_age_ms=300)
    moving.move(*[saying(answer(404, b'{"detail": "none"}', JSON))] * 100_000)
    began = time.monotonic()
    while ask(wire, "GET").status == 404:
        assert time.monotonic() - began < 10
    assert len(moving.new.requests) == 1


def test_an_idle_connection_that_the_old_server_closes_costs_nothing(moving: Moving) -> None:
    wire = moving.wire()
    moving.move()
    peer = moving.old.peer()
    peer.hang_up()
    peer.join()
    assert ask(wire, "POST").status == 200
    assert len(moving.new.requests) == 1


def test_a_server_that_dies_is_left(moving: Moving) -> None:
    wire = moving.wire()
    moving.old.refuse()
    moving.old.turns = [lambda peer: peer.reset()]
    with pytest.raises(TransportError):
        ask(wire, "GET")
    moving.move()
    assert ask(wire, "GET").status == 200
