"""Which sockets have something to do: one thing for an event loop to watch, in place of thousands that come and go.

A loop makes an object for each socket that it is told to watch, and asks the kernel several times; libcurl has each
watched anew with every request.
"""

import select
import selectors
from collections.abc import Iterator

#: As libcurl's POLL_IN, POLL_OUT, CSELECT_IN and CSELECT_OUT, and as those of `selectors`.
IN, OUT = 1, 2


class Epoll:
    """Linux's. A socket is watched until it is ready, and then anew if it still is wanted.

    Mostly it is not, because its answer has come: so the system is asked once a request, and not twice.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.fileno = self._epoll.fileno
        self.close = self._epoll.close
        self._wanted: dict[int, int] = {}
        self._fired: set[int] = set()

    def watch(self, descriptor: int, events: int) -> None:
        """From now on, for IN, OUT or both; 0: not any more."""
        if events:
            self._wanted[descriptor] = _MASKS[events]
            self._arm(descriptor)
        else:
            self._wanted.pop(descriptor, None)

    def ready(self) -> Iterator[tuple[int, int]]:
        """(descriptor, what it is ready for). One that failed is ready for both: who reads or writes is told how."""
        found = self._epoll.poll(0)
        self._fired.update(descriptor for descriptor, _ in found)
        try:
            for descriptor, mask in found:
                if descriptor in self._wanted:  # or one before it has ended its transfer
                    yield descriptor, _EVENTS[mask & 0x1F]
        finally:
            for descriptor in self._fired & self._wanted.keys():
                self._arm(descriptor)
            self._fired.clear()

    def watches(self, descriptor: int) -> bool:
        """Whether it is watched."""
        return descriptor in self._wanted

    def _arm(self, descriptor: int) -> None:
        """Until it is ready for the first time."""
        self._fired.discard(descriptor)
        mask = self._wanted[descriptor] | _ONCE
        try:
            self._epoll.modify(descriptor, mask)
        except FileNotFoundError:  # a new one, whatever socket had its number before
            self._epoll.register(descriptor, mask)


class Selector:
    """The same where there is no epoll (kqueue)."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.fileno = self._selector.fileno
        self.close = self._selector.close

    def watch(self, descriptor: int, events: int) -> None:
        """See `Epoll.watch`."""
        known = self.watches(descriptor)
        if not events:
            if known:
                self._selector.unregister(descriptor)
        elif known:
            self._selector.modify(descriptor, events)
        else:
            self._selector.register(descriptor, events)

    def ready(self) -> Iterator[tuple[int, int]]:
        """See `Epoll.ready`."""
        for key, events in self._selector.select(0):
            if self.watches(key.fd):
                yield key.fd, events

    def watches(self, descriptor: int) -> bool:
        """Whether it is watched."""
        return descriptor in self._selector.get_map()


Sockets = Epoll | Selector


def open_sockets() -> Sockets:
    """The best there is."""
    return Epoll() if hasattr(select, "epoll") else Selector()


_ONCE = getattr(select, "EPOLLONESHOT", 0)
#: EPOLLIN is 1, EPOLLPRI 2, EPOLLOUT 4, EPOLLERR 8, EPOLLHUP 16.
_MASKS = {IN: 1, OUT: 4, IN | OUT: 5}
_EVENTS = [IN | OUT if mask & 24 else (mask & 1) | (mask & 4) >> 1 for mask in range(32)]
