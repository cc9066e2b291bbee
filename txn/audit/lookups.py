"""Asks the posting service about single transactions, several at once."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from txn.posting.listing import PostingUnavailable
from txn.posting.results import Found, Lookup, Unknown

#: Calls at once.
THREADS = 8
#: Pauses before one id is asked about again, in s.
PAUSES_S = (0.1, 0.4, 1.6)
#: After so many ids without a single answer nobody will give one.
HOPELESS = 50

#: Asks about one id with its content: `PostingService.find`.
Find = Callable[[str, bytes], Lookup]


class Lookups:
    """`close` ends the connections of the thread that calls it."""

    def __init__(self, find: Find, close: Callable[[], None], sleep: Callable[[float], None] = time.sleep) -> None:
        self._find, self._close, self._sleep = find, close, sleep
        self._answered = self._unanswered = 0
        self._pool: ThreadPoolExecutor | None = None

    @contextmanager
    def open(self) -> Iterator["Lookups"]:
        """With its threads."""
        with ThreadPoolExecutor(THREADS, thread_name_prefix="lookup") as pool:
            self._pool = pool
            try:
                yield self
            finally:
                together = threading.Barrier(THREADS, timeout=5)
                list(pool.map(self._close_one, [together] * THREADS))

    def ask(self, contents: Sequence[tuple[str, bytes]]) -> list[tuple[int | None, int, str]]:
        """For each (id, payload): (rows: 1, 0, or None without an answer; differing; id).

        Raises: PostingUnavailable, if it answers nothing at all.
        """
        assert self._pool is not None  # noqa: S101 - inside `open`
        answers: list[tuple[int | None, int, str]] = []
        for (name, _), found in zip(contents, self._pool.map(self._persistently, contents), strict=True):
            if isinstance(found, Unknown):
                self._unanswered += 1
                if not found.reached or (not self._answered and self._unanswered >= HOPELESS):
                    raise PostingUnavailable(f"the posting service cannot be asked: {found.detail}")
                answers.append((None, 0, name))
            else:
                self._answered += 1
                there = isinstance(found, Found)
                answers.append((int(there), int(isinstance(found, Found) and not found.same), name))
        return answers

    def check(self) -> None:
        """At the end. Raises: PostingUnavailable, if there was not one answer."""
        if self._unanswered and not self._answered:
            raise PostingUnavailable("the posting service gave no answer about any transaction: check its URL")

    def _close_one(self, together: threading.Barrier) -> None:
        """Waits for the others, lest one thread does this for all."""
        with suppress(threading.BrokenBarrierError):
            together.wait()
        self._close()

    def _persistently(self, content: tuple[str, bytes]) -> Lookup:
        found = self._find(*content)
        for pause_s in PAUSES_S:
            if not isinstance(found, Unknown):
                break
            self._sleep(pause_s)
            found = self._find(*content)
        return found
