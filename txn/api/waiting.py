"""Waiting for a change: requests that are answered when it has come, or after so long.

A thread of the process reads the feed for all of them, and only while somebody waits.
"""

import logging
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import falcon

from txn.errors import Invalid, StoreUnavailable
from txn.model.transaction import Status, Transaction
from txn.store.changes import Change, Changes

log = logging.getLogger(__name__)

#: The longest wait, in s, and how many requests of a process may wait at once: the others are answered at once.
MAX_WAIT_S, MAX_WAITING = 30, 250
#: One look at the feed waits so long for a change; and after changes there is a pause: many come together.
LOOK_MS, PAUSE_S = 1_000, 0.02
#: Pause after Redis could not be reached.
AWAY_S = 0.25
#: In place of an id: any change.
ANY = "*"

_SECONDS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,6})?", re.ASCII)
_PREFERRED = re.compile(r"(?:^|,)\s*wait\s*=\s*\"?([0-9]{1,9})\"?\s*(?=[,;]|$)", re.ASCII | re.IGNORECASE)
_FINAL = frozenset({Status.COMPLETED, Status.FAILED})


def any_of(client: str | None) -> str:
    """In place of an id: any change of a client; None: of all."""
    return ANY if client is None else f"/{client}"


class Place:
    """Where one request waits. `ending`: whether its process is to end."""

    def __init__(self, ending: Callable[[], bool]) -> None:
        self.ending, self.came = ending, threading.Event()


class Waiters:
    """All requests of this process that wait. Each of `changes`, read for all of them on a thread, needs a connection
    that waits longer for an answer than LOOK_MS.
    """

    def __init__(self, *changes: Changes, most: int = MAX_WAITING) -> None:
        self._most = most
        self._places: defaultdict[str, set[Place]] = defaultdict(set)
        self._count = 0
        self._idle = set(changes)  # which nobody reads
        self._lock = threading.Lock()

    def until(self, request: falcon.Request, what: str, wait_s: float, look: Callable[[], bool]) -> bool:
        """Call `look` until it returns True, `wait_s` are over, or the process ends; in between wait for a change of
        `what`, an id or ANY. False, if there is no place to wait: nothing was looked at then.

        Raises: what `look` raises.
        """
        ends_s = time.monotonic() + wait_s
        with self._place(what, request.env.get("txn.ending", _never)) as place:
            if place is None:
                return False
            while True:
                place.came.clear()
                left_s = ends_s - time.monotonic()
                if look() or left_s <= 0 or place.ending():
                    return True
                place.came.wait(left_s)

    @contextmanager
    def _place(self, what: str, ending: Callable[[], bool]) -> Iterator[Place | None]:
        place = Place(ending)
        with self._lock:
            if self._count >= self._most:
                place = None  # type: ignore[assignment]
            else:
                self._count += 1
                self._places[what].add(place)
                while self._idle:
                    threading.Thread(target=self._read, args=[self._idle.pop()], name="waiting", daemon=True).start()
        try:
            yield place
        finally:
            if place is not None:
                with self._lock:
                    self._count -= 1
                    self._places[what].discard(place)
                    if not self._places[what]:
                        del self._places[what]

    def _read(self, changes: Changes) -> None:
        at: str | None = None
        changed: Sequence[Change] | None
        is_away = False
        while self._is_wanted(changes):
            try:
                if at is None:
                    # Whoever has looked before this place was known looks again.
                    at, changed = changes.latest(), None
                else:
                    at, changed = changes.changed(at, LOOK_MS)
            except Exception as error:
                if not isinstance(error, StoreUnavailable):
                    log.exception("the feed could not be read for those who wait")
                # While it stays away, who waits for what is elsewhere need not look again and again.
                at, changed, is_away = None, () if is_away else None, True
                time.sleep(AWAY_S)
            else:
                is_away = False
            self._tell(changed)
            if changed:
                time.sleep(PAUSE_S)

    def _is_wanted(self, changes: Changes) -> bool:
        with self._lock:
            if self._count == 0:
                self._idle.add(changes)
            return self._count > 0

    def _tell(self, changed: Sequence[Change] | None) -> None:
        """Wake those who wait for one of these; of None, all. And those whose process is to end."""
        with self._lock:
            wanted = set(self._places) if changed is None else _concerned(changed)
            for what, places in self._places.items():
                for place in places:
                    if what in wanted or place.ending():
                        place.came.set()


def _concerned(changed: Sequence[Change]) -> set[str]:
    names = {name for change in changed for name in (change.transaction_id, any_of(change.client))}
    return names | {ANY} if changed else names


def final(
    waiters: Waiters | None, request: falcon.Request, wait_s: float, look: Callable[[], Transaction]
) -> Transaction:
    """What `look` returns, as soon as that is final, and no later than `wait_s` from now.

    Raises: what `look` raises.
    """
    found = look()

    def is_final() -> bool:
        nonlocal found
        found = look()
        return found.status in _FINAL

    if waiters and wait_s and found.status not in _FINAL:
        waiters.until(request, found.id, wait_s, is_final)
    return found


def wait_s(request: falcon.Request, response: falcon.Response) -> float:
    """How long the request wants to wait: `?wait=10`, or else `Prefer: wait=10` (RFC 7240), which is granted as far as
    it can be.

    Raises: Invalid.
    """
    asked: Any = request.params.get("wait")
    if asked is not None:
        if not isinstance(asked, str) or not _SECONDS.fullmatch(asked) or float(asked) > MAX_WAIT_S:
            raise Invalid("wait", f"must be a number of seconds, at most {MAX_WAIT_S}, given once")
        return float(asked)
    preferred = _PREFERRED.search(request.get_header("Prefer") or "")
    if preferred is None:
        return 0
    granted = min(int(preferred[1]), MAX_WAIT_S)
    response.set_header("Preference-Applied", f"wait={granted}")
    return granted


def _never() -> bool:
    return False
