"""A worker whose deliveries run on an event loop, as they do in a worker process, with the same cuts."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from tests.crash.cuts import Cut, CutSteps, PassedOn
from tests.crash.world import Died, Worker, World
from txn.delivery.in_flight import InFlight, Kit
from txn.delivery.loop_steps import LoopSteps
from txn.delivery.pulse import Pulse
from txn.posting.curl_multi import MultiTransport
from txn.posting.service import AsyncPostingService
from txn.posting.transport import Answer, Request, always
from txn.store.commands import Argument
from txn.store.database import Database
from txn.store.flusher import Flusher, Words

#: Whoever strikes at a cut holds the loop up; what a lag does is not asked here.
ANY_LAG_MS = 60_000
PATIENCE_S = 30


class CutFlusher(Flusher):
    """Loses answers of Redis below its own repeats."""

    def __init__(self, database: Database, cut: Cut) -> None:
        super().__init__(database)
        self._cut = cut
        self._names = {word: name for name, words in self._texts.items() for word in words}

    async def _reply(self, words: Words, own: Sequence[Argument] | None) -> Any:
        reply = await super()._reply(words, own)
        self._cut.at(f"answer of {self._names[words[1]]}")
        return reply


class PatientTransport(MultiTransport):
    """As `patient` has it."""

    def __init__(self, world: World) -> None:
        super().__init__(world.mock.url)
        self._world = world

    async def send(self, request: Request, may_send: Callable[[], bool] = always) -> Answer:
        return await super().send(self._world.patient(request), may_send)


class Mortal(PassedOn):
    """Who has died does nothing any more."""

    dead = False

    def __getattribute__(self, name: str) -> Any:
        if name in ("claim", "find", "post", "settle") and self.dead:
            raise Died
        return super().__getattribute__(name)


class OneAtATime(InFlight):
    """Tells when a delivery is over."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.ended = threading.Semaphore(0)

    def _over(self, task: Any) -> None:
        super()._over(task)
        self.died = isinstance(task.exception(), Died)
        self.ended.release()


class LoopWorker(Worker):
    """Delivers through `InFlight`, as Dramatiq's threads hand ids over to it."""

    def __init__(self, world: World, name: str, cut: Cut) -> None:
        super().__init__(world, name, cut)
        self._cut = cut
        self._in_flight = OneAtATime(self._open_kit, 4)
        self._in_flight.start()

    def _open_kit(self) -> Kit:
        database = Database(self.client, self.world.keys, self.world.clock, self.world.replicas)
        flusher, pulse = CutFlusher(database, self._cut), Pulse(lambda what, seconds: None)
        transport = PatientTransport(self.world)
        posting = AsyncPostingService(transport, self.world.settings.posting_timeout_ms)
        steps = LoopSteps(self.store, flusher, posting, pulse, ANY_LAG_MS)
        self.cuts = CutSteps(steps, self._cut, self.world.asked, self.world.posted)
        self.steps = self._mortal = Mortal(self.cuts)
        return Kit(self.rules(), steps, flusher, pulse, transport)

    def _deliver(self, transaction_id: str) -> None:
        assert self._in_flight.reserve(1)
        self._in_flight.begin([transaction_id])
        assert self._in_flight.ended.acquire(timeout=PATIENCE_S)
        if self._in_flight.died:
            raise Died

    def close(self) -> None:
        self._in_flight.stop_taking()
        self._in_flight.close()
        super().close()
