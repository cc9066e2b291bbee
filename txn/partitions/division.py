"""`Division`: all transactions are copied to another prefix, which divides them otherwise. For `txn divide`."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from txn.errors import Invalid
from txn.partitions.copying import copy_some, counts, exists, ids, scores, size, states, write_hours, write_list
from txn.partitions.parts import Parts
from txn.partitions.place import partition_of
from txn.readers.records import keys_of
from txn.settings import Settings
from txn.store.agreement import COPYING, MOVED
from txn.store.database import Database
from txn.store.keys import undivided

#: What must be none, and where it is.
_LEFT = {
    "unfinished transactions": "due",
    "callbacks that wait": "callbacks",
    "callbacks that were given up": "callbacks_dead",
    "bulk runs": "bulk_active",
}


class Side:
    """All partitions of one prefix, or the one database that is not divided. `database`: opened without `Agreement`."""

    def __init__(self, database: Database, settings: Settings) -> None:
        parts = Parts(database, settings)
        self.all, self.is_divided = parts.all, parts.partitions is not None
        #: Where transactions without partitions would be, and the number is.
        self.undivided = database.under(undivided(database.keys) if parts.apart else database.keys)
        self._numbers = [self.undivided, *(parts.all if parts.apart else ())]

    def number(self) -> str:
        """What says how many partitions there are; empty: nothing."""
        found: Any = self.undivided.call(lambda client: client.get(self.undivided.keys.partitions))
        return (found or b"").decode()

    def write_number(self, text: str) -> None:
        """So that processes with another number are refused."""
        for database in self._numbers:
            database.call(lambda client, key=database.keys.partitions: client.set(key, text))


class Division:
    """`source` is closed: no process connects to it any more. `target` is opened once everything is there.

    Whatever it dies at, it is begun anew and copies everything again: nothing is changed or deleted in `source`. Both
    are opened without `Agreement`. Every method raises StoreUnavailable.
    """

    def __init__(self, source: Side, target: Side, say: Callable[[str], None] = lambda text: None) -> None:
        self._source, self._target, self._say = source, target, say
        self._mark = f"{COPYING}:{secrets.token_hex(8)}"
        #: What is written in the source: from how many, and where to.
        self._moved = f"{MOVED}:{len(source.all)}:{target.undivided.keys.prefix}"

    def run(self) -> int:
        """How many transactions there are now; 0: it was done before. Raises: Invalid."""
        was = self._target.number()
        if was == str(len(self._target.all)) and self._source.number() == self._moved:
            return 0
        self._check_numbers(was)
        self._check_quiet()
        counted = self._counted()
        self._target.write_number(self._mark)
        self._source.write_number(self._moved)
        copied = sum(self._copy(number, database) for number, database in enumerate(self._source.all))
        for number, database in enumerate(self._source.all):
            self._copy_lists(number, database)
        if self._counted() != counted:  # who was connected before
            raise Invalid("--from-prefix", "a process was still at work there: stop every process, and run it again")
        there = sum(self._count(database) for database in self._target.all)
        if there != copied:
            raise Invalid("--from-prefix", f"{copied} transactions were read and {there} are there: run it again")
        self._check_alone()
        self._target.write_number(str(len(self._target.all)))
        return there

    def _check_numbers(self, was: str) -> None:
        from_, into = len(self._source.all), len(self._target.all)
        if into < from_:
            raise Invalid("TXN_PARTITIONS", f"{into} is less than {from_}: the number can only be raised")
        expected = str(from_) if self._source.is_divided else ""
        if (number := self._source.number()) not in (expected, self._moved):
            if number.startswith(MOVED):
                how = f"{number} says from how many partitions, and to which TXN_PREFIX"
                raise Invalid("--from-prefix", f"it was copied before, and not like this: {how}")
            raise Invalid("--from-partitions", f"what is to be copied has {number or 'no'} partitions: say so")
        if not was.startswith(COPYING) and (was or self._is_used()):
            raise Invalid("TXN_PREFIX", "there are transactions under it already: take one that was never used")

    def _counted(self) -> list[Any]:
        """All that the scripts have counted in the source. Raises: Invalid, if that is nothing."""
        found = [counts(database) for database in self._source.all]
        if not any(found):
            raise Invalid("--from-prefix", "nothing was ever accepted under it: check it, and TXN_REDIS_URL")
        return found

    def _check_alone(self) -> None:
        """Before each write: nothing may be written any more once another run has opened it."""
        if self._target.number() != self._mark:
            raise Invalid("txn divide", "another one has been started since: this one stops")

    def _is_used(self) -> bool:
        return any(
            exists(one, name)
            for one in (self._target.undivided, *self._target.all)
            for name in (one.keys.count, one.keys.due)
        )

    def _check_quiet(self) -> None:
        """Whether nothing waits: what is under way cannot be copied."""
        for what, name in _LEFT.items():
            if count := sum(size(database, getattr(database.keys, name)) for database in self._source.all):
                raise Invalid(
                    "--from-prefix",
                    f"{count} {what} are left: see that there are none, stop every process, and run it again "
                    "(docs/use/partitions.md, Raising the number)",
                )

    def _copy(self, number: int, source: Database) -> int:
        """Records, with what follows from them. How many."""
        ids: set[str] = set()
        stem = source.keys.record("")
        for names in keys_of(source, f"{stem}*"):
            some = [name[len(stem) :] for name in names]
            self._check_alone()
            for target, mine in self._grouped(some):
                copy_some(source, target, mine)
            ids.update(some)
            self._say(f"partition {number}: {len(ids)}")
        return len(ids)

    def _grouped(self, ids: Iterable[str]) -> list[tuple[Database, list[str]]]:
        found: dict[int, list[str]] = {}
        for one in ids:
            found.setdefault(partition_of(one, len(self._target.all)), []).append(one)
        return [(self._target.all[number], mine) for number, mine in found.items()]

    def _copy_lists(self, number: int, source: Database) -> None:
        """What was accepted when. All that a partition gets comes from one."""
        stem = source.keys.prefix
        for names in keys_of(source, f"{source.keys.accepted}*"):
            self._check_alone()
            for name in names:
                for target, mine in self._grouped(ids(source, name)):
                    write_list(target, target.keys.prefix + name[len(stem) :], mine)
        targets = [one for at, one in enumerate(self._target.all) if at % len(self._source.all) == number]
        for names in keys_of(source, f"{source.keys.accepted_hours}*"):
            for name in names:
                for target in targets:
                    write_hours(target, target.keys.prefix + name[len(stem) :], scores(source, name))

    @staticmethod
    def _count(target: Database) -> int:
        """Write down how many there are, as the scripts would have counted them."""
        ids, stem = dict[str, bytes](), target.keys.record("")
        for names in keys_of(target, f"{stem}*"):
            ids.update(zip(names, states(target, names), strict=True))
        ended, keys = Counter(ids.values()), target.keys
        numbers: Any = {
            "accepted": len(ids),
            "completed": ended[b"completed"],
            "failed": ended[b"failed"],
            "dead": size(target, keys.failed),
            "discarded": size(target, keys.discarded),
        }
        target.call(lambda client: client.hset(keys.count, mapping=numbers))
        return len(ids)
