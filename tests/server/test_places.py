"""What becomes of connections when there are more than places."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gevent.socket
import psutil
import pytest
from gevent import monkey

from tests.server.echo import Echo
from txn.server.connection import Connection
from txn.server.places import Places, Turn

PLACES = 16
ASKS = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
STRANGER, FRIEND = "127.0.0.2", "127.0.0.1"


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Echo]:
    with Echo(tmp_path, "txn.server.worker.Worker", "--worker-connections", str(PLACES)) as found:
        yield found


def connected(echo: Echo, address: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", echo.port), 60, (address, 0))


def is_answered(client: socket.socket) -> bool:
    try:
        client.sendall(ASKS)
        return client.recv(65536).startswith(b"HTTP/1.1 200")
    except ConnectionError:
        return False


def test_whoever_comes_when_all_places_are_taken_gets_one(echo: Echo) -> None:
    with ExitStack() as open_ones:
        for _ in range(10 * PLACES):
            client = open_ones.enter_context(connected(echo, STRANGER))
            assert is_answered(client)


def test_who_has_kept_us_waiting_longest_goes_first(echo: Echo) -> None:
    clients = [connected(echo, f"127.0.0.{2 + number}") for number in range(PLACES)]
    assert all(is_answered(client) for client in reversed(clients))
    with connected(echo, FRIEND) as friend:
        assert is_answered(friend)
    assert clients[-1].recv(1) == b"", "it was the first to be answered, and did nothing since"
    for client in clients:
        client.close()


def test_an_address_with_many_connections_gives_them_back_before_others(echo: Echo) -> None:
    with ExitStack() as open_ones:
        friend = open_ones.enter_context(connected(echo, FRIEND))
        assert is_answered(friend)
        for _ in range(10 * PLACES):
            assert is_answered(open_ones.enter_context(connected(echo, STRANGER)))
        assert is_answered(friend), "it has waited longer than all of them"


def test_no_file_stays_open_for_a_connection_that_was_closed(echo: Echo) -> None:
    [worker] = psutil.Process(echo.process.pid).children()
    before = worker.num_fds()
    for _ in range(5):
        with ExitStack() as open_ones:
            for _ in range(3 * PLACES):
                open_ones.enter_context(connected(echo, STRANGER))
    with connected(echo, FRIEND) as friend:
        assert is_answered(friend)
    assert worker.num_fds() <= before + PLACES


class Guest:
    def __init__(self, turn: Turn) -> None:
        self.address, self.turn, self.since_s, self.was_cut = "", turn, 0.0, False

    def cut(self, *, overdue: bool) -> None:
        self.was_cut = True


def test_what_the_application_works_on_is_never_closed() -> None:
    places, guests = Places(5, 1), [Guest(Turn.OURS) for _ in range(5)]
    places.taken.update(guests)
    assert not places.make_room()
    places.close_overdue()
    assert not any(guest.was_cut for guest in guests)


def test_a_request_that_comes_when_its_connection_is_to_end_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not monkey.is_module_patched("socket")
    asked: list[Any] = []
    ours, theirs = gevent.socket.socketpair()
    connection = Connection(ours, "", lambda environ, start: asked.append(environ) or [], {})
    monkeypatch.setattr(connection.greenlet, "kill", lambda block: None)  # it comes too late
    connection.greenlet.start()
    gevent.sleep(0)
    connection.cut(overdue=False)
    theirs.sendall(ASKS)
    connection.greenlet.join()
    connection.close()
    theirs.close()
    assert asked == []
