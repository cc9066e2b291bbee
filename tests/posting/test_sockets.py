import select
import socket
from collections.abc import Iterator

import pycurl
import pytest

from txn.posting.sockets import IN, OUT, Epoll, Selector, Sockets, open_sockets


@pytest.fixture(params=[Epoll, Selector])
def sockets(request: pytest.FixtureRequest) -> Iterator[Sockets]:
    found: Sockets = request.param()
    yield found
    found.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    yield here, there
    here.close()
    there.close()


def test_the_words_are_libcurls() -> None:
    assert (IN, OUT, IN | OUT) == (pycurl.POLL_IN, pycurl.POLL_OUT, pycurl.POLL_INOUT)
    assert (IN, OUT) == (pycurl.CSELECT_IN, pycurl.CSELECT_OUT)
    assert pycurl.POLL_NONE == 0


def test_a_socket_is_ready_for_what_it_is_watched_for(
    sockets: Sockets, pair: tuple[socket.socket, socket.socket]
) -> None:
    here, there = pair
    sockets.watch(here.fileno(), IN)
    assert list(sockets.ready()) == []
    sockets.watch(here.fileno(), IN | OUT)
    assert list(sockets.ready()) == [(here.fileno(), OUT)]
    there.send(b"x")
    assert list(sockets.ready()) == [(here.fileno(), IN | OUT)]
    sockets.watch(here.fileno(), IN)
    assert list(sockets.ready()) == [(here.fileno(), IN)]
    sockets.watch(here.fileno(), 0)
    assert list(sockets.ready()) == []
    assert not sockets.watches(here.fileno())
    sockets.watch(here.fileno(), 0)
    sockets.watch(here.fileno(), IN)
    assert list(sockets.ready()) == [(here.fileno(), IN)]


def woken(sockets: Sockets) -> bool:
    # Whether an event loop that watches nothing else is told to look.
    return bool(select.select([sockets.fileno()], [], [], 0)[0])


def test_who_waits_is_told_again_until_nothing_is_left_to_read(
    sockets: Sockets, pair: tuple[socket.socket, socket.socket]
) -> None:
    here, there = pair
    sockets.watch(here.fileno(), IN)
    there.send(b"xy")
    for _ in "xy":
        assert woken(sockets)
        for descriptor, _events in sockets.ready():
            assert descriptor == here.fileno()
            here.recv(1)
    assert list(sockets.ready()) == []


def test_who_fails_while_it_reads_is_told_again_of_this_socket_and_of_those_behind_it(
    sockets: Sockets, pair: tuple[socket.socket, socket.socket]
) -> None:
    both = {one.fileno() for one in pair}
    for one in pair:
        sockets.watch(one.fileno(), IN)
        one.send(b"x")

    def fails() -> None:
        for _ in sockets.ready():
            raise RuntimeError("it fails")

    with pytest.raises(RuntimeError, match="it fails"):
        fails()
    assert woken(sockets)
    assert {descriptor for descriptor, _ in sockets.ready()} == both


def test_what_is_not_wanted_any_more_while_others_are_looked_at_is_not_named(
    sockets: Sockets, pair: tuple[socket.socket, socket.socket]
) -> None:
    for one in pair:
        sockets.watch(one.fileno(), IN)
        one.send(b"x")
    named = []
    for descriptor, _ in sockets.ready():
        named.append(descriptor)
        for one in pair:
            sockets.watch(one.fileno(), 0)
    assert len(named) == 1
    assert list(sockets.ready()) == []


def test_a_new_socket_with_the_number_of_an_old_one_is_watched(sockets: Sockets) -> None:
    for _ in range(3):
        here, there = socket.socketpair()
        with here, there:
            number = here.fileno()
            sockets.watch(number, IN)
            there.send(b"x")
            assert woken(sockets)
            assert list(sockets.ready()) == [(number, IN)]
            sockets.watch(number, 0)


def test_a_socket_whose_other_side_is_gone_is_ready_to_be_read(
    sockets: Sockets, pair: tuple[socket.socket, socket.socket]
) -> None:
    here, there = pair
    sockets.watch(here.fileno(), IN)
    there.close()
    [(descriptor, events)] = list(sockets.ready())
    assert descriptor == here.fileno()
    assert events & IN


def test_linux_gets_its_own() -> None:
    assert isinstance(open_sockets(), Epoll)
