"""What the pages show and act on; opened by `txn/composition.py`."""

from dataclasses import dataclass

from txn.operations import Operations
from txn.settings import Settings
from txn.store.bulk_runs import BulkRuns
from txn.store.charts import Charts
from txn.store.dead_letters import DeadLetters
from txn.store.details import DetailReader
from txn.store.durability import DurabilityMonitor
from txn.store.journal import Journal
from txn.store.queued import MessageReader
from txn.store.statistics import StatisticsReader
from txn.store.workers import WorkerReader


@dataclass(frozen=True, slots=True)
class Parts:
    """Readers on a client of little patience: a page says that Redis is away, it does not wait for it.

    `operations` has more patience: a write waits for the disk.
    """

    settings: Settings
    durability: DurabilityMonitor
    statistics: StatisticsReader
    charts: Charts
    workers: WorkerReader
    details: DetailReader
    letters: DeadLetters
    runs: BulkRuns
    journal: Journal
    messages: MessageReader
    operations: Operations
