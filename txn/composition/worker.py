"""A worker process. It loads neither Falcon nor the admin site; of the readers, only those that its loops use."""

from typing import Any

from dramatiq import Actor
from dramatiq.middleware import CurrentMessage
from dramatiq.results import Results

from txn.delivery.blocking import BlockingSteps
from txn.delivery.rescuer import Rescuer
from txn.delivery.rules import Rules
from txn.delivery.sweep import Sweep
from txn.loop import Loop
from txn.operate.bulk_runner import BulkRunner
from txn.operate.bulk_runs import BulkRuns
from txn.posting.service import PostingService
from txn.posting.timed import TimedTransport
from txn.posting.transports import open_transport
from txn.queue.actor import declare_actor
from txn.queue.broker import RecordBroker
from txn.queue.heartbeat import About, worker_name
from txn.queue.message import NAME, message_template
from txn.queue.middleware import AddUpTimings, RunLoops, SettleEscaped, StopFetching, TellThreads
from txn.queue.results import RecordResults
from txn.readers.dead_letters import DeadLetters
from txn.readers.state_log import Watch
from txn.readers.statistics import StatisticsReader
from txn.settings import Settings
from txn.store.connection import connect
from txn.store.database import Database
from txn.store.integrity import Integrity
from txn.store.keys import Keys
from txn.store.rights import Rights, RightsMonitor
from txn.store.timings import Timings
from txn.store.transactions import Store

TIMEOUT_MS = 2_000


def open_worker(settings: Settings) -> tuple[RecordBroker, Actor[Any, Any]]:
    """A worker process's broker and its actor."""
    age_ms = settings.redis_connection_age_ms
    client = connect(settings.redis_url, timeout_ms=TIMEOUT_MS, max_age_ms=age_ms)
    database = Database(client, Keys(settings.prefix, NAME))
    store = Store(database, message_template(), settings)
    timings = Timings(database)
    posting = PostingService(TimedTransport(open_transport(settings), timings.note), settings.posting_timeout_ms)
    rules = Rules(BlockingSteps(store, posting), settings, worker=worker_name())
    bulk = BulkRunner(BulkRuns(database), DeadLetters(database), worker_name())
    about = About()
    broker = RecordBroker(
        database,
        [
            CurrentMessage(),
            StopFetching(),
            Results(backend=RecordResults(store)),
            SettleEscaped(rules),
            TellThreads(),
            RunLoops(
                Loop("rescuer", Rescuer(store).beat),
                Loop("bulk runner", bulk.tick),
                Loop("rights", RightsMonitor(Rights(database), "worker").beat),
                Loop("sweep", Sweep(Integrity(database, message_template())).beat),
                Loop("watch", Watch(StatisticsReader(database), lambda: about.refused).beat),
            ),
            AddUpTimings(timings),
        ],
        about=about,
    )
    return broker, declare_actor(broker, rules)
