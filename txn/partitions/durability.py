"""`AllDurability`: whether Redis keeps what it acknowledges, of partitions on several servers: each is looked at."""

import itertools
import threading
from collections.abc import Callable, Iterable, Sequence

import redis

from txn.errors import NotDurable, StoreUnavailable
from txn.partitions.place import Partitions
from txn.settings import Settings
from txn.store.durability import DurabilityMonitor
from txn.store.inspection import Durability
from txn.store.keys import Keys, partition_in

_NOTHING: Iterable[Callable[[], str]] = itertools.repeat(lambda: "")


class AllDurability(DurabilityMonitor):
    """As `DurabilityMonitor`: no better than the worst of them, but one that is away is not missed.

    `all`: one for each partition, in their order, as is `lacking`, if it is given.
    """

    def __init__(self, partitions: Partitions, settings: Settings, lacking: Sequence[Callable[[], str]]) -> None:
        self._databases, self._partitions = partitions.all, partitions
        self.all = [
            DurabilityMonitor.of(settings, lacks, database.keys.prefix, f"Redis (partition {number})")
            for number, (database, lacks) in enumerate(zip(partitions.all, lacking or _NOTHING, strict=bool(lacking)))
        ]
        super().__init__(
            allow_lossy=settings.allow_lossy_redis,
            lacking=lambda: if_all(lacking),
            replicas=settings.redis_replicas,
            fails_over=settings.redis_fails_over,
        )

    def under(self, keys: Keys) -> DurabilityMonitor:
        """See `DurabilityMonitor.under`."""
        return self.all[partition_in(keys.prefix)]

    @property
    def latest(self) -> Durability | None:
        """Of the worst of those that were seen."""
        found = [monitor.latest for monitor in self.all if monitor.latest is not None]
        return max(found, key=_badness, default=None)

    @latest.setter
    def latest(self, value: Durability | None) -> None:
        """Each has its own."""

    @property
    def seen_s(self) -> float | None:
        """When one of them has last answered."""
        return max((monitor.seen_s for monitor in self.all if monitor.seen_s is not None), default=None)

    @seen_s.setter
    def seen_s(self, value: float | None) -> None:
        """Each has its own."""

    def check(self, client: redis.Redis) -> None:
        """See `DurabilityMonitor.check`; each on its own client."""
        pairs = zip(self.all, self._databases, strict=True)
        self._partitions.answers([lambda one=one, at=at: one.check(at.client) for one, at in pairs])  # type: ignore[misc]

    def watch(self, client: redis.Redis, every_s: float = 1.0) -> threading.Thread:
        """See `DurabilityMonitor.watch`; each on its own client."""
        first, *_ = [
            monitor.watch(database.client, every_s) for monitor, database in zip(self.all, self._databases, strict=True)
        ]
        return first

    def stop(self) -> None:
        """See `DurabilityMonitor.stop`."""
        for monitor in self.all:
            monitor.stop()

    def require(self) -> None:
        """Return if one of them keeps what it acknowledges: `Stores` asks the one that a transaction is in."""
        failures = []
        for monitor in self.all:
            try:
                return monitor.require()
            except (StoreUnavailable, NotDurable) as error:
                failures.append(error)
        raise failures[0]

    def refusals(self) -> Sequence[tuple[str, str]]:
        """See `DurabilityMonitor.refusals`. (Of those that do not answer others say it.)"""
        found = dict[int, str]()
        for number, monitor in enumerate(self.all):
            try:
                monitor.require()
            except (StoreUnavailable, NotDurable) as error:
                found |= {number: str(error)} if monitor.answers else {}
        return self._partitions.named(found)


class OneForAll(DurabilityMonitor):
    """As `DurabilityMonitor`, of partitions on one server: what its user may not do in one is refused there only.

    `each`: what is lacking in each partition, in their order; empty, if nobody looks.
    """

    each: Sequence[Callable[[], str]] = ()

    def refusals(self) -> Sequence[tuple[str, str]]:
        """See `DurabilityMonitor.refusals`."""
        lacking = enumerate(lacks() for lacks in self.each)
        return [(f"partition {number} of {len(self.each)}", why) for number, why in lacking if why]


def if_all(lacking: Sequence[Callable[[], str]]) -> str:
    """What is lacking everywhere; empty, if one of them lacks nothing."""
    found = [lacks() for lacks in lacking]
    return found[0] if found and all(found) else ""


def _badness(found: Durability) -> tuple[bool, bool, bool]:
    return not found.is_kept, found.full or found.unsaved, found.level != "durable"
