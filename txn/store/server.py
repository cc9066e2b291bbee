"""The server that a URL leads to, as all connections of a process see it: where it is, and since when it is left."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import cast

import redis

from txn.loop import Loop
from txn.redis_places import Place

log = logging.getLogger(__name__)

#: While the name still leads to the server that was left, it is not left more often than this.
LEAVE_EVERY_S = 0.25
#: How often the sentinels are asked beside that.
LOOK_S = 0.5
#: That it is left is said once in so long; what Redis is like meanwhile, its watch says.
SAY_EVERY_S = 60.0


class Server:
    """What all connections of this process to one URL have in common: since when they must be new, and where it is.

    `find`: asks the sentinels for the primary; None: the URL itself says where it is.
    """

    def __init__(self, find: Callable[[], Place] | None = None) -> None:
        self.left_s = self._said_s = float("-inf")
        self._find, self._watching = find, threading.Lock()
        #: The latest that the sentinels have named. A connection to another server is not used any more.
        self.primary: Place | None = None

    def place(self) -> Place | None:
        """Where to connect to now; None: where the URL says. Raises: NoPrimary."""
        if self._find is None:
            return None
        if self._watching.acquire(blocking=False):  # the first time
            Loop("sentinels", self._look).start()
        self._has_moved(self._find())
        return self.primary

    def _look(self) -> float:
        """An old primary, frozen or cut off for a while, believes to be one: it is left when another is named."""
        with contextlib.suppress(redis.RedisError):
            self._has_moved(cast(Callable[[], Place], self._find)())
        return LOOK_S

    def _has_moved(self, found: Place) -> None:
        before, self.primary = self.primary, found
        if before not in (None, found):
            log.warning("Redis has another primary: connecting to it", extra={"detail": "the sentinels say so"})

    def leave(self, why: str) -> None:
        """Every connection that is there now is closed before its next call."""
        now_s = time.monotonic()
        if now_s - self.left_s < LEAVE_EVERY_S:
            return
        self.left_s = now_s
        if now_s - self._said_s >= SAY_EVERY_S:
            self._said_s = now_s
            log.warning("Redis takes no writes: connecting again, to where its name leads now", extra={"detail": why})
