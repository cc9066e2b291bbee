"""`Partitions`: which database an id is in, and all of them."""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import redis

from txn.errors import StoreUnavailable
from txn.loop import Loop
from txn.store.connection import place_of
from txn.store.database import Database
from txn.store.keys import keys_of_partition

Found = TypeVar("Found")

#: Calls to each partition at the same time, of all who ask several.
_ASKED_AT_ONCE = 4


def partition_of(transaction_id: str, count: int) -> int:
    """The number of its partition. Records were stored by it: it must never change."""
    return zlib.crc32(transaction_id.encode()) & (count - 1)


class Partitions:
    """All partitions in their order. `count`: a power of two.

    Those of one Redis are on one client and one group commit. Those that are `apart`, on the nodes of a cluster, have
    one each, and are asked at the same time.
    """

    def __init__(self, database: Database, count: int) -> None:
        self.all = [database.under(keys_of_partition(database.keys, number)) for number in range(count)]
        #: What is about the whole system is kept in the first.
        self.first = self.all[0]
        self.apart = database.is_spread
        self._prefix = database.keys.prefix
        self._pool = ThreadPoolExecutor(_ASKED_AT_ONCE * count, "partition") if self.apart else None

    def of(self, transaction_id: str) -> Database:
        """The one that a transaction is in."""
        return self.all[partition_of(transaction_id, len(self.all))]

    def named(self, reasons: Mapping[int, str]) -> list[tuple[str, str]]:
        """Partitions with something to be said of each, in words: those of one node of which the same is said together,
        with the node that they were last found on.
        """
        same: dict[tuple[str, str], list[int]] = {}
        for number, why in reasons.items():
            place = place_of(self.all[number].client) if self.apart else None
            on = f" (on {place.host}:{place.port})" if place else ""
            same.setdefault((on, why), []).append(number)
        return [(f"{_numbers(some)} of {len(self.all)}{on}", why) for (on, why), some in same.items()]

    def keys_like(self, pattern: str) -> str:
        """A pattern of the keys of all partitions."""
        return f"{self._prefix}{{*}}:{pattern}"

    def grouped(self, ids: Iterable[str]) -> dict[int, list[str]]:
        """Ids by the number of their partition, in their order."""
        found: dict[int, list[str]] = {}
        for name in ids:
            found.setdefault(partition_of(name, len(self.all)), []).append(name)
        return found

    def answers(self, asks: Sequence[Callable[[], Found]]) -> list[Found | StoreUnavailable]:
        """What each of them returns, or why it is away. Raises: StoreUnavailable, if they are on one server that does
        not answer in time: the others would not be answered either.
        """
        return list(self._pool.map(_answer, asks)) if self._pool else one_after_another(asks)

    def of_those_there(self, asks: Sequence[Callable[[], Found]]) -> list[Found]:
        """What each of them returns, without those that are away. Raises: StoreUnavailable, if all are."""
        return those_there(self.answers(asks))


def together(databases: Sequence[Database], number: int) -> tuple[int, ...]:
    """The numbers of all that are on the node of one of them, as far as it is known, and its own."""
    places = [place_of(database.client) for database in databases]
    if places[number] is None:
        return (number,)
    return tuple(at for at, place in enumerate(places) if place == places[number])


def one_after_another(asks: Sequence[Callable[[], Found]]) -> list[Found | StoreUnavailable]:
    """See `Partitions.answers`; of those on one server."""
    found = []
    for ask in asks:
        found.append(answer := _answer(ask))
        if isinstance(answer, StoreUnavailable) and isinstance(answer.__cause__, redis.TimeoutError):
            raise answer
    return found


def those_there(answers: Sequence[Found | StoreUnavailable]) -> list[Found]:
    """Answers without the errors. Raises: StoreUnavailable, if there are only errors."""
    found = [answer for answer in answers if not isinstance(answer, StoreUnavailable)]
    failures = [answer for answer in answers if isinstance(answer, StoreUnavailable)]
    if failures and not found:
        raise failures[0]
    return found


def _numbers(some: Sequence[int]) -> str:
    *others, last = map(str, some)
    return f"partitions {', '.join(others)} and {last}" if others else f"partition {last}"


def _answer(ask: Callable[[], Found]) -> Found | StoreUnavailable:
    try:
        return ask()
    except StoreUnavailable as error:
        return error


def in_turn(beats: Sequence[Callable[[], float]]) -> Callable[[], float]:
    """One beat for a `Loop`: that of each partition, another one first each time, until the soonest is due again.

    A partition that is away does not keep the others from theirs.
    """
    turn = 0

    def beat() -> float:
        nonlocal turn
        turn = (turn + 1) % len(beats)
        return min(those_there(one_after_another((*beats[turn:], *beats[:turn]))))

    return beat


def loops(name: str, beats: Sequence[Callable[[], float]], *, apart: bool) -> list[Loop]:
    """One loop for all partitions, or one for each of those that are apart: one that hangs holds up no other."""
    if not apart:
        return [Loop(name, in_turn(beats))]
    return [Loop(f"{name} {number}", beat) for number, beat in enumerate(beats)]
