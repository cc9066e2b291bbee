"""What the admin site and the command line work with."""

from txn.operate.tools import Tools
from txn.partitions import tools
from txn.queue.message import NAME
from txn.settings import Settings
from txn.store.agreement import Agreement
from txn.store.connection import connect
from txn.store.database import Database
from txn.store.durability import DurabilityMonitor
from txn.store.intake import IntakeMonitor
from txn.store.keys import Keys, slot_of

#: What an operator does waits for the disk.
WRITE_TIMEOUT_MS = 2_000


def open_tools(
    settings: Settings, durability: DurabilityMonitor, read_timeout_ms: int, intake: IntakeMonitor | None = None
) -> Tools:
    """Readers on one client, what writes on another. Nothing is sent before it is needed."""
    keys = Keys(settings.prefix, NAME)
    database, writer = (
        Database(
            connect(
                settings.redis_url,
                timeout_ms=timeout_ms,
                on_connect=Agreement(keys, settings.partitions).before(),
                max_age_ms=settings.redis_connection_age_ms,
                access=settings.sentinel_access,
                slot=slot_of(keys),
            ),
            keys,
        )
        for timeout_ms in (read_timeout_ms, WRITE_TIMEOUT_MS)
    )
    return tools.open_tools(database, writer, settings, durability, intake)
