"""`Partitions`: which database an id is in, and all of them."""

import logging
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import redis

from txn.errors import StoreUnavailable
from txn.store.database import Database
from txn.store.keys import keys_of_partition

log = logging.getLogger(__name__)

Found = TypeVar("Found")


def partition_of(transaction_id: str, count: int) -> int:
    """The number of its partition. Records were stored by it: it must never change."""
    return zlib.crc32(transaction_id.encode()) & (count - 1)


class Partitions:
    """All partitions of one Redis, in their order, on one client and one group commit. `count`: a power of two."""

    def __init__(self, database: Database, count: int) -> None:
        self.all = [database.under(keys_of_partition(database.keys, number)) for number in range(count)]
        #: What is about the whole system is kept in the first.
        self.first = self.all[0]

    def of(self, transaction_id: str) -> Database:
        """The one that a transaction is in."""
        return self.all[partition_of(transaction_id, len(self.all))]

    def grouped(self, ids: Iterable[str]) -> dict[int, list[str]]:
        """Ids by the number of their partition, in their order."""
        found: dict[int, list[str]] = {}
        for name in ids:
            found.setdefault(partition_of(name, len(self.all)), []).append(name)
        return found


def hangs(error: StoreUnavailable) -> bool:
    """Whether the server does not answer in time. All partitions are on it: the others would not be answered either."""
    return isinstance(error.__cause__, redis.TimeoutError)


def in_turn(beats: Sequence[Callable[[], float]]) -> Callable[[], float]:
    """One beat for a `Loop`: that of each partition, another one first each time, until the soonest is due again.

    A partition that is away does not keep the others from theirs.
    """
    turn = 0

    def beat() -> float:
        nonlocal turn
        turn = (turn + 1) % len(beats)
        pauses, failures = [], list[StoreUnavailable]()
        for one in (*beats[turn:], *beats[:turn]):
            try:
                pauses.append(one())
            except StoreUnavailable as error:
                if hangs(error):
                    raise
                failures.append(error)
        if not pauses:
            raise failures[0]
        return min(pauses)

    return beat


def from_those_there(asks: Sequence[Callable[[], Found]]) -> Iterator[Found]:
    """What each of them returns, without those that are away. Raises: StoreUnavailable, if all are."""
    failures = []
    for ask in asks:
        try:
            yield ask()
        except StoreUnavailable as error:
            if hangs(error):
                raise
            failures.append(error)
    if len(failures) == len(asks):
        raise failures[0]
