"""The server that a URL leads to, as all connections of a process see it: where it is, and since when it is left."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from txn.loop import Loop
from txn.redis_places import Place
from txn.store.asking import Found, NoPrimary

log = logging.getLogger(__name__)

#: While the name still leads to the server that was left, it is not left more often than this.
LEAVE_EVERY_S = 0.25
#: How often it is asked where the primaries are, beside that.
LOOK_S = 0.5
#: For so long no earlier configuration is believed: sentinels tell each other of a new one only every two seconds, and
#: those that know may be slow to answer, while the old primary has come back. (Then they may have been set up anew.)
REMEMBERED_S = 10.0
#: That it is left is said once in so long; what Redis is like meanwhile, its watch says.
SAY_EVERY_S = 60.0


class Source(Protocol):
    """Who is asked where the primaries are."""

    def look(self) -> Callable[[int], Found]:
        """Ask; what is returned says it of a slot. Both raise NoPrimary."""


class Topology:
    """Where the primaries are, as `source` says: asked for each new connection, and twice a second beside that.

    The latter because an old primary, frozen or cut off for a while, believes to be one: it is left when another is
    named.
    """

    def __init__(self, source: Source) -> None:
        self._source, self._watching = source, threading.Lock()
        self._servers: dict[int, Server] = {}

    def server(self, slot: int) -> "Server":
        """Who has a slot. (Of a primary behind sentinels all slots are one: 0.)"""
        return self._servers.setdefault(slot, Server(lambda: self._find(slot)))

    def _find(self, slot: int) -> Place:
        if self._watching.acquire(blocking=False):  # the first time
            Loop("topology", self._beat).start()
        return self.server(slot).is_at(self._look()(slot))

    def _beat(self) -> float:
        with contextlib.suppress(NoPrimary):
            self._look()
        return LOOK_S

    def _look(self) -> Callable[[int], Found]:
        where = self._source.look()
        for slot, server in list(self._servers.items()):
            with contextlib.suppress(NoPrimary):
                server.is_at(where(slot))
        return where


class Server:
    """What all connections of this process to one URL have in common: since when they must be new, and where it is.

    `find`: asks where the primary is; None: the URL itself says it.
    """

    def __init__(self, find: Callable[[], Place] | None = None) -> None:
        self.left_s = self._said_s = float("-inf")
        self._find, self._lock = find, threading.Lock()
        self._epoch, self._believed_s = 0, float("-inf")
        #: The latest that was found. A connection to another server is not used any more.
        self.primary: Place | None = None

    def place(self) -> Place | None:
        """Where to connect to now; None: where the URL says. Raises: NoPrimary."""
        return self._find() if self._find else None

    def is_at(self, found: Found) -> Place:
        """The primary has been found. Where it is: there, if this is the latest configuration that is remembered."""
        now_s = time.monotonic()
        with self._lock:
            if self.primary and found.epoch < self._epoch and now_s < self._believed_s + REMEMBERED_S:
                return self.primary
            self._epoch, self._believed_s = found.epoch, now_s
            before, self.primary = self.primary, found.place
        if before not in (None, found.place):
            why = "its sentinels or nodes say so"
            log.warning("Redis has another primary: connecting to it", extra={"detail": why})
        return found.place

    def leave(self, why: str) -> None:
        """Every connection that is there now is closed before its next call."""
        now_s = time.monotonic()
        if now_s - self.left_s < LEAVE_EVERY_S:
            return
        self.left_s = now_s
        if now_s - self._said_s >= SAY_EVERY_S:
            self._said_s = now_s
            log.warning("Redis takes no writes: connecting again, to where its name leads now", extra={"detail": why})
