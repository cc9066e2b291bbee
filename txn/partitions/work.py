"""What a worker process does in each partition."""

from collections.abc import Callable, Sequence

from dramatiq import Middleware

from txn.delivery.rescuer import Rescuer
from txn.delivery.sweep import Sweep
from txn.loop import Loop
from txn.operate.bulk_runner import BulkRunner
from txn.operate.bulk_runs import BulkRuns
from txn.operate.events import Events
from txn.partitions.callbacks import AllCallbacks
from txn.partitions.consumer import AllBroker
from txn.partitions.flow import Copies
from txn.partitions.parts import Parts
from txn.partitions.past import AllEvents
from txn.partitions.place import in_turn
from txn.partitions.stores import Stores
from txn.queue.broker import RecordBroker
from txn.queue.heartbeat import About
from txn.queue.message import message_template
from txn.readers.dead_letters import DeadLetters
from txn.store.callbacks import Callbacks
from txn.store.database import Database
from txn.store.integrity import Integrity
from txn.store.oldest import Oldest
from txn.store.transactions import Store


def broker(parts: Parts, middleware: list[Middleware], about: About, together: int) -> RecordBroker:
    """See `RecordBroker`."""
    if parts.partitions:
        return AllBroker(parts.partitions, middleware, about, together)
    return RecordBroker(parts.first, middleware, about, together)


def events(parts: Parts) -> Events:
    """See `Events`."""
    return AllEvents(parts.partitions) if parts.partitions else Events(parts.first)


def callbacks(parts: Parts) -> Callbacks:
    """See `Callbacks`."""
    return AllCallbacks(parts.partitions) if parts.partitions else Callbacks(parts.first)


def loops(parts: Parts, store: Store, lease_ms: int, name: str) -> Sequence[Loop]:
    """One loop for all partitions. `name`: the process."""
    stores = store.all if isinstance(store, Stores) else [store]
    template = message_template()

    def runner(database: Database) -> Callable[[], float]:
        return BulkRunner(BulkRuns(database), DeadLetters(database), name).tick

    found = [
        Loop("rescuer", in_turn([Rescuer(one).beat for one in stores])),
        Loop("bulk runner", in_turn([runner(one) for one in parts.all])),
        Loop("sweep", in_turn([Sweep(Integrity(one, template)).beat for one in parts.all])),
        Loop("oldest", in_turn([Oldest(one).beat for one in parts.all])),
    ]
    if parts.partitions:
        found.append(Loop("flow", Copies(parts.partitions, lease_ms).beat))
    return found
