"""What a process works with: of one database as ever, or of all its partitions, as the settings say."""

from collections.abc import Callable, Sequence

from txn.partitions.durability import AllDurability, OneForAll, if_all
from txn.partitions.feed import AllChanges
from txn.partitions.listing import AllListing
from txn.partitions.numbers import AllIntake, AllStatistics
from txn.partitions.place import Partitions
from txn.partitions.stores import Stores
from txn.queue.message import message_template
from txn.readers.statistics import StatisticsReader
from txn.settings import Settings
from txn.store.changes import Changes
from txn.store.database import Database
from txn.store.durability import DurabilityMonitor
from txn.store.intake import IntakeMonitor
from txn.store.listing import Listing
from txn.store.transactions import Store


class Parts:
    """The parts on one client. `database`: with the keys of the prefix."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings
        #: None: transactions are not divided.
        self.partitions = Partitions(database, settings.partitions) if settings.partitions else None
        self.all = self.partitions.all if self.partitions else [database]
        #: Whether they are on several servers.
        self.apart = self.partitions is not None and self.partitions.apart
        #: What is about the whole system is kept here.
        self.first = self.all[0]
        #: One on each client.
        self.on_each_client = self.all if self.apart else [self.first]

    def durability(self, lacking: Sequence[Callable[[], str]] = ()) -> DurabilityMonitor:
        """See `DurabilityMonitor`. `lacking`: of each database in `all`; empty: nothing is looked for."""
        if self.partitions and self.apart:
            return AllDurability(self.partitions, self._settings, lacking)
        monitor = OneForAll.of(self._settings, lambda: if_all(lacking))
        monitor.each = lacking if self.partitions else ()
        return monitor

    def store(self, durability: DurabilityMonitor | None = None) -> Store:
        """See `Store`. `durability`: see `Stores`."""
        template = message_template()
        if self.partitions:
            return Stores(self.partitions, template, self._settings, durability)
        return Store(self._database, template, self._settings)

    def changes(self) -> Changes:
        """See `Changes`."""
        return AllChanges(self.partitions) if self.partitions else Changes(self._database)

    def watched(self) -> Sequence[Changes]:
        """For who waits for a change: of each client."""
        return [Changes(database) for database in self.all] if self.apart else [self.changes()]

    def listing(self) -> Listing:
        """See `Listing`."""
        return AllListing(self.partitions) if self.partitions else Listing(self._database)

    def statistics(self) -> StatisticsReader:
        """See `StatisticsReader`."""
        return AllStatistics(self.partitions) if self.partitions else StatisticsReader(self._database)

    def intake(self) -> IntakeMonitor:
        """See `IntakeMonitor`."""
        if self.partitions:
            return AllIntake(self.partitions, self._settings)
        return IntakeMonitor(self._database, self._settings)
