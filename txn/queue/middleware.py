"""What every worker process does around the actor: name the owner, settle what escapes, run the loops."""

import logging
import secrets
import threading
from typing import Any

from dramatiq import Broker, MessageProxy, Middleware, Worker

from txn.delivery import Delivery
from txn.errors import StoreUnavailable
from txn.loop import Loop
from txn.queue.broker import RecordBroker

log = logging.getLogger(__name__)


class SettleEscaped(Middleware):
    """In place of Dramatiq's Retries: what escapes the actor is settled as in doubt, by the claim's nonce.

    Every expected retry was settled before the actor returned; if this settle fails too, the due index brings the
    transaction back when its lease ends.
    """

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    @property
    def actor_options(self) -> set[str]:
        """`throws`: exceptions that are said in one line, without a traceback."""
        return {"throws"}

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Draw the nonce under which this delivery will claim."""
        message.options["owner"] = secrets.token_urlsafe(12)

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Settle what escaped."""
        if exception is None:
            return
        try:
            self._delivery.give_up(str(message.args[0]), message.options["owner"], exception)
        except StoreUnavailable as error:
            log.warning("transaction %s waits for the end of its lease: %s", message.args[0], error)


class TellThreads(Middleware):
    """Lets the heartbeat say how many threads this worker process has."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Only the worker knows."""
        if isinstance(broker, RecordBroker):
            broker.about.threads = worker.worker_threads


class RunLoop(Middleware):
    """Runs a loop on a thread of each worker process."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._thread: threading.Thread | None = None

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start it."""
        self._thread = self._loop.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Stop it before the worker gives its messages back."""
        self._loop.stop()
        if self._thread is not None:
            self._thread.join()
