"""Puts the admin site's parts together."""

from txn.admin.door.users import read_users
from txn.admin.parts import Parts
from txn.admin.site import Wsgi, create_site, mount
from txn.operations import Operations
from txn.queue.message import message_template
from txn.settings import Settings
from txn.store.bulk_runs import BulkRuns
from txn.store.charts import Charts
from txn.store.connection import connect
from txn.store.dead_letters import DeadLetters
from txn.store.details import DetailReader
from txn.store.durability import DurabilityMonitor
from txn.store.journal import Journal
from txn.store.keys import Keys
from txn.store.queued import MessageReader
from txn.store.statistics import StatisticsReader
from txn.store.store import Store
from txn.store.workers import WorkerReader

#: A page says that Redis is away; it does not wait for it.
TIMEOUT_MS = 300
#: What an operator does waits for the disk.
WRITE_TIMEOUT_MS = 2_000


def with_admin(api: Wsgi, settings: Settings, keys: Keys, durability: DurabilityMonitor) -> Wsgi:
    """The API with the admin site beside it; the API alone, if nobody is named who could log in.

    Raises: BadSettings, naming the line of TXN_ADMIN_USERS that is wrong.
    """
    users = read_users(settings.admin_users)
    if not users:
        return api
    client = connect(settings.redis_url, timeout_ms=TIMEOUT_MS)
    writer = connect(settings.redis_url, timeout_ms=WRITE_TIMEOUT_MS)
    parts = Parts(
        settings=settings,
        durability=durability,
        statistics=StatisticsReader(client, keys),
        charts=Charts(client, keys),
        workers=WorkerReader(client, keys),
        details=DetailReader(client, keys),
        letters=DeadLetters(client, keys),
        runs=BulkRuns(client, keys),
        journal=Journal(client, keys),
        messages=MessageReader(client, keys),
        operations=Operations(Store(writer, keys, message_template(), settings), BulkRuns(writer, keys)),
    )
    return mount(api, create_site(parts, users))
