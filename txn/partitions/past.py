"""What operators did and what happened, of all partitions, the newest first."""

from collections.abc import Sequence
from dataclasses import replace

from txn.operate.events import Event, Events
from txn.operate.journal import Entry, Journal
from txn.partitions.place import Partitions

#: All partitions find a worker that has disappeared within this time.
_FOUND_WITHIN_MS = 60_000


class AllJournal(Journal):
    """As `Journal`. A page has all entries of its last place, so it may be a little longer than asked."""

    def __init__(self, partitions: Partitions) -> None:
        super().__init__(partitions.first)
        self._others = [Journal(database) for database in partitions.all[1:]]

    def read(self, before: str = "", limit: int = 50) -> list[Entry]:
        """See `Journal.read`. Raises: StoreUnavailable, if one partition is away."""
        found = super().read(before, limit)
        for journal in self._others:
            # What is about the whole system was done in the first partition, and copied.
            found += [entry for entry in journal.read(before, limit) if entry.count or entry.run]
        found.sort(key=lambda entry: _order(entry.at), reverse=True)
        cut = min(limit, len(found))
        while 0 < cut < len(found) and found[cut].at == found[cut - 1].at:
            cut += 1
        return found[:cut]


class AllEvents(Events):
    """As `Events`: in the first partition, but for workers that are gone, which each partition finds out."""

    def __init__(self, partitions: Partitions) -> None:
        super().__init__(partitions.first)
        self._partitions = partitions
        self._all = [Events(database) for database in partitions.all]

    def read(self, limit: int = 50, since_ms: int | None = None) -> list[Event]:
        """See `Events.read`. Raises: StoreUnavailable, if all partitions are away."""
        reads = [lambda events=events: events.read(limit, since_ms) for events in self._all]
        found = [event for events in self._partitions.of_those_there(reads) for event in events]
        return _once(sorted(found, key=lambda event: _order(event.at), reverse=True))[:limit]


def _once(events: Sequence[Event]) -> list[Event]:
    """One event for each worker that is gone, with what all partitions took back from it."""
    found: list[Event] = []
    for event in events:
        at = next((place for place, other in enumerate(found) if _is_same_worker(event, other)), None)
        if at is None:
            found.append(event)
        else:
            same = found[at]
            in_flight = max(same.in_flight, event.in_flight)
            found[at] = replace(same, returned=same.returned + event.returned, in_flight=in_flight)
    return found


def _is_same_worker(one: Event, other: Event) -> bool:
    if (one.what, one.detail) != ("worker", other.detail) or other.what != "worker":
        return False
    return abs(one.since_ms - other.since_ms) <= _FOUND_WITHIN_MS


def _order(at: str) -> tuple[int, int]:
    ms, _, number = at.partition("-")
    return int(ms), int(number)
