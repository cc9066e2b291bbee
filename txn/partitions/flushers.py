"""`Flushers`: one for each partition, so that one that hangs holds up the calls of no other."""

from collections.abc import Sequence
from typing import Any

from txn.store.database import Database, ScriptCall
from txn.store.flusher import Flusher
from txn.store.keys import partition_in


class Flushers:
    """As `Flusher`, of partitions on several servers, in their order. Made on the loop that uses it."""

    def __init__(self, databases: Sequence[Database]) -> None:
        self._all = [Flusher(database) for database in databases]

    async def run(self, call: ScriptCall) -> Any:
        """See `Flusher.run`."""
        return await self._all[partition_in(call.keys[0])].run(call)

    def close(self) -> None:
        """See `Flusher.close`."""
        for flusher in self._all:
            flusher.close()
