"""Which sockets have something to do: one thing for an event loop to watch, in place of thousands that come and go.

A loop makes an object for each socket that it is told to watch, and asks the kernel several times; libcurl has each
watched anew with every request.
"""

import select
import selectors

#: As libcurl's POLL_IN, POLL_OUT, CSELECT_IN and CSELECT_OUT, and as those of `selectors`.
IN, OUT = 1, 2


class Epoll:
    """Linux's."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.fileno = self._epoll.fileno
        self.close = self._epoll.close
        self._watched: set[int] = set()

    def watch(self, descriptor: int, events: int) -> None:
        """From now on, for IN, OUT or both; 0: not any more."""
        known = descriptor in self._watched
        if not events:
            if known:
                self._watched.discard(descriptor)
                self._epoll.unregister(descriptor)
        elif known:
            self._epoll.modify(descriptor, _MASKS[events])
        else:
            self._watched.add(descriptor)
            self._epoll.register(descriptor, _MASKS[events])

    def ready(self) -> list[tuple[int, int]]:
        """(descriptor, what it is ready for). One that failed is ready for both: who reads or writes is told how."""
        return [(descriptor, _EVENTS[mask & 0x1F]) for descriptor, mask in self._epoll.poll(0)]

    def watches(self, descriptor: int) -> bool:
        """Whether it is watched."""
        return descriptor in self._watched


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

    def ready(self) -> list[tuple[int, int]]:
        """See `Epoll.ready`."""
        return [(key.fd, events) for key, events in self._selector.select(0)]

    def watches(self, descriptor: int) -> bool:
        """Whether it is watched."""
        return descriptor in self._selector.get_map()


Sockets = Epoll | Selector


def open_sockets() -> Sockets:
    """The best there is."""
    return Epoll() if hasattr(select, "epoll") else Selector()


#: EPOLLIN is 1, EPOLLPRI 2, EPOLLOUT 4, EPOLLERR 8, EPOLLHUP 16.
_MASKS = {IN: 1, OUT: 4, IN | OUT: 5}
_EVENTS = [IN | OUT if mask & 24 else (mask & 1) | (mask & 4) >> 1 for mask in range(32)]
