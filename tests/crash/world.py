"""The real rules and the real Lua on a real server, with a place at which one worker can be cut.

Within a delivery that is between two steps: see `cuts.py`. All else is cut at the scripts.

Lease, doubt window and backoff run on a moved clock; HTTP deadlines are real, and short where the posting service is to
hang; late writes wait for a gate that is opened within the time that the promise allows the posting service.
"""

import contextlib
import os
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from ops.mock_posting.client import MockPosting
from ops.redis_server import RedisServer
from tests.crash.cuts import Cut, CutSteps
from tests.parts import BODY, Clock, clear
from tests.topologies import replicas_of
from txn.clock import boot_ms
from txn.delivery.blocking_steps import BlockingSteps, run
from txn.delivery.rules import Rules
from txn.delivery.steps import Steps
from txn.errors import SettleLost, StoreUnavailable
from txn.model.submission import parse_submission
from txn.model.transaction import Transaction
from txn.operate.operations import Operations
from txn.partitions.consumer import AllConsumer
from txn.partitions.letters import AllOperations
from txn.partitions.place import Partitions, partition_of
from txn.partitions.stores import Stores
from txn.posting.curl import CurlTransport
from txn.posting.service import PostingService
from txn.posting.transport import Answer, Request, always
from txn.queue.consumer import RecordConsumer
from txn.queue.heartbeat import About
from txn.queue.message import NAME, message_template
from txn.readers.statistics import StatisticsReader
from txn.settings import Settings
from txn.store.connection import connect
from txn.store.database import Database
from txn.store.keys import Keys, keys_of_partition, slot_of
from txn.store.messages import Messages
from txn.store.replication import Replication
from txn.store.scripts import Script, Scripts
from txn.store.transactions import Store

#: A lease shorter than the lateness, so that late writes land when somebody else has taken over.
SETTINGS = Settings(posting_timeout_ms=50, margin_ms=20, lease_ms=1_000, doubt_window_ms=4_000, grace_ms=1_000)
#: Where nothing hangs, a machine that stands still is not taken for a posting service that does.
PATIENCE_MS = 30_000
#: The posting service may be as late as the doubt window allows, with something to spare.
LATENESS_MS = round(0.8 * SETTINGS.doubt_window_ms)

#: All of it on so many partitions: `TXN_TEST_PARTITIONS=8 make test-long ARGS=tests/crash/test_crash_points.py`.
PARTITIONS = int(os.environ.get("TXN_TEST_PARTITIONS", "0"))

#: Text to replace in scripts, by script: how negative controls take a protection away.
Mutations = Mapping[str, tuple[tuple[str, str], ...]]
NOTHING: Mutations = {}


class BrokenPromise(Exception):
    """What is wrong, and where. Nothing else may count as that: a control that counts any failure cannot fail."""


class NeverReached(Exception):
    """The cell's disturbance did not take place, so that nothing was shown."""


class Died(BaseException):
    """The process ends here: nothing of it runs any more."""


class CutScripts(Scripts):
    """Scripts with a cut before and after each call, below everything that maps errors and repeats.

    Of those that are steps of a delivery only the answer can be lost here.
    """

    def __init__(self, client: Any, cut: Cut, mutations: Mutations, replication: Replication | None = None) -> None:
        super().__init__(client, replication)
        self.called = ""
        for name, changes in mutations.items():
            text = str(self._scripts[name].script)
            for old, new in changes:
                if old not in text:
                    raise LookupError(f"{name}.lua no longer holds {old!r}: this takes nothing away")
                text = text.replace(old, new)
            self._scripts[name] = Script(self._group, text)
        for name, script in list(self._scripts.items()):
            self._scripts[name] = self._wrapped(name, script, cut)

    def _wrapped(self, name: str, script: Any, cut: Cut) -> Any:
        def call(**arguments: Any) -> Any:
            called = self.called or name
            is_step = called in ("claim", "settle")
            if not is_step:
                cut.at(f"before {called}")
            reply = script(**arguments)
            cut.at(f"answer of {called}" if is_step else f"after {called}")
            return reply

        return call


class World:
    """One transaction, a posting service, and any number of workers.

    Two processes that give the same `name` see the same transaction.
    """

    def __init__(
        self,
        server: RedisServer,
        mock: MockPosting,
        mutations: Mutations = NOTHING,
        settings: Settings = SETTINGS,
        tamper: Callable[["Worker"], object] = lambda worker: None,
        name: str = "",
        kind: "Callable[[World, str, Cut], Worker] | None" = None,
    ) -> None:
        self.kind = kind or Worker
        name = name or uuid.uuid4().hex[:8]
        self.server, self.mock, self.clock = server, mock, Clock()
        self.settings = settings.model_copy(update={"prefix": f"{{{name}}}:"})
        self.mutations, self.tamper = mutations, tamper
        self.submission = parse_submission(BODY, name)
        self.id = self.submission.id
        self.keys = Keys(self.settings.prefix, NAME)
        if PARTITIONS:
            self.keys = keys_of_partition(self.keys, partition_of(self.id, PARTITIONS))
        self._release_at: int | None = None
        self._hidden = self._hangs = False
        self.down = False
        self.workers: list[Worker] = []
        self.client = connect(server.url, timeout_ms=30_000, slot=slot_of(self.keys))
        self.replicas = replicas_of(server.url)

    def close(self) -> None:
        clear(self.client, self.keys.prefix)
        self.client.close()
        for worker in self.workers:
            worker.close()

    def worker(self, cut: Cut | None = None) -> "Worker":
        worker = self.kind(self, f"worker{len(self.workers)}", cut or Cut())
        self.workers.append(worker)
        self.tamper(worker)
        return worker

    def posting_does(self, posting: str, rejected_before: bool = False) -> None:
        """Script the posting service; `rejected_before` lets it refuse once, so that there is something to replay."""
        faults: dict[str, list[Any]] = {
            "fails before": ["fail_before"],
            "fails after": ["fail_after"],
            "hangs then writes": ["hang_until_released"],
            "404 then visible": ["fail_after"],
            "rejects": ["reject"] * 20,
            "claims a write": ["page"],
            "proves nothing": ["bare"],
            "rejects after": ["reject_after"],
        }
        gets: dict[str, list[Any]] = {
            "404 then visible": ["missing"] * 100,
            "proves nothing": ["ok", "other_json", "other_row"],
        }
        first: list[Any] = ["reject"] if rejected_before else []
        self.mock.script(self.id, post=first + faults.get(posting, []), get=gets.get(posting, []))
        self._hidden, self._hangs = posting == "404 then visible", posting == "hangs then writes"
        if posting == "down":
            self.mock.down()
            self.down = True

    def patient(self, request: Request) -> Request:
        """As it is sent."""
        return request if self._hangs else request._replace(timeout_ms=PATIENCE_MS)

    def posted(self) -> None:
        """A POST is about to leave: what it does late must happen within the time that is promised."""
        if self._release_at is None:
            self._release_at = self._now_ms() + LATENESS_MS

    def asked(self) -> None:
        """A GET is about to leave. Real time has passed too, and much of it on a busy machine."""
        self.forward(0)

    def forward(self, ms: int) -> None:
        """Move the clock, and open the gate on the way when its time has come."""
        if self._release_at is not None and self._now_ms() + ms >= self._release_at:
            self._release()
        self.clock.shift_ms += ms

    def _now_ms(self) -> int:
        return boot_ms() + self.clock.shift_ms

    def _release(self) -> None:
        self._release_at = None
        if self._hidden:
            self.mock.script(self.id)
            self._hidden = False
        self.mock.release()
        while self.mock.stats()["pending_late_writes"]:
            pass

    def back_up(self) -> None:
        """The posting service comes back."""
        if self.down:
            self.down = False
            self.mock.up()

    def transaction(self) -> Transaction:
        return Store(Database(self.client, self.keys), message_template(), self.settings).read(self.id)

    def rows(self) -> int:
        return Counter(row["id"] for row in self.mock.rows())[self.id]

    def lose_message(self) -> None:
        self.client.delete(self.keys.messages, self.keys.message_bodies)

    def next_due_in(self) -> int | None:
        """Milliseconds until the next look at the transaction, or None if it is finished."""
        found: Any = self.client.zscore(self.keys.due, self.id)
        if found is None:
            return None
        return round(found) - StatisticsReader(Database(self.client, self.keys, self.clock)).read().now_ms


class PatientTransport(CurlTransport):
    """As `patient` has it."""

    def __init__(self, world: World) -> None:
        super().__init__(world.mock.url)
        self._world = world

    def send(self, request: Request, may_send: Callable[[], bool] = always) -> Answer:
        return super().send(self._world.patient(request), may_send)


class Worker:
    """The parts of one worker process, run step by step, and those of an API process."""

    def __init__(self, world: World, name: str, cut: Cut) -> None:
        self.world, clock = world, world.clock
        self.client = connect(world.server.url, timeout_ms=30_000, slot=slot_of(world.keys))
        database = Database(self.client, Keys(world.settings.prefix, NAME), clock, world.replicas)
        self.scripts = CutScripts(self.client, cut, world.mutations, database.replication)
        database.scripts = self.scripts
        self.store = Store(database, message_template(), world.settings)
        self.operations = Operations(database)
        self.messages = Messages(database, name)

        def now_s() -> float:
            return time.monotonic() + clock() / 1_000

        self.consumer = RecordConsumer(self.messages, 4, now_s)
        if PARTITIONS:
            partitions = Partitions(database, PARTITIONS)
            self.store = Stores(partitions, message_template(), world.settings)
            self.operations = AllOperations(partitions)
            all_messages = [Messages(one, name) for one in partitions.all]
            self.consumer = AllConsumer(all_messages, 4, About(), now_s)
        self.transport = PatientTransport(world)
        posting = PostingService(self.transport, world.settings.posting_timeout_ms)
        self.cuts = CutSteps(BlockingSteps(self.store, posting), cut, world.asked, world.posted)
        #: What its deliveries ask; negative controls put theirs before it.
        self.steps: Steps = self.cuts

    def close(self) -> None:
        self.client.close()
        self.transport.close()

    def rules(self) -> Rules:
        return Rules(self.steps, self.world.settings, lambda: 0.5, lambda: boot_ms() + self.world.clock())

    def accept(self) -> None:
        """What the API does; its client repeats an unanswered submit with the same key, as the docs tell users to."""
        self.store.accept(self.world.submission)

    def replay(self) -> None:
        self.scripts.called = "replay"  # one script replays and discards
        try:
            self.operations.replay([self.world.id], "ann")
        finally:
            self.scripts.called = ""

    def work(self) -> None:
        """Rescue what is due, then take and deliver messages until there are none."""
        with contextlib.suppress(StoreUnavailable, RuntimeError):  # the loop goes on with its next tick
            self.store.due(100)
        empty = 0
        while empty < 2:
            self.scripts.called = ""
            try:
                message = next(self.consumer)
            except RuntimeError:
                message = None  # the thread would be started anew
            if message is None:
                empty += 1
                continue
            self._deliver(str(message.args[0]))
            self.consumer.ack(message)
            self._send_ack()

    def _deliver(self, transaction_id: str) -> None:
        """What the actor and its middleware do."""
        owner = secrets.token_urlsafe(12)
        try:
            run(self.rules().deliver(transaction_id, owner))
        except SettleLost:
            pass
        except (StoreUnavailable, RuntimeError) as error:
            self._give_up(transaction_id, owner, error)

    def _give_up(self, transaction_id: str, owner: str, error: Exception) -> None:
        with contextlib.suppress(StoreUnavailable):
            run(self.rules().give_up(transaction_id, owner, error))

    def _send_ack(self) -> None:
        self.scripts.called = "ack"
        try:
            next_message = next(self.consumer)
        except RuntimeError:
            next_message = None
        finally:
            self.scripts.called = ""
        if next_message is not None:
            self._deliver(str(next_message.args[0]))
            self.consumer.ack(next_message)


def run_to_quiet(world: World, worker: Worker, rounds: int = 60) -> None:
    """Work, and move the clock to the next look, until nothing is unfinished. Raises: BrokenPromise."""
    for number in range(rounds):
        worker.work()
        wait_ms = world.next_due_in()
        if wait_ms is None:
            return
        if number == 3:
            world.back_up()
        world.forward(max(wait_ms, 0) + 1)
    raise BrokenPromise(f"not quiet after {rounds} rounds: {world.client.hgetall(world.keys.record(world.id))}")
