"""Partitions that are spread over the nodes of a cluster."""

from collections.abc import Callable

from txn.store.database import Database
from txn.store.keys import Keys, keys_of_partition


class Spread(Database):
    """A database for each partition, with a client and a group commit of its own, so that none waits for another node.

    `open_`: opens that of the keys of a partition. What this is itself, beside `under`, is the first partition's.
    """

    is_spread = True

    def __init__(self, keys: Keys, open_: Callable[[Keys], Database]) -> None:
        self._open, self._opened = open_, dict[str, Database]()
        first = self.under(keys_of_partition(keys, 0))
        super().__init__(first.client, keys)

    def under(self, keys: Keys) -> Database:
        """That of a partition: the same each time."""
        if keys.prefix not in self._opened:
            self._opened[keys.prefix] = self._open(keys)
        return self._opened[keys.prefix]

    def waiting_for(self, replicas: int) -> "Spread":
        """See `Database.waiting_for`."""
        return Spread(self.keys, lambda keys: self.under(keys).waiting_for(replicas))
