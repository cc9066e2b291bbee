"""`ApartConsumer`: a thread for each of the partitions on several servers, so that one that hangs holds up no other."""

import logging
import queue
import threading
import time
from typing import Any

from dramatiq.broker import MessageProxy

from txn.partitions.consumer import AllConsumer
from txn.queue.consumer import UNAVAILABLE_S, RecordConsumer

log = logging.getLogger(__name__)

#: So long `next` waits for a message, in s.
_WAIT_S = 0.1
#: At the end all give back what they hold, within this time, in s: the rescuer takes care of what is left.
_CLOSE_S = 10.0


class ApartConsumer(AllConsumer):
    """As `AllConsumer`. Messages come in the order in which they were fetched; each partition has its share of them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._ready: queue.SimpleQueue[MessageProxy] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=self._fetch, args=[consumer], name=f"fetch {number}", daemon=True)
            for number, consumer in enumerate(self._all)
        ]
        for thread in self._threads:
            thread.start()

    def __next__(self) -> MessageProxy | None:
        try:
            message = self._ready.get(timeout=_WAIT_S)
        except queue.Empty:
            return None
        return None if self._stopping else message

    def _fetch(self, consumer: RecordConsumer) -> None:
        while not self._ending.is_set():
            try:
                if (message := next(consumer)) is not None:
                    self._ready.put(message)
            except Exception:
                log.exception("the consumer of one partition goes on after an unexpected error")
                self._ending.wait(UNAVAILABLE_S)
            self._tell()
        consumer.close()

    def stop_fetching(self) -> None:
        """See `RecordConsumer.stop_fetching`."""
        self._stopping = True  # those that are ready were not begun
        super().stop_fetching()

    def close(self) -> None:
        """See `RecordConsumer.close`."""
        self._ending.set()
        ends_s = time.monotonic() + _CLOSE_S
        for thread in self._threads:
            thread.join(max(0.0, ends_s - time.monotonic()))
