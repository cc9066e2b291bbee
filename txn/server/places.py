"""The connections of a process: so many at a time, each in its turn for so long."""

import time
from collections import Counter
from enum import Enum, auto
from typing import Any, Protocol

from txn.addresses import network_of

#: One address (IPv6: one /64) holds more than this share of the places: it gives some back before others do.
_SHARE = 8
#: This share is made free at a time: looking for them costs a look at all.
_BATCH = 32


class Turn(Enum):
    """Whose turn it is on a connection."""

    IDLE = auto()  #: the client's: nothing of a next request has come
    HEAD = auto()  #: the client's, to send its head to the end
    BODY = auto()  #: the client's, to send its body
    OURS = auto()  #: the application's
    WRITE = auto()  #: the client's, to read
    CLOSING = auto()  #: the client's, to read the last answer and close


#: How long each may take in all, in s. The application's own time-outs are the end of OURS.
LIMIT_S = {Turn.HEAD: 10.0, Turn.BODY: 10.0, Turn.WRITE: 10.0, Turn.CLOSING: 1.0}


class Guest(Protocol):
    """A connection, as this looks at it."""

    address: str
    turn: Turn
    since_s: float

    def cut(self, *, overdue: bool) -> None:
        """Close it."""


class Places:
    """`limit`: how many connections at a time. `idle_s`: how long one may do nothing."""

    def __init__(self, limit: int, idle_s: float) -> None:
        self._limit = limit
        self._limits_s = {**LIMIT_S, Turn.IDLE: idle_s}
        self.taken: set[Any] = set()

    def make_room(self) -> bool:
        """Whether there is a place for one more. If need be, whoever has kept us waiting longest is closed."""
        return len(self.taken) < self._limit or self.shed()

    def shed(self) -> bool:
        """Close a few; whether there were any that may be closed."""
        waiting = [guest for guest in self.taken if guest.turn is not Turn.OURS]
        counts = Counter(network_of(guest.address) for guest in self.taken)
        allowed = self._limit // _SHARE
        waiting.sort(key=lambda guest: (counts[network_of(guest.address)] <= allowed, guest.since_s))
        for guest in waiting[: max(1, self._limit // _BATCH)]:
            self._cut(guest, overdue=False)
        return bool(waiting)

    def close_overdue(self) -> None:
        """Close what has had its time."""
        now_s = time.monotonic()
        for guest in list(self.taken):
            limit_s = self._limits_s.get(guest.turn)
            if limit_s is not None and now_s - guest.since_s > limit_s:
                self._cut(guest, overdue=True)

    def close_idle(self) -> None:
        """Close what would wait for a next request."""
        for guest in [guest for guest in self.taken if guest.turn is Turn.IDLE]:
            self._cut(guest, overdue=False)

    def _cut(self, guest: Guest, *, overdue: bool) -> None:
        self.taken.discard(guest)  # its place is free now, not when it has noticed
        guest.cut(overdue=overdue)
