"""Between Dramatiq's threads and the event loop: a message is processed once its id is handed over."""

import gc
import resource
from typing import Any

from dramatiq import Broker, MessageProxy, Middleware, Worker
from dramatiq.middleware import SkipMessage

from txn.delivery.in_flight import InFlight
from txn.queue.broker import RecordBroker

#: New objects before the youngest are looked through, and how often that is done before the older ones are.
GARBAGE = (20_000, 20, 20)

#: Ids that Dramatiq is given as one message, at most: what it does for a message is done once for them.
TOGETHER = 32

#: Files of a worker process beside the connections of its deliveries; look-ups of names are among them.
SOCKETS_BESIDE = 512


class HandOver(Middleware):
    """Starts the loop with the worker, gives a message to it only when it has a place, and empties it at the end.

    It stands before `StopFetching`, which has the last word on whether a message is begun.
    """

    def __init__(self, in_flight: InFlight) -> None:
        self._in_flight = in_flight

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Before there is a thread that hands anything over."""
        allow_sockets(self._in_flight.limit)
        self._in_flight.start()
        collect_seldom()

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Wait for the places: meanwhile the message can still go to another process."""
        if not self._in_flight.reserve(len(message.args)):
            raise SkipMessage("this worker stops")
        message.options["placed"] = True

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        """Somebody else has refused it."""
        if message.options.get("placed"):
            self._in_flight.release(len(message.args))

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Whoever waits for a place is told that there is none."""
        if isinstance(broker, RecordBroker):
            broker.stop_fetching()
        self._in_flight.stop_taking()

    def before_worker_thread_shutdown(self, broker: Broker, thread: Any) -> None:
        """Dramatiq waits for its threads, as long as it is told to, and for the deliveries with them."""
        self._in_flight.wait_until_empty()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Its patience is over, or nothing is left."""
        self._in_flight.close()


def collect_seldom() -> None:
    """Garbage in cycles is rare here, and looking for it among thousands of deliveries costs a tenth of the CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)


def allow_sockets(in_flight: int) -> None:
    """A connection for each delivery, as far as the hard limit allows; what has none is an outage to its delivery."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = in_flight + SOCKETS_BESIDE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
