import threading
import time
from collections.abc import Callable

import pytest
import requests
from requests.auth import HTTPDigestAuth

from ops.ports import free_port
from tests.posting.conftest import BODY, Wires
from tests.posting.raw_server import CERTIFICATE, PATIENCE_S, Peer, answer, saying
from txn.posting.requests.transport import RequestsTransport
from txn.posting.transport import MaybeSent, NotSent, Withheld

ENDINGS = [Peer.hang_up, Peer.reset]
Ending = Callable[[Peer], None]


class Asked:
    """A `may_send` that counts how often it is asked, and does something before it says yes."""

    def __init__(self, action: Callable[[], object] = lambda: None) -> None:
        self.times, self._action = 0, action

    def __call__(self) -> bool:
        self.times += 1
        self._action()
        return True


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("reused", [False, True])
@pytest.mark.parametrize("refusing", [False, True])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_request_that_was_read_and_not_answered_is_not_sent_again(
    wires: Wires, ending: Ending, refusing: bool, reused: bool, scheme: str, method: str
) -> None:
    def turn(peer: Peer) -> None:
        if refusing:
            peer.server.refuse()
        ending(peer)

    wire = wires.connect(turn, reused=reused, scheme=scheme, ca_file=CERTIFICATE)
    asked = Asked()
    wire.fails(MaybeSent, lambda: getattr(wire, method)(may_send=asked))
    assert len(wire.arrived()) == 1
    assert asked.times == 1


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("reused", [False, True])
@pytest.mark.parametrize("refusing", [False, True])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_connection_that_dies_between_the_last_check_and_the_first_byte_is_maybe_sent(
    wires: Wires, ending: Ending, refusing: bool, reused: bool, scheme: str, method: str
) -> None:
    wire = wires.connect(reused=reused, scheme=scheme, ca_file=CERTIFICATE)

    def die() -> None:
        peer = wire.server.peer()
        if refusing:
            wire.server.refuse()
        ending(peer)
        peer.join(PATIENCE_S)

    asked = Asked(die)
    wire.fails(MaybeSent, lambda: getattr(wire, method)(may_send=asked))
    assert wire.arrived() == []
    assert asked.times == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("reused", [False, True])
def test_a_withheld_request_sends_nothing(wires: Wires, reused: bool, scheme: str) -> None:
    wire = wires.connect(reused=reused, scheme=scheme, ca_file=CERTIFICATE)
    wire.fails(Withheld, lambda: wire.post(may_send=lambda: False))
    assert wire.arrived() == []


def test_a_withheld_request_is_not_sent_by_the_next_call(wires: Wires) -> None:
    wire = wires.connect()
    wire.fails(Withheld, lambda: wire.post("/withheld", may_send=lambda: False))
    wire.get("/next")
    assert [request.split(b" ")[1] for request in wire.arrived()] == [b"/base/next"]


@pytest.mark.parametrize("reused", [False, True])
def test_the_last_check_is_asked_once_and_after_connecting(wires: Wires, reused: bool) -> None:
    wire = wires.connect(reused=reused)
    asked = Asked(wire.server.peer)
    assert wire.post(may_send=asked).status == 200
    assert asked.times == 1
    assert len(wire.arrived()) == 1


def test_the_last_check_is_not_asked_without_a_connection(wires: Wires) -> None:
    asked = Asked()
    wire = wires.to(free_port())
    wire.fails(NotSent, lambda: wire.post(may_send=asked))
    assert asked.times == 0


@pytest.mark.parametrize(
    "error",
    [RuntimeError("x"), ValueError("x"), OSError("x"), TimeoutError("x"), BrokenPipeError("x"), KeyboardInterrupt()],
)
@pytest.mark.parametrize("reused", [False, True])
def test_what_the_last_check_raises_is_raised_and_nothing_is_sent(
    wires: Wires, error: BaseException, reused: bool
) -> None:
    error.__cause__ = cause = LookupError()

    def may_send() -> bool:
        raise error

    wire = wires.connect(reused=reused)
    with pytest.raises(type(error)) as caught:
        wire.post(may_send=may_send)
    assert caught.value is error
    assert error.__cause__ is cause
    assert wire.arrived() == []


@pytest.mark.parametrize("reused", [False, True])
def test_a_pause_in_the_last_check_beyond_the_deadline_sends_nothing(wires: Wires, reused: bool) -> None:
    wire = wires.connect(reused=reused)
    wire.fails(NotSent, lambda: wire.post(timeout_ms=100, may_send=Asked(lambda: time.sleep(0.15))))
    assert wire.arrived() == []


def test_a_plug_in_that_sends_a_second_time_is_refused() -> None:
    class Digest(RequestsTransport):
        def new_session(self) -> requests.Session:
            session = super().new_session()
            session.auth = HTTPDigestAuth("clerk", "s3cret")
            return session

    wires = Wires(Digest)
    challenge = 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"'
    wire = wires.connect(saying(answer(401, b"{}", challenge)))
    wire.fails(MaybeSent, wire.post)
    assert [request.endswith(BODY) for request in wire.arrived()] == [True]


def test_calls_of_many_threads_that_are_not_answered_arrive_once_each(wires: Wires) -> None:
    wire = wires.connect()
    all_warm = threading.Barrier(8, action=lambda: wire.server.turns.extend([Peer.hang_up] * 8))

    def run(thread: int) -> None:
        wire.get("/warm")
        all_warm.wait(PATIENCE_S)
        wire.fails(MaybeSent, lambda: wire.post(f"/t/{thread}"))
        wire.transport.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    arrived = sorted(request.split(b" ")[1] for request in wire.arrived())
    assert arrived == [b"/base/t/%d" % number for number in range(8)] + [b"/base/warm"] * 8
