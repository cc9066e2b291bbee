"""`Flushers`: one for each node of a cluster, so that one that hangs holds up no other, and the calls of a node's
partitions share round trips.
"""

from collections.abc import Coroutine, Sequence
from typing import Any

from txn.partitions.place import together
from txn.store.database import Database, ScriptCall
from txn.store.flusher import Flusher
from txn.store.keys import partition_in


class Flushers:
    """As `Flusher`, of partitions on several servers, in their order. Made on the loop that uses it."""

    def __init__(self, databases: Sequence[Database]) -> None:
        self._databases = databases
        #: By the partitions that are on a node. It has the client of the first of them.
        self._nodes: dict[tuple[int, ...], Flusher] = {}
        self._left: list[Flusher] = []

    def run(self, call: ScriptCall) -> Coroutine[Any, Any, Any]:
        """See `Flusher.run`. A repeat goes to where the partition is by then."""
        number = partition_in(call.keys[0])
        return self._of(number).run(call, lambda: self._of(number))

    def close(self) -> None:
        """See `Flusher.close`."""
        for flusher in (*self._nodes.values(), *self._left):
            flusher.close()

    def _of(self, number: int) -> Flusher:
        here = together(self._databases, number)
        if here not in self._nodes:
            # Some of them were elsewhere until now: a new connection, on which `Arrival` tells of all of them.
            for others in [one for one in self._nodes if not set(one).isdisjoint(here)]:
                self._left.append(self._nodes.pop(others))
            self._nodes[here] = Flusher(self._databases[here[0]])
        return self._nodes[here]
