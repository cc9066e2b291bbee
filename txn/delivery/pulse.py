"""How far the event loop is behind its time, and what holds it up.

A loop that lags ends calls to the posting service later than their deadline. So the last check asks the pulse, right
before the first byte; and a thread beside the loop names whatever does not let it go on.
"""

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Callable

from txn.clock import boot_ms
from txn.store.timings import LAG

log = logging.getLogger(__name__)

BEAT_MS = 50
#: A beat that is less late is not worth a note, which costs Redis a write.
LATE_MS = 5
#: A delivery that holds the loop up for longer is named.
PATIENCE_MS = 1_000
#: How often the thread beside the loop looks.
LOOK_S = 0.25


class Pulse:
    """Made on the loop whose beat it is. `note` gets LAG and the seconds of each beat that came late."""

    def __init__(self, note: Callable[[str, float], None], boot_ms: Callable[[], int] = boot_ms) -> None:
        self._note, self._boot_ms = note, boot_ms
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._late_ms, self._due_ms = 0, boot_ms() + BEAT_MS
        self._said, self._seen_ms = False, 0
        self._timer = self._loop.call_later(BEAT_MS / 1000, self._beat)

    def lag_ms(self) -> int:
        """How late the last beat was, or by how much the next one is overdue. Exact at any time, on any thread."""
        return max(self._late_ms, self._boot_ms() - self._due_ms)

    def look(self) -> float:
        """Name what holds the loop up, once. For a thread beside it; returns the seconds to the next look."""
        due_ms = self._due_ms
        held_up_ms = self._boot_ms() - due_ms
        if held_up_ms < PATIENCE_MS:
            self._said = False
        elif self._seen_ms != due_ms:
            self._seen_ms = due_ms  # this process may have stood still as a whole: then the beat comes now
        elif not self._said:
            self._said = True
            extra = {"transaction": self._running(), "ms": held_up_ms, "detail": self._where()}
            log.error("a delivery does not let the others go on", extra=extra)
        return LOOK_S

    def stop(self) -> None:
        """The last beat."""
        self._timer.cancel()

    def _beat(self) -> None:
        now = self._boot_ms()
        self._late_ms = max(0, now - self._due_ms)
        if self._late_ms >= LATE_MS:
            self._note(LAG, self._late_ms / 1000)
        self._due_ms = now + BEAT_MS
        self._timer = self._loop.call_later(BEAT_MS / 1000, self._beat)

    def _running(self) -> str:
        task = asyncio.current_task(self._loop)
        return task.get_name() if task is not None else ""

    def _where(self) -> str:
        """The innermost lines of code that the loop's thread is at, without any values."""
        frame = sys._current_frames().get(self._thread)
        stack = traceback.extract_stack(frame)[-4:] if frame is not None else []
        return " < ".join(f"{line.filename.rpartition('/')[2]}:{line.lineno} {line.name}" for line in reversed(stack))
