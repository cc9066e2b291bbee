"""`About`: what a worker process says of itself with each heartbeat, for people to look at."""

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping

from txn import __version__

#: Heartbeats over which the rate is taken: one a second.
RATE_BEATS = 10


def worker_name() -> str:
    """`host:pid`, as timelines and the list of workers show it."""
    return f"{socket.gethostname()}:{os.getpid()}"


class About:
    """One worker process. `threads` is set when Dramatiq has told how many there are."""

    def __init__(self) -> None:
        self.threads = 0
        #: How many deliveries are in flight.
        self.in_flight: Callable[[], int] = lambda: 0
        #: Why Redis takes no writes of this process, as far as its consumer has met it; empty: it does.
        self.refused = ""
        self._started_ms = time.time_ns() // 1_000_000
        self._samples: deque[tuple[float, int]] = deque(maxlen=RATE_BEATS + 1)

    def fields(self, processed: int, now_s: float) -> Mapping[str, str | int]:
        """The heartbeat's fields; `processed` is how many messages there were, at `now_s` on a monotonic clock."""
        self._samples.append((now_s, processed))
        host, _, pid = worker_name().rpartition(":")
        return {
            "host": host,
            "pid": pid,
            "threads": self.threads,
            "version": __version__,
            "in_flight": self.in_flight(),
            "started": self._started_ms,
            "clock": time.time_ns() // 1_000_000,
            "processed": processed,
            "rate": f"{self._rate():.1f}",
        }

    def _rate(self) -> float:
        (first_s, first), (last_s, last) = self._samples[0], self._samples[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else 0.0
