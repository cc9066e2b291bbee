"""What every worker process does around the actor: name the owner, settle what escapes, run the loops."""

import contextlib
import logging
import secrets
import threading
from collections.abc import Callable
from typing import Any

from dramatiq import Broker, MessageProxy, Middleware, Worker
from dramatiq.middleware import SkipMessage

from txn.delivery.blocking_steps import run
from txn.delivery.rules import Rules
from txn.errors import SettleLost, StoreUnavailable
from txn.loop import Loop
from txn.queue.broker import RecordBroker
from txn.store.timings import Timings

log = logging.getLogger(__name__)


class SettleEscaped(Middleware):
    """In place of Dramatiq's Retries: what escapes the actor is settled as in doubt, by the claim's nonce.

    Every expected retry was settled before the actor returned; if this settle fails too, the due index brings the
    transaction back when its lease ends.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

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
        """Settle what escaped. What could not be settled is not settled again, as something worse."""
        if exception is None or isinstance(exception, SettleLost):
            return
        try:
            run(self._rules.give_up(str(message.args[0]), message.options["owner"], exception))
        except StoreUnavailable as error:
            extra = {"transaction": str(message.args[0]), "detail": str(error)}
            log.warning("transaction waits for the end of its lease", extra=extra)


class StopFetching(Middleware):
    """A worker that stops leaves what it has not begun to others, at once."""

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Before anything is waited for."""
        if isinstance(broker, RecordBroker):
            broker.stop_fetching()

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """What a thread has taken in the moment of the stop goes back too."""
        if isinstance(broker, RecordBroker) and not broker.begins(message):
            raise SkipMessage("this worker stops")


class TellThreads(Middleware):
    """Lets the heartbeat say how many threads this worker process has."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Only the worker knows."""
        if isinstance(broker, RecordBroker):
            broker.about.threads = worker.worker_threads


class RunLoops(Middleware):
    """Runs loops beside each worker process, each on a thread of its own."""

    def __init__(self, *loops: Loop) -> None:
        self._loops = loops
        self._threads: list[threading.Thread] = []

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start them."""
        self._threads = [loop.start() for loop in self._loops]

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Stop them before the worker gives its messages back."""
        for loop in self._loops:
            loop.stop()
        for thread in self._threads:
            thread.join()


class AddUpTimings(RunLoops):
    """Adds the notes of this process up, once a second and once more when its last delivery is over."""

    def __init__(self, timings: Timings) -> None:
        super().__init__(Loop("timings", timings.flush))
        self._timings = timings

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """What was delivered while the worker stopped."""
        with contextlib.suppress(StoreUnavailable):
            self._timings.flush()


class SendReports(Middleware):
    """Lets spans and errors that wait in this process leave it. Dramatiq ends its processes without Python's `atexit`.

    The first of a broker's middleware: what each does after something is done from the last to the first, and what the
    others log then is to leave too. `sends`: each is told how many seconds it has; then the process ends all the same.
    """

    def __init__(self, *sends: Callable[[float], object], patience_s: float = 2.0) -> None:
        self._sends, self._patience_s = sends, patience_s

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """When the last delivery is over."""
        for send in self._sends:
            # Whoever they go to may be away.
            thread = threading.Thread(target=send, args=[self._patience_s], name="reports", daemon=True)
            thread.start()
            thread.join(self._patience_s)
