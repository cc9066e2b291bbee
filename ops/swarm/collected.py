"""What one process of the swarm knows beside locust's own statistics."""

import random
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import gevent

from ops.swarm.traffic import Submission

#: Acknowledged transactions that users ask about and repeat.
RECENT = 2_000
LOOK_S = 0.05


class Collected:
    """Acknowledged ids, and how late this process was when it wanted to run, in ms: workers hand both to the master."""

    def __init__(self) -> None:
        self.running = False
        self.clear()

    def clear(self) -> None:
        """A new run begins."""
        self.acknowledged: list[str] = []
        self.late_ms: list[float] = []
        self._recent = deque[tuple[Submission, str]](maxlen=RECENT)

    def accepted(self, sent: Submission, transaction: str) -> None:
        """A new one was acknowledged."""
        self.acknowledged.append(transaction)
        self._recent.append((sent, transaction))

    def earlier(self) -> tuple[Submission, str] | None:
        """One that was acknowledged before, and its id."""
        return random.choice(self._recent) if self._recent else None

    def hand_over(self, data: dict[str, Any]) -> None:
        """Put what is new into a worker's report."""
        data["acknowledged"], data["late_ms"] = self.acknowledged, self.late_ms
        self.acknowledged, self.late_ms = [], []

    def take(self, data: Mapping[str, Any]) -> None:
        """What a worker reports."""
        self.acknowledged += data.get("acknowledged", [])
        self.late_ms += data.get("late_ms", [])

    def look_at_the_clock(self) -> None:
        """For ever: a generator that is itself late measures itself and not the API."""
        while True:
            began = time.perf_counter()
            gevent.sleep(LOOK_S)
            self.late_ms.append((time.perf_counter() - began - LOOK_S) * 1_000)
