"""Dramatiq's RedisBroker with a consumer of ours, no delay queue, and no maintenance lottery."""

import weakref

from dramatiq import Message, Middleware
from dramatiq.broker import MessageProxy
from dramatiq.brokers.redis import RedisBroker

from txn.queue.consumer import RecordConsumer
from txn.queue.heartbeat import About
from txn.store.database import Database
from txn.store.messages import Messages

#: Messages a process takes ahead, at least. Few starve its threads, many are held up when it dies.
MIN_PREFETCH = 64


class RecordBroker(RedisBroker):
    """A broker for wake-ups. Fast as it stands: no environment variable of Dramatiq needs to be set."""

    def __init__(
        self,
        database: Database,
        middleware: list[Middleware],
        about: About | None = None,
        together: int = 1,
    ) -> None:
        """`together`: see `RecordConsumer`."""
        super().__init__(  # type: ignore[no-untyped-call]
            client=database.client, namespace=database.keys.namespace, maintenance_chance=0, middleware=middleware
        )
        self._messages, self.together = Messages(database, self.broker_id), together
        self._consumers: weakref.WeakSet[RecordConsumer] = weakref.WeakSet()
        self._stopping = False
        #: What the consumer says of this process.
        self.about = about or About()

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> RecordConsumer:
        """The queue's consumer; `prefetch` is twice the worker's threads."""
        consumer = self.open_consumer(max(prefetch, MIN_PREFETCH))
        self._consumers.add(consumer)
        if self._stopping:
            consumer.stop_fetching()
        return consumer

    def open_consumer(self, prefetch: int) -> RecordConsumer:
        """A consumer that takes so many messages ahead."""
        return RecordConsumer(self._messages, prefetch, about=self.about, together=self.together)

    def begins(self, message: MessageProxy) -> bool:
        """Whether a message may be processed, to be asked right before."""
        return all(consumer.begin(message) for consumer in self._consumers)

    def stop_fetching(self) -> None:
        """This process stops: it takes no more messages, and gives back those that it has not begun."""
        self._stopping = True
        for consumer in self._consumers:
            consumer.stop_fetching()

    def declare_queue(self, queue_name: str) -> None:
        """Declare a queue, without the delay queue that Dramatiq gives each: backoff goes through the due index."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def enqueue(self, message: Message[None], *, delay: int | None = None) -> Message[None]:
        """Queue a message that somebody sends by hand.

        Raises: ValueError for a delay or other arguments than an id, StoreUnavailable.
        """
        if delay is not None:
            raise ValueError("messages cannot be delayed: a transaction's next attempt is set in its record")
        if len(message.args) != 1 or not isinstance(message.args[0], str):
            raise ValueError("a message carries one transaction id, as its only positional argument")
        # As the scripts name theirs: the transaction's id, and what makes it another message.
        message = message.copy(options={"redis_message_id": f"{message.args[0]}~{message.message_id}"})
        self.emit_before("enqueue", message, delay)
        self.push(message.options["redis_message_id"], message.encode())
        self.emit_after("enqueue", message, delay)
        return message

    def push(self, message_id: str, body: bytes) -> None:
        """Queue a message. Raises: StoreUnavailable."""
        self._messages.push(message_id, body)
