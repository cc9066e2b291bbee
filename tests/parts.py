"""The product's own parts on a real server, with a clock that the test moves."""

import functools
import secrets
from collections.abc import Callable
from typing import Any, Self, TypeVar

import pytest
import redis

from tests.topologies import replicas_of
from txn.model.claim import Claim
from txn.model.dead_letter import Action, Confirmed, Filter
from txn.model.outcome import Clear, Completed, Failed, Outcome, Settlement
from txn.model.submission import Submission, parse_submission
from txn.model.transaction import ErrorCode, Evidence
from txn.operate.bulk_runs import BulkRuns
from txn.operate.journal import Journal
from txn.operate.limits import Limits
from txn.operate.operations import Done, Operations
from txn.operate.pauses import Pauses
from txn.queue.message import NAME, message_template
from txn.readers.dead_letters import DeadLetters
from txn.readers.statistics import Statistics, StatisticsReader
from txn.settings import Settings
from txn.store import scripts
from txn.store.connection import connect
from txn.store.database import Database, ScriptCall
from txn.store.keys import Keys, slot_of
from txn.store.messages import Messages
from txn.store.timings import Timings
from txn.store.transactions import Store

BODY = b'{"amount": 100.50, "currency": "USD", "description": "Payment", "metadata": {"order_id": "12345"}}'


T = TypeVar("T")


class Clock:
    """How far Redis's clock, and the workers' own, are moved ahead in this test, in ms."""

    def __init__(self) -> None:
        self.shift_ms = 0

    def __call__(self) -> int:
        return self.shift_ms

    def forward(self, ms: int) -> None:
        self.shift_ms += ms


class Seconds:
    """A clock of a process, in s: for what is given one."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class OwnTime(Clock):
    """The only clock there is, with `no_other_clock`: a millisecond passes with each look, on any machine."""

    def __init__(self, now_ms: int) -> None:
        self.shift_ms = now_ms

    def __call__(self) -> int:
        self.shift_ms += 1
        return self.shift_ms


def no_other_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis's own clock stands at 0, for the scripts and for whoever asks it."""
    texts = [text.replace("redis.call('TIME')", "{ 0, 0 }") for text in scripts._DEFINITIONS]
    assert not any("'TIME'" in text for text in texts), "a script looks at the clock in another way"
    monkeypatch.setattr(scripts, "_DEFINITIONS", texts)
    monkeypatch.setattr(scripts, "text_of", functools.cache(scripts.text_of.__wrapped__))
    monkeypatch.setattr(Database, "as_ms", lambda database, _time: database.shift_ms())


def submission(transaction_id: str | None = None, body: bytes = BODY) -> Submission:
    """A valid submission, under an id of the caller's or a random one."""
    if transaction_id is None:
        return parse_submission(body)
    return parse_submission(body[:1] + f'"id": "{transaction_id}", '.encode() + body[1:])


def clear(client: redis.Redis, prefix: str) -> None:
    """Delete every key under a prefix: scripts and tests that go through all keys would go through them too."""
    found: Any = client.keys(f"{prefix}*")
    if found:
        client.delete(*found)


def writes_nothing(client: redis.Redis, act: Callable[[], T]) -> T:
    """What it returns. It is done again if the server itself has written: a key expired, or its log was rewritten."""

    def written() -> tuple[int, tuple[int, int]]:
        kept: Any = client.info("persistence")
        stats: Any = client.info("stats")
        return kept["aof_current_size"], (kept["aof_base_size"], stats["expired_keys"])

    while True:
        (before, own_before), found, (after, own) = written(), act(), written()
        if own == own_before:
            assert after == before
            return found


def became(done: Done) -> str:
    [name] = (name for name in ("done", "not_failed", "unknown") if getattr(done, name))
    return name


class Parts:
    """Store, messages and statistics under one prefix."""

    def __init__(self, url: str, settings: Settings, clock: Clock) -> None:
        self.settings, self.clock = settings, clock
        self.keys = Keys(settings.prefix, NAME)
        self.client = connect(url, timeout_ms=30_000, slot=slot_of(self.keys))
        self.replicas = replicas_of(url)
        self.database = self.new_database()
        self.store = self.new_store()
        self.statistics = StatisticsReader(self.database)
        self.letters = DeadLetters(self.database)
        self.runs = BulkRuns(self.database)
        self.timings = Timings(self.database)
        self.journal = Journal(self.database)
        self.operations = Operations(self.database)
        self.pauses = Pauses(self.database)
        self.limits = Limits(self.database, settings.lease_ms)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.client.close()

    def clear(self) -> None:
        clear(self.client, self.settings.prefix)

    def new_store(self) -> Store:
        """Another process's store: it remembers nothing of what this one has seen."""
        return Store(self.new_database(), message_template(), self.settings)

    def new_database(self) -> Database:
        return Database(self.client, self.keys, self.clock, self.replicas)

    @property
    def all_keys(self) -> list[Keys]:
        """Of each partition, if there are any."""
        return [self.keys]

    def keys_of(self, transaction_id: str) -> Keys:
        return self.keys

    def members(self, index: Callable[[Keys], str]) -> list[bytes]:
        """Of a sorted set, in all partitions."""
        found: Any = [self.client.zrange(index(keys), 0, -1) for keys in self.all_keys]
        return [name for names in found for name in names]

    def messages(self, consumer: str = "consumer") -> Messages:
        return Messages(self.database, consumer)

    def fetched_by_the_dead(self, count: int = 1) -> None:
        """A worker that was alive, has fetched messages, and says nothing any more."""
        dead = self.messages("dead")
        dead.heartbeat()
        dead.fetch(count)

    def accept(self, transaction_id: str | None = None) -> str:
        transaction, _ = self.store.accept(submission(transaction_id))
        return transaction.id

    def claim(self, transaction_id: str) -> Claim | None:
        return self.store.claim(transaction_id, secrets.token_urlsafe(12))

    def claimed(self, transaction_id: str) -> Claim:
        claim = self.claim(transaction_id)
        assert claim is not None
        return claim

    def settle(self, claim: Claim, outcome: Outcome, **learnt: Any) -> str:
        return self.store.settle(claim.id, claim.owner, Settlement(outcome, **learnt))

    def fail(
        self,
        transaction_id: str | None = None,
        code: ErrorCode = ErrorCode.REJECTED,
        detail: str = "no",
        body: bytes = BODY,
        **learnt: Any,
    ) -> str:
        """A dead letter, the way that it becomes one."""
        transaction, _ = self.store.accept(submission(transaction_id, body))
        self.settle(self.claimed(transaction.id), Failed(code, detail, Clear()), answered=True, **learnt)
        return transaction.id

    def counted(self, wanted: Filter) -> Confirmed:
        """What the preview of a bulk run counts, and somebody confirms."""
        counted = self.letters.counted(wanted, self.letters.begin(wanted), lambda: False)
        assert counted.exact
        return counted.confirmed

    def start_run(self, run_id: str, what: Action, wanted: Filter, who: str = "ada", why: str = "a test") -> None:
        """Count, confirm, begin."""
        self.operations.start_run(run_id, what, wanted, self.counted(wanted), who, why)

    def replay(self, transaction_id: str, who: str = "ann", why: str = "") -> str:
        return became(self.operations.replay([transaction_id], who, why))

    def discard(self, transaction_id: str, who: str = "ann", why: str = "a test") -> str:
        return became(self.operations.discard([transaction_id], who, why))

    def let_another_in(self) -> None:
        """Later, somebody else's POST is let through: what failed before did not fail because of an outage."""
        self.clock.forward(2)  # in the same millisecond nobody could tell which was first
        claim = self.claimed(self.accept())
        self.settle(claim, Completed(Evidence.POSTED), answered=True, taken=True)

    def status(self, transaction_id: str) -> str:
        return self.record(transaction_id)["status"]

    def together(self, *calls: ScriptCall) -> list[Any]:
        """Calls of one script for several ids, sent as one: the replies, errors of single ids among them."""
        own = [word for call in calls for word in call.own or ()]
        replies: list[Any] = self.database.run(calls[0].name, calls[0].keys, [*calls[0].arguments, *own])
        return replies

    def record(self, transaction_id: str) -> dict[str, str]:
        found: Any = self.client.hgetall(self.keys.record(transaction_id))
        return {name.decode(): value.decode() for name, value in found.items()}

    def due_score(self, transaction_id: str) -> float | None:
        score: Any = self.client.zscore(self.keys.due, transaction_id)
        return score

    def queued(self) -> list[str]:
        found: Any = self.client.lrange(self.keys.messages, 0, -1)
        return [name.decode() for name in found]

    def begin_a_minute(self) -> None:
        """Move the clock to where one has just begun: what a test does in the next seconds is in the same one."""
        self.clock.forward(60_000 - self.read_statistics().now_ms % 60_000)

    def read_statistics(self) -> Statistics:
        return self.statistics.read()
