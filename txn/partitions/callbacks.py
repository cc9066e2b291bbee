"""`AllCallbacks`: those of all partitions, each in the partition of its transaction."""

from collections import Counter
from collections.abc import Sequence

import redis

from txn.errors import StoreUnavailable
from txn.partitions.place import Partitions
from txn.store.callbacks import Callback, Callbacks, Noted, Room, Sent


class AllCallbacks(Callbacks):
    """As `Callbacks`, of one server, another partition first each time. One that is away keeps only its own."""

    def __init__(self, partitions: Partitions) -> None:
        super().__init__(partitions.first)
        self._all = [Callbacks(database) for database in partitions.all]
        self._turn = 0
        #: Where each of those that were taken is, until it is written down how its sending ended.
        self._taken: dict[str, Callbacks] = {}

    def take(self, owner: str, room: Room, lease_ms: int, longest_wait_ms: int) -> list[Callback]:
        """See `Callbacks.take`. Raises: StoreUnavailable, if all partitions are away."""
        self._turn = (self._turn + 1) % len(self._all)
        found, failures = list[Callback](), list[StoreUnavailable]()
        for callbacks in (*self._all[self._turn :], *self._all[: self._turn]):
            left = _without(room, found)
            if left.free < 1:
                break
            try:
                mine = callbacks.take(owner, left, lease_ms, longest_wait_ms)
            except StoreUnavailable as error:
                if isinstance(error.__cause__, redis.TimeoutError):
                    raise  # the others are on the same server
                failures.append(error)
                continue
            self._taken |= dict.fromkeys((one.name for one in mine), callbacks)
            found += mine
        if len(failures) == len(self._all):
            raise failures[0]
        return found

    def sent(self, name: str, owner: str, how: Sent, *, wait_ms: int, why: str, give_up_ms: int) -> Noted:
        """See `Callbacks.sent`; of one that this has taken."""
        callbacks = self._taken.pop(name, None)
        if callbacks is None:  # taken once more when its lease was over, and that one was noted
            return "refused"
        return callbacks.sent(name, owner, how, wait_ms=wait_ms, why=why, give_up_ms=give_up_ms)


def _without(room: Room, taken: Sequence[Callback]) -> Room:
    """What is left when these have theirs."""
    of, kinds = dict(room.of), Counter[str]()
    for lane, count in Counter(one.lane for one in taken).items():
        number, kind = of.get(lane, (room.of_each, "unproven"))
        of[lane] = max(0, number - count), kind
        kinds[kind] += count
    unproven = max(0, room.of_unproven - kinds["unproven"] - kinds["failing"])
    return Room(room.free - len(taken), unproven, max(0, room.of_failing - kinds["failing"]), room.of_each, of)
