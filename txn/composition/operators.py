"""What the admin site and the command line work with."""

from txn.operate.bulk_runs import BulkRuns
from txn.operate.journal import Journal
from txn.operate.operations import Operations
from txn.operate.tools import Tools
from txn.queue.message import NAME
from txn.readers.charts import Charts
from txn.readers.dead_letters import DeadLetters
from txn.readers.details import DetailReader
from txn.readers.queued import MessageReader
from txn.readers.statistics import StatisticsReader
from txn.readers.workers import WorkerReader
from txn.settings import Settings
from txn.store.connection import connect
from txn.store.database import Database
from txn.store.durability import DurabilityMonitor
from txn.store.keys import Keys

#: What an operator does waits for the disk.
WRITE_TIMEOUT_MS = 2_000


def open_tools(settings: Settings, durability: DurabilityMonitor, read_timeout_ms: int) -> Tools:
    """Readers on one client, what writes on another. Nothing is sent before it is needed."""
    keys = Keys(settings.prefix, NAME)
    url, age_ms = settings.redis_url, settings.redis_connection_age_ms
    database = Database(connect(url, timeout_ms=read_timeout_ms, max_age_ms=age_ms), keys)
    writer = Database(connect(url, timeout_ms=WRITE_TIMEOUT_MS, max_age_ms=age_ms), keys)
    return Tools(
        settings=settings,
        durability=durability,
        statistics=StatisticsReader(database),
        charts=Charts(database),
        workers=WorkerReader(database),
        details=DetailReader(database),
        letters=DeadLetters(database),
        runs=BulkRuns(database),
        journal=Journal(database),
        messages=MessageReader(database),
        operations=Operations(writer),
    )
