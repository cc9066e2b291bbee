"""What a worker process does in each partition."""

from collections.abc import Callable, Sequence

from dramatiq import Middleware

from txn.delivery.rescuer import Rescuer
from txn.delivery.sweep import Sweep
from txn.loop import Loop
from txn.operate.bulk_runner import BulkRunner
from txn.operate.bulk_runs import BulkRuns
from txn.operate.events import Events
from txn.partitions.broker import AllBroker
from txn.partitions.callbacks import AllCallbacks
from txn.partitions.flow import Copies
from txn.partitions.flushers import Flushers
from txn.partitions.parts import Parts
from txn.partitions.past import AllEvents
from txn.partitions.place import loops as loops_of
from txn.partitions.place import together
from txn.partitions.stores import Stores
from txn.queue.broker import RecordBroker
from txn.queue.heartbeat import About
from txn.queue.message import message_template
from txn.readers.dead_letters import DeadLetters
from txn.store.callbacks import Callbacks
from txn.store.database import Database
from txn.store.flusher import Flusher, Runner
from txn.store.integrity import Integrity
from txn.store.keys import Keys, partition_in
from txn.store.oldest import Oldest
from txn.store.transactions import Store


def runner(parts: Parts) -> Runner:
    """See `Flusher`; of all partitions."""
    if parts.apart:
        return Flushers(parts.all)
    return Flusher(parts.first)


def claims_seen(parts: Parts, store: Store, keys: Keys) -> list[tuple[Keys, int]]:
    """See `Store.claims_seen`: what is to be told on a connection of the client for `keys`, which may carry claims of
    all partitions of its node.
    """
    seen = store.claims_seen()
    if not parts.apart:
        return seen
    return [seen[number] for number in together(parts.all, partition_in(keys.prefix))]


def broker(parts: Parts, middleware: list[Middleware], about: About, together: int) -> RecordBroker:
    """See `RecordBroker`."""
    if parts.partitions:
        return AllBroker(parts.partitions, middleware, about, together)
    return RecordBroker(parts.first, middleware, about, together)


def events(parts: Parts) -> Events:
    """See `Events`."""
    return AllEvents(parts.partitions) if parts.partitions else Events(parts.first)


def callbacks(parts: Parts) -> Sequence[Callbacks]:
    """See `Callbacks`; one for each sender."""
    if parts.partitions and not parts.apart:
        return [AllCallbacks(parts.partitions)]
    return [Callbacks(database) for database in parts.all]


def loops(parts: Parts, store: Store, lease_ms: int, name: str) -> Sequence[Loop]:
    """One of each kind for all partitions, or one a partition. `name`: the process."""
    stores = store.all if isinstance(store, Stores) else [store]
    template = message_template()

    def runner(database: Database) -> Callable[[], float]:
        return BulkRunner(BulkRuns(database), DeadLetters(database), name).tick

    found = [
        *loops_of("rescuer", [Rescuer(one).beat for one in stores], apart=parts.apart),
        *loops_of("bulk runner", [runner(one) for one in parts.all], apart=parts.apart),
        *loops_of("sweep", [Sweep(Integrity(one, template)).beat for one in parts.all], apart=parts.apart),
        *loops_of("oldest", [Oldest(one).beat for one in parts.all], apart=parts.apart),
    ]
    if parts.partitions:
        found.append(Loop("flow", Copies(parts.partitions, lease_ms).beat))
    return found
