"""The loop that sends callbacks, in every worker process, beside the deliveries and without a place of theirs.

A callback is taken for a while, sent, and written down. Whoever dies in between leaves it to the next, so that a
receiver may get it more than once, under the same `webhook-id`.
"""

import logging
import queue
import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from txn.backoff import backoff_ms
from txn.callbacks.lanes import Lanes
from txn.callbacks.post import Answer, NoAnswer, Poster
from txn.callbacks.rules import CallbackRules
from txn.endpoints import shown
from txn.errors import Invalid, StoreUnavailable
from txn.posting.retry_after import wait_ms
from txn.settings import Settings
from txn.signatures import signature
from txn.store.callbacks import Callback, Callbacks, Sent

log = logging.getLogger(__name__)

#: Time between two looks while nothing is due; it is looked at once when a place has become free.
INTERVAL_S = 0.25
#: How much longer than a sending may take a callback belongs to who has taken it.
MARGIN_MS = 10_000
MIN_BACKOFF_MS, MAX_BACKOFF_MS = 5_000, 3_600_000


class Ended(NamedTuple):
    """How a sending ended. `answered`: the receiver has it. `wait_ms`: it asks for that much."""

    how: Sent
    why: str = ""
    wait_ms: int = 0


class Sender:
    """Sends what is due, `TXN_CALLBACKS_IN_FLIGHT` at once. `tick` is for one thread."""

    def __init__(
        self,
        callbacks: Callbacks,
        rules: CallbackRules,
        settings: Settings,
        open_poster: Callable[[], Poster],
        wall_s: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._callbacks, self._rules, self._settings = callbacks, rules, settings
        self._open_poster, self._wall_s, self._chance = open_poster, wall_s, chance
        self._lanes, self._lock = Lanes(settings.callbacks_in_flight), threading.Lock()
        self._owner = secrets.token_urlsafe(12)
        self._work: queue.SimpleQueue[Callback] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._freed = threading.Event()

    def beat(self) -> float:
        """Take what there is room for, and return the seconds to the next look; wait for a place, if there is none.

        Raises: StoreUnavailable.
        """
        self._freed.clear()
        if self.tick():
            return 0.0
        if self._lanes.in_flight:
            return 0.0 if self._freed.wait(INTERVAL_S) else 0.01
        return INTERVAL_S

    def tick(self) -> int:
        """One look: how many were taken. They are sent on threads of their own. Raises: StoreUnavailable."""
        with self._lock:
            room = self._lanes.room()
        if room.free < 1:
            return 0
        lease_ms = self._settings.callback_timeout_ms + MARGIN_MS
        longest_ms = max(MAX_BACKOFF_MS, lease_ms)
        taken = self._callbacks.take(self._owner, room, lease_ms, longest_ms)
        for callback in taken:
            with self._lock:
                self._lanes.begin(callback.lane)
                if self._lanes.in_flight > len(self._threads):
                    self._add_thread()
            self._work.put(callback)
        return len(taken)

    def _add_thread(self) -> None:
        name = f"callbacks {len(self._threads) + 1}"
        thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self) -> None:
        poster = self._open_poster()
        while True:
            callback, ended = self._work.get(), Ended("again", "an unexpected error, which the log has")
            began_s = time.monotonic()
            try:
                ended = self.send(callback, poster)
            except Exception:
                log.exception("a callback could not be sent", extra={"callback": callback.name})
            took_s = time.monotonic() - began_s
            try:
                self.note(callback, ended)
            except StoreUnavailable as error:
                log.debug("a callback is sent again", extra={"callback": callback.name, "detail": str(error)})
            except Exception:
                log.exception("a callback could not be written down", extra={"callback": callback.name})
            with self._lock:
                self._lanes.end(callback.lane, answered=ended.how == "told", took_s=took_s)
            self._freed.set()

    def send(self, callback: Callback, poster: Poster) -> Ended:
        """Send it once, signed."""
        try:
            url, endpoint = self._rules.target(callback.client, callback.to)
        except Invalid as error:
            return Ended("again", str(error))
        body, now_s = callback.body(), self._wall_s()
        try:
            return self._read(poster.post(url, headers_of(callback.name, endpoint.secrets, int(now_s), body), body))
        except NoAnswer as error:
            return Ended("again", f"{shown(url)}: {error}")

    def _read(self, answer: Answer) -> Ended:
        if 200 <= answer.status < 300:
            return Ended("told")
        if answer.status == 410:
            return Ended("gone", "answered with 410: it is wanted no more")
        moved = ", and redirects are not followed" if 300 <= answer.status < 400 else ""
        return Ended("again", f"answered with {answer.status}{moved}", wait_ms(answer.retry_after, self._wall_s()))

    def note(self, callback: Callback, ended: Ended) -> None:
        """Write down how it ended. Raises: StoreUnavailable; then it is sent again."""
        backoff = backoff_ms(callback.tries + 1, MIN_BACKOFF_MS, MAX_BACKOFF_MS, lambda: 0.5 + self._chance() / 2)
        noted = self._callbacks.sent(
            callback.name,
            self._owner,
            ended.how,
            wait_ms=max(backoff, min(ended.wait_ms, MAX_BACKOFF_MS)),
            why=ended.why,
            give_up_ms=self._settings.callback_give_up_ms,
        )
        said = {"callback": callback.name, "transaction": callback.transaction.id, "detail": ended.why}
        if noted == "dead":
            log.error("a callback was given up", extra=said)
        elif noted == "again":
            log.warning("a callback was not taken", extra=said)


def headers_of(name: str, keys: tuple[bytes, ...], timestamp_s: int, body: bytes) -> Mapping[str, str]:
    """The headers of one sending, signed with each secret."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "txn",
        "webhook-id": name,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(signature(key, name, timestamp_s, body) for key in keys),
    }
