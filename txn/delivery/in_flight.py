"""The deliveries of a worker process: thousands at once, on one event loop on a thread of its own.

Whoever has a transaction to deliver reserves a place first, and waits while there is none: what waits with Dramatiq can
still be given to other processes.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from txn.delivery.loop_steps import LoopSteps
from txn.delivery.places import Places
from txn.delivery.pulse import Pulse
from txn.delivery.rules import Rules
from txn.errors import SettleLost, StoreUnavailable
from txn.loop import Loop
from txn.posting.transport import AsyncTransport
from txn.store.flusher import Runner

log = logging.getLogger(__name__)

#: For giving back what has not ended when the process does.
GIVE_BACK_S = 5.0

#: Of an owner; three bytes are four letters.
_NONCE_BYTES, _NONCE_LENGTH = 12, 16


@dataclass(frozen=True, slots=True)
class Kit:
    """What deliveries on a loop need, made on that loop."""

    rules: Rules
    steps: LoopSteps
    flusher: Runner
    pulse: Pulse
    transport: AsyncTransport


class InFlight:
    """Up to `limit` deliveries at once. `open_kit` is called on the loop."""

    def __init__(self, open_kit: Callable[[], Kit], limit: int) -> None:
        self._open_kit, self.limit = open_kit, limit
        self._places = Places(limit)
        self._handed_over: deque[str] = deque()
        self._told = self._stopping = self._freeing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._freed = 0
        self._empty = threading.Event()
        self._loop = new_event_loop()
        self._thread = threading.Thread(target=self._run, name="deliveries", daemon=True)

    def start(self) -> None:
        """Begin. Raises: what `open_kit` raises."""
        self._thread.start()

        async def open_kit() -> Kit:
            return self._open_kit()

        self._kit = asyncio.run_coroutine_threadsafe(open_kit(), self._loop).result()
        self._watchdog = Loop("watchdog of deliveries", self._kit.pulse.look)
        self._watchdog.start()

    @property
    def count(self) -> int:
        """How many deliveries there are. From any thread."""
        return len(self._tasks)

    def reserve(self, count: int) -> bool:
        """Wait for so many places, and keep them for `begin` or `release`. False: this process stops."""
        return self._places.take(count)

    def release(self, count: int) -> None:
        """Give places back that `begin` did not use."""
        self._places.give(count)

    def begin(self, transaction_ids: Iterable[str]) -> None:
        """Deliver them, at the places that were reserved: returns at once."""
        self._handed_over.extend(transaction_ids)
        if not self._told:  # or the loop has yet to look, and finds this one too
            self._told = True
            self._loop.call_soon_threadsafe(self._begin_all)

    def stop_taking(self) -> None:
        """From now on nobody gets a place."""
        self._stopping = True
        self._places.close()
        self._loop.call_soon_threadsafe(self._look_whether_empty)

    def wait_until_empty(self) -> None:
        """After `stop_taking`: until the last delivery is over."""
        self._empty.wait()

    def close(self) -> None:
        """Give back what has not ended, so that others can begin with it at once, and end the loop."""
        self._empty.set()
        if self._thread.is_alive():
            with contextlib.suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(self._give_back(), self._loop).result(GIVE_BACK_S)
        else:
            self._let_go()
        self._watchdog.stop()
        self._kit.flusher.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(GIVE_BACK_S)
        if not self._thread.is_alive():
            self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        except BaseException:
            log.critical("the event loop of the deliveries has ended: this process stops", exc_info=True)
            self._places.close()
            self._empty.set()
            os.kill(os.getpid(), signal.SIGTERM)  # whoever restarts processes makes a new one

    def _begin_all(self) -> None:
        self._told = False  # before it looks: who comes from now on tells it again
        nonces = secrets.token_urlsafe(_NONCE_BYTES * len(self._handed_over))  # one system call for all of them
        for start in range(0, len(nonces), _NONCE_LENGTH):
            transaction_id = self._handed_over.popleft()
            deliver = self._deliver(transaction_id, nonces[start : start + _NONCE_LENGTH])
            # Its name is how the watchdog names it.
            task = self._loop.create_task(deliver, name=transaction_id)
            self._tasks.add(task)
            task.add_done_callback(self._over)

    def _over(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._freed += 1
        if not self._freeing:  # places become free once a tick, with one wake-up of whoever waits
            self._freeing = True
            self._loop.call_soon(self._free)

    def _free(self) -> None:
        self._freeing = False
        freed, self._freed = self._freed, 0
        self._places.give(freed)
        self._look_whether_empty()

    def _look_whether_empty(self) -> None:
        if self._stopping and not self._tasks and not self._handed_over:
            self._empty.set()

    async def _deliver(self, transaction_id: str, owner: str) -> None:
        try:
            await self._kit.rules.deliver(transaction_id, owner)
        except SettleLost:
            pass  # what could not be settled is not settled again, as something worse
        except asyncio.CancelledError as error:
            await self._leave(transaction_id, owner, error)
        except StoreUnavailable as error:
            log.info("delivery ended without Redis", extra={"transaction": transaction_id, "detail": str(error)})
            await self._give_up(transaction_id, owner, error)
        except BaseException as error:
            log.error(
                "delivery ended with an error that it does not know",
                exc_info=error,
                extra={"transaction": transaction_id},
            )
            await self._give_up(transaction_id, owner, error)
        finally:
            self._kit.steps.forget(owner)

    async def _give_up(self, transaction_id: str, owner: str, error: BaseException) -> None:
        """Settle as in doubt what ended otherwise than the rules know; the end of the lease covers what fails here."""
        try:
            await self._kit.rules.give_up(transaction_id, owner, error)
        except StoreUnavailable as unavailable:
            extra = {"transaction": transaction_id, "detail": str(unavailable)}
            log.warning("transaction waits for the end of its lease", extra=extra)

    async def _leave(self, transaction_id: str, owner: str, error: BaseException) -> None:
        """This process ends: what was not sent is given back, of what was sent nobody knows."""
        sent = self._kit.steps.has_sent(owner)
        if sent:
            await self._give_up(transaction_id, owner, error)
        elif sent is False:
            with contextlib.suppress(StoreUnavailable):
                await self._kit.rules.give_back(transaction_id, owner)

    async def _give_back(self) -> None:
        left = list(self._tasks)
        for task in left:
            task.cancel()
        if left:
            log.warning("%d deliveries had not ended in time: given back", len(left))
            await asyncio.wait(left)
        self._let_go()

    def _let_go(self) -> None:
        self._kit.pulse.stop()
        self._kit.transport.close()


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, where it is installed; asyncio's own takes twice its CPU."""
    try:
        import uvloop  # noqa: PLC0415  (not everybody has it)
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
