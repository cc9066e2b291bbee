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
    assert sockets.ready() == []
    sockets.watch(here.fileno(), IN | OUT)
    assert sockets.ready() == [(here.fileno(), OUT)]
    there.send(b"x")
    assert sockets.ready() == [(here.fileno(), IN | OUT)]
    sockets.watch(here.fileno(), IN)
    assert sockets.ready() == [(here.fileno(), IN)]
    sockets.watch(here.fileno(), 0)
    assert sockets.ready() == []
    assert not sockets.watches(here.fileno())
    sockets.watch(here.fileno(), 0)
    sockets.watch(here.fileno(), IN)
    assert sockets.ready() == [(here.fileno(), IN)]


def test_a_socket_whose_other_side_is_gone_is_ready_to_be_read(
    sockets: Sockets, pair: tuple[socket.socket, socket.socket]
) -> None:
    here, there = pair
    sockets.watch(here.fileno(), IN)
    there.close()
    [(descriptor, events)] = sockets.ready()
    assert descriptor == here.fileno()
    assert events & IN


def test_linux_gets_its_own() -> None:
    assert isinstance(open_sockets(), Epoll)
