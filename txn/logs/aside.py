"""A log that keeps nobody waiting: a pipe that nobody reads from would hold up an event loop and its deliveries."""

import atexit
import contextlib
import logging
import queue
import threading
from multiprocessing.util import Finalize

#: Lines that wait to be written; what comes then is lost, and counted.
MOST_WAITING = 10_000
#: For what is left when the process ends.
LAST_WORDS_S = 2.0


class AsideHandler(logging.Handler):
    """Gives records to another handler, on a thread of its own, in their order. Not to be made before a fork."""

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__()
        self._handler = handler
        self._waiting: queue.Queue[logging.LogRecord] = queue.Queue(MOST_WAITING)
        self._lost = 0
        threading.Thread(target=self._write_all, name="log", daemon=True).start()
        # Dramatiq's processes end as those of multiprocessing do: without `atexit`.
        Finalize(None, self.flush, exitpriority=0)
        atexit.register(self.flush)

    def emit(self, record: logging.LogRecord) -> None:
        """Take it, or count it as lost."""
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self._lost += 1

    def flush(self) -> None:
        """Wait until all is written, but not for ever."""
        written = self._waiting.all_tasks_done  # `join` has no limit of time, and threads cannot be started at the end
        with written:
            written.wait_for(lambda: not self._waiting.unfinished_tasks, LAST_WORDS_S)

    def _write_all(self) -> None:
        while True:
            record = self._waiting.get()
            with contextlib.suppress(Exception):
                self._handler.handle(record)
                if self._lost:
                    lost, self._lost = self._lost, 0
                    self._handler.handle(_say(lost))
            self._waiting.task_done()


def _say(lost: int) -> logging.LogRecord:
    text = "%d lines were lost: whoever reads standard error is too slow"
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (lost,), None)
