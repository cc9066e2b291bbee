"""A flood of the same line is counted, not repeated: a log that fills a disk ends more than it explains."""

import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from txn.logs.unbreakable import as_text

#: Of one kind of line, so many go through in each window; the rest is counted and said at its end.
BURST = 5
WINDOW_S = 10.0
#: Kinds told apart at a time; beyond that all others are one kind.
MAX_KINDS = 1000

Kind = tuple[object, ...]
_NUMBER = re.compile(r"\d+")


@dataclass
class _Window:
    ends_s: float
    first: logging.LogRecord
    passed: int = 0
    held: int = 0


class Flood(logging.Filter):
    """For a handler. Lines are of one kind if their text is, whichever transaction they name.

    Two are never held back: an error about one transaction, whose id is the news, and what an operator did.
    """

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._windows: dict[Kind, _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line goes out. Raises nothing: it is called in the middle of a delivery."""
        try:
            return self._passes(record)
        except Exception:  # noqa: BLE001
            return True  # rather a line too many

    def _passes(self, record: logging.LogRecord) -> bool:
        kind = _kind(record)
        if kind is None:
            return True
        now_s = self._monotonic_s()
        with self._lock:
            if kind not in self._windows and len(self._windows) >= MAX_KINDS:
                kind = ("others",)
            window = self._windows.setdefault(kind, _Window(now_s + WINDOW_S, record))
            if window.passed < BURST:
                window.passed += 1
                return True
            window.held += 1
            return False

    def flush(self) -> None:
        """Say how many lines were held back in the windows that are over. To be called about once a second."""
        now_s = self._monotonic_s()
        with self._lock:
            over = {kind: window for kind, window in self._windows.items() if window.ends_s <= now_s}
            for kind in over:
                del self._windows[kind]
        for kind, window in over.items():
            if window.held:
                _say(kind, window)


def _kind(record: logging.LogRecord) -> Kind | None:
    """None: every one counts."""
    named = hasattr(record, "transaction")
    if getattr(record, "held_back", 0) or record.name == "txn.journal" or (named and record.levelno >= logging.ERROR):
        return None
    # "after 13 ms" and "after 14 ms" are the same news.
    detail = _NUMBER.sub("0", as_text(getattr(record, "detail", "")))
    return (
        record.name,
        record.levelno,
        as_text(record.msg),
        as_text(getattr(record, "outcome", "")),
        as_text(getattr(record, "http", "")),
        detail,
    )


def _say(kind: Kind, window: _Window) -> None:
    extra: dict[str, object] = {"held_back": window.held, "within_s": WINDOW_S}
    first = window.first
    if kind == ("others",):
        logging.getLogger(__name__).warning("too many different lines: some were not logged", extra=extra)
        return
    extra |= {name: getattr(first, name) for name in ("outcome", "detail", "http") if hasattr(first, name)}
    logging.getLogger(first.name).log(first.levelno, "more of: %s", as_text(first.msg), extra=extra)
