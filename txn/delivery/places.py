"""The places of deliveries that a worker process has, for threads that wait for them."""

import threading
from collections import deque


class Places:
    """A semaphore that can be closed. Who waits gets all the places it asks for at once, in the order of coming.

    A thread is woken once its places are there, and is the only one. Each that is woken costs the event loop a switch.
    """

    def __init__(self, free: int) -> None:
        self.free = free
        self._lock, self._closed = threading.Lock(), False
        self._waiting: deque[_Waiter] = deque()

    def take(self, count: int) -> bool:
        """Wait for so many places; False: there will be none."""
        waiter = _Waiter(count)
        with self._lock:
            self._waiting.append(waiter)
            self._let_in()
        waiter.wakes.acquire()
        return waiter.is_let_in

    def give(self, places: int) -> None:
        """Places that are free again."""
        with self._lock:
            self.free += places
            self._let_in()

    def close(self) -> None:
        """Whoever waits, or comes later, gets none."""
        with self._lock:
            self._closed = True
            self._let_in()

    def _let_in(self) -> None:
        """Wake those at the head of the line for whom there are enough. Nobody is let in before who came earlier."""
        while self._waiting and (self._closed or self._waiting[0].count <= self.free):
            waiter = self._waiting.popleft()
            if not self._closed:
                self.free -= waiter.count
                waiter.is_let_in = True
            waiter.wakes.release()


class _Waiter:
    """Somebody who wants so many places, until `wakes` can be acquired."""

    __slots__ = ("count", "is_let_in", "wakes")

    def __init__(self, count: int) -> None:
        self.count, self.is_let_in = count, False
        self.wakes = threading.Lock()
        self.wakes.acquire()
