"""A pause and the limits are set in the first partition and copied to the others, where claims look at them.

Whoever sets them copies them at once; the workers do it again each second, for a partition that was away then, or an
operator's process that died in between.
"""

import contextlib
from typing import Any, NamedTuple

from txn.errors import Invalid, StoreUnavailable
from txn.model.content import loads
from txn.operate.limits import Limits
from txn.operate.pauses import Pauses
from txn.partitions.place import Partitions
from txn.store.database import Database
from txn.store.record import whole

COPY_S = 1.0


class _Set(NamedTuple):
    """What is set in one partition; None: nothing."""

    paused: bytes | None
    until: bytes | None
    most: bytes | None
    pace: bytes | None
    rate: bytes | None
    limited: bytes | None

    @property
    def flow(self) -> tuple[bytes | None, ...]:
        """What claims look at."""
        return self.paused, self.until, self.most, self.pace


_FIELDS = ["paused", "paused_until", "most", "pace", "rate", "limited"]


class Copies:
    """`lease_ms`: the workers' lease. Every method raises StoreUnavailable."""

    def __init__(self, partitions: Partitions, lease_ms: int) -> None:
        self._partitions, self._first, self._lease_ms = partitions, partitions.first, lease_ms

    def beat(self) -> float:
        """Copy what differs, and return the seconds to the next time. A partition that is away has its turn then."""
        wanted = _read(self._first)
        copies = [lambda database=database: self._copy(wanted, database) for database in self._partitions.all[1:]]
        for failure in self._partitions.answers(copies):
            if failure:
                raise failure
        return COPY_S

    def _copy(self, wanted: _Set, database: Database) -> None:
        found = _read(database)
        if found.flow == wanted.flow:
            return
        wanted = _read(self._first)  # somebody may have set it since, and copied it already
        if (wanted.paused, wanted.until) != (found.paused, found.until):
            by, why = _said(wanted.paused)
            until_ms = whole(wanted.until) if wanted.until else None
            Pauses(database).write("pause" if wanted.paused else "resume", by, why, until_ms)
        if (wanted.most, wanted.pace) != (found.most, found.pace):
            most, pace, rate = ((value or b"").decode() for value in (wanted.most, wanted.pace, wanted.rate))
            by, why = _said(wanted.limited)
            Limits(database, self._lease_ms).write(by, why, most, pace, rate, "limit: as in the first partition")


def _read(database: Database) -> _Set:
    name = database.keys.posting
    found: Any = database.call(lambda client: client.hmget(name, _FIELDS))
    return _Set(*found)


def _said(line: bytes | None) -> tuple[str, str]:
    """Who and why, which are written down as they are."""
    try:
        said = loads(line or b"{}")
        return str(said["by"]), str(said["why"])
    except (ValueError, TypeError, KeyError):
        return "", ""


class AllPauses(Pauses):
    """As `Pauses`, of all partitions: of one that is away a second after it is back."""

    def __init__(self, partitions: Partitions, lease_ms: int) -> None:
        super().__init__(partitions.first)
        self._copies = Copies(partitions, lease_ms)

    def write(self, what: str, who: str, why: str, until_ms: int | None) -> bytes:
        """See `Pauses.write`."""
        reply = super().write(what, who, why, until_ms)
        with contextlib.suppress(StoreUnavailable):  # the workers go on with it
            self._copies.beat()
        return reply


class AllLimits(Limits):
    """As `Limits`: each partition keeps to its share, whatever the others need."""

    def __init__(self, partitions: Partitions, lease_ms: int) -> None:
        super().__init__(partitions.first, lease_ms)
        self._count, self._copies = len(partitions.all), Copies(partitions, lease_ms)

    def write(self, who: str, why: str, most: str | int, pace: str, text: str, what: str) -> bool:
        """See `Limits.write`. Raises: Invalid, if there is less than one delivery for each partition."""
        if isinstance(most, int) and most < self._count:
            raise Invalid("in-flight", f"give at least {self._count}: each partition (TXN_PARTITIONS) has its share")
        share = most // self._count if isinstance(most, int) else most
        if pace[:1].isdecimal():
            pace = f"{float(pace) * self._count:.3f}"
        changed = super().write(who, why, share, pace, text, what)
        with contextlib.suppress(StoreUnavailable):  # the workers go on with it
            self._copies.beat()
        return changed
