"""`AllBroker`: Dramatiq's broker, with the queues of all partitions."""

from dramatiq import Middleware

from txn.partitions.apart import ApartConsumer
from txn.partitions.consumer import AllConsumer
from txn.partitions.place import Partitions, partition_of
from txn.partitions.records import id_of
from txn.queue.broker import RecordBroker
from txn.queue.consumer import RecordConsumer
from txn.queue.heartbeat import About
from txn.store.messages import Messages


class AllBroker(RecordBroker):
    """As `RecordBroker`, with the queues of all partitions."""

    def __init__(self, partitions: Partitions, middleware: list[Middleware], about: About, together: int = 1) -> None:
        super().__init__(partitions.first, middleware, about, together)
        self._all = [Messages(database, self.broker_id) for database in partitions.all]
        self._kind = ApartConsumer if partitions.apart else AllConsumer

    def open_consumer(self, prefetch: int) -> RecordConsumer:
        """See `RecordBroker.open_consumer`."""
        return self._kind(self._all, prefetch, self.about, together=self.together)

    def push(self, message_id: str, body: bytes) -> None:
        """See `RecordBroker.push`."""
        self._all[partition_of(id_of(message_id), len(self._all))].push(message_id, body)
