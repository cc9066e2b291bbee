"""The loop that brings unfinished transactions back to the queue when their time has come.

Backoff, the end of an outage, a worker that died, a message that was lost: all of them are an entry of the due index
whose score has passed. Any number of rescuers may run at once.
"""

import time
from collections.abc import Callable

from txn.store.transactions import Store

#: Time between two looks at the due index.
INTERVAL_MS = 250
#: Ids per call, so that Redis is never busy with us for long ...
LIMIT = 100
#: ... and time per tick: little for looks that change nothing, so that a backlog of any size costs a small part of a
#: core, and more while there is something to bring back.
LOOKING_MS = 2
QUEUEING_MS = 20


class Rescuer:
    """Moves what is due back to the queue."""

    def __init__(self, store: Store, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._store, self._monotonic_s = store, monotonic_s

    def tick(self) -> tuple[int, int]:
        """One round, bounded in ids and in time: (transactions looked at, transactions queued).

        Raises: StoreUnavailable.
        """
        looked = queued = 0
        began = self._monotonic_s()
        while True:
            seen, moved = self._store.due(LIMIT)
            looked, queued = looked + seen, queued + moved
            budget_ms = QUEUEING_MS if moved else LOOKING_MS
            if seen < LIMIT or self._monotonic_s() - began >= budget_ms / 1000:
                return looked, queued

    def beat(self) -> float:
        """One round, and the seconds to the next.

        Raises: StoreUnavailable.
        """
        self.tick()
        return INTERVAL_MS / 1000
