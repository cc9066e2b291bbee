"""What people look at and act with, on the admin site and at the command line."""

from dataclasses import dataclass

from txn.operate.bulk_runs import BulkRuns
from txn.operate.ended_sessions import EndedSessions
from txn.operate.journal import Journal
from txn.operate.operations import Operations
from txn.readers.charts import Charts
from txn.readers.dead_letters import DeadLetters
from txn.readers.details import DetailReader
from txn.readers.queued import MessageReader
from txn.readers.statistics import StatisticsReader
from txn.readers.workers import WorkerReader
from txn.settings import Settings
from txn.store.durability import DurabilityMonitor

#: What an operator does waits for the disk.
WRITE_TIMEOUT_MS = 2_000


@dataclass(frozen=True, slots=True)
class Tools:
    """Readers on one client, `operations` on another, which waits for the disk."""

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
    ended_sessions: EndedSessions
