"""What the admin site and the command line work with."""

from txn.composition.databases import open_database
from txn.operate.tools import Tools
from txn.partitions import tools
from txn.partitions.parts import Parts
from txn.settings import Settings
from txn.store.durability import DurabilityMonitor
from txn.store.intake import IntakeMonitor

#: What an operator does waits for the disk.
WRITE_TIMEOUT_MS = 2_000


def open_tools(
    settings: Settings,
    durability: DurabilityMonitor | None,
    read_timeout_ms: int,
    intake: IntakeMonitor | None = None,
) -> Tools:
    """Readers on one client, what writes on another. Nothing is sent before it is needed. `durability`: None, if nobody
    watches it.
    """
    database = open_database(settings, read_timeout_ms)
    writer = open_database(settings, WRITE_TIMEOUT_MS)
    durability = durability or Parts(database, settings).durability()
    return tools.open_tools(database, writer, settings, durability, intake)
