import itertools
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ops.redis_server import RedisServer
from tests.cli.terminal import Commands
from tests.parts import clear, submission
from txn.composition.databases import open_database
from txn.errors import Invalid, StoreUnavailable
from txn.model.dead_letter import Filter
from txn.model.outcome import Clear, Completed, Failed, Settlement
from txn.model.transaction import ErrorCode, Evidence
from txn.operate.tools import Tools
from txn.partitions.division import Division, Side
from txn.partitions.parts import Parts
from txn.partitions.records import look_at_all, records_of
from txn.partitions.tools import open_tools
from txn.settings import Settings
from txn.store.database import Database
from txn.store.listing import Wanted

#: How many partitions there are afterwards.
INTO = 4
TIMEOUT_MS = 30_000


class Died(BaseException):
    """The process that copies."""


@dataclass
class Move:
    """From one prefix to another."""

    before: Settings
    after: Settings

    def parts(self, settings: Settings) -> Parts:
        return Parts(open_database(settings, TIMEOUT_MS), settings)

    def tools(self, settings: Settings) -> Tools:
        database = open_database(settings, TIMEOUT_MS)
        return open_tools(database, database, settings, self.parts(settings).durability())

    def run(self) -> int:
        sides = (Side(open_database(one, TIMEOUT_MS, agrees=False), one) for one in (self.before, self.after))
        return Division(*sides).run()

    def keys(self) -> dict[str, Any]:
        """All that is under the new prefix."""
        with open_database(self.after, TIMEOUT_MS, agrees=False).client as client:
            names: Any = client.keys(f"{self.after.prefix}*")
            return {name.decode(): value_of(client, name) for name in names}

    @property
    def is_begun(self) -> bool:
        with open_database(self.before, TIMEOUT_MS, agrees=False).client as client:
            return bool(b"moved" in (client.get(f"{self.before.prefix}partitions") or b""))

    def forget(self) -> None:
        """As if it had never been begun."""
        with open_database(self.before, TIMEOUT_MS, agrees=False).client as client:
            clear(client, self.after.prefix)
            client.set(f"{self.before.prefix}partitions", self.before.partitions)


def value_of(client: Any, name: bytes) -> Any:
    read = {
        b"hash": lambda: client.hgetall(name),
        b"zset": lambda: client.zrange(name, 0, -1, withscores=True),
        b"list": lambda: client.lrange(name, 0, -1),
        b"string": lambda: client.get(name),
    }
    return read[client.type(name)]()


def moved(server: RedisServer, partitions: int, into: int = INTO) -> Move:
    name = uuid.uuid4().hex[:8]
    return Move(
        Settings(redis_url=server.url, prefix=f"{name}:", partitions=partitions),
        Settings(redis_url=server.url, prefix=f"{name}-new:", partitions=into),
    )


@pytest.fixture
def fill() -> Iterator[Callable[[Move], list[str]]]:
    filled: list[Move] = []

    def fill(move: Move) -> list[str]:
        filled.append(move)
        store, names = move.parts(move.before).store(), [f"n{number}" for number in range(24)]
        for number, name in enumerate(names):
            store.accept(submission(name))
            claim = store.claim(name, f"o{number}")
            assert claim
            outcome = Failed(ErrorCode.REJECTED, "no", Clear()) if number % 3 == 0 else Completed(Evidence.POSTED)
            store.settle(name, claim.owner, Settlement(outcome, answered=True))
        move.tools(move.before).operations.discard(["n0", "n3"], "ann", "a test")
        return names

    yield fill
    for move in filled:
        with open_database(move.before, TIMEOUT_MS, agrees=False).client as client:
            clear(client, move.before.prefix)
            clear(client, move.after.prefix)


@pytest.mark.parametrize("partitions", [0, 2])
def test_all_that_was_accepted_is_there_afterwards_and_goes_on(
    server: RedisServer, fill: Callable[[Move], list[str]], partitions: int
) -> None:
    names = fill(move := moved(server, partitions))
    before = {record.id: record for chunk in records_of(move.parts(move.before)).scan() for record in chunk}
    assert move.run() == len(names)
    parts, tools = move.parts(move.after), move.tools(move.after)
    assert {record.id: record for chunk in records_of(parts).scan() for record in chunk} == before
    assert look_at_all(parts) == []
    totals = tools.statistics.read().totals
    assert (totals.accepted, totals.completed, totals.failed, totals.dead, totals.discarded) == (24, 16, 8, 6, 2)
    assert sorted(one.id for one in tools.listing.read(Wanted(), 50).transactions) == sorted(names)
    assert sorted(one.id for one in tools.letters.page(Filter()).letters) == sorted(names[6::3])
    tools.operations.replay(["n6"], "ann", "a test")
    store = parts.store()
    assert store.accept(submission("n1"))[1] is False, "it is known"
    assert store.claim("n6", "me")
    for old in (move.before, move.before.model_copy(update={"partitions": 8})):
        with pytest.raises(StoreUnavailable, match="was copied to another"):
            move.parts(old).store().read("n1")
    assert move.run() == 0, "it is done"
    elsewhere = Move(move.before, move.after.model_copy(update={"prefix": f"{move.after.prefix}2:"}))
    for wrong in (elsewhere, Move(move.before.model_copy(update={"partitions": 1}), elsewhere.after)):
        with pytest.raises(Invalid, match="it was copied before, and not like this: moved:"):
            wrong.run()
    assert store.read("n6").status == "processing", "and stays as it is"


def test_whatever_it_dies_at_its_repeat_completes_it_and_until_then_nobody_uses_it(
    valkey: RedisServer, fill: Callable[[Move], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = fill(move := moved(valkey, 1, into=2))
    assert move.run() == len(names)
    expected = move.keys()
    closed = 0
    for calls in itertools.count():
        move.forget()
        if not dies_after(calls, move, monkeypatch):
            break
        if move.is_begun:
            closed += 1
            for settings in (move.before, move.after):
                with pytest.raises(StoreUnavailable, match="copied"):
                    move.parts(settings).store().read("n1")
        assert move.run() == len(names)
        assert move.keys() == expected
    assert closed > 10


def dies_after(calls: int, move: Move, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether it does."""
    left = itertools.count(calls, -1)

    def counted(method: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(left) <= 0:
                raise Died
            return method(*arguments, **options)

        return call

    with monkeypatch.context() as context:
        for name in ("call", "pipeline"):
            context.setattr(Database, name, counted(getattr(Database, name)))
        try:
            move.run()
        except Died:
            return True
    return False


def test_what_is_not_ready_is_refused_and_nothing_is_closed(
    valkey: RedisServer, fill: Callable[[Move], list[str]]
) -> None:
    fill(move := moved(valkey, 2))
    store = move.parts(move.before).store()
    store.accept(submission("late"))
    with pytest.raises(Invalid, match="1 unfinished transactions are left"):
        move.run()
    assert store.read("late").status == "pending"
    claim = store.claim("late", "me")
    assert claim
    store.settle("late", "me", Settlement(Completed(Evidence.POSTED), answered=True))
    for other, said in ((4, "what is to be copied has 2 partitions"), (0, "has 2 partitions"), (8, "4 is less than 8")):
        with pytest.raises(Invalid, match=said):
            Move(move.before.model_copy(update={"partitions": other}), move.after).run()
    move.parts(move.after).store().accept(submission("theirs"))
    with pytest.raises(Invalid, match="take one that was never used"):
        move.run()
    assert store.read("late").status == "completed"
    with pytest.raises(Invalid, match="nothing was ever accepted under it"):
        Move(moved(valkey, 0).before, moved(valkey, 0).after).run()


def test_who_accepts_while_it_copies_is_noticed_and_the_copy_is_not_opened(
    valkey: RedisServer, fill: Callable[[Move], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(move := moved(valkey, 2))
    store = move.parts(move.before).store()  # connected before
    store.read("n1")
    copy = Division._copy_lists

    def accept_meanwhile(self: Division, number: int, source: Database) -> None:
        store.accept(submission("late"))
        copy(self, number, source)

    with monkeypatch.context() as context:
        context.setattr(Division, "_copy_lists", accept_meanwhile)
        with pytest.raises(Invalid, match="a process was still at work there: stop every process"):
            move.run()
    with pytest.raises(StoreUnavailable, match="being copied"):
        move.parts(move.after).store().read("n1")
    claim = store.claim("late", "me")
    assert claim
    store.settle("late", "me", Settlement(Completed(Evidence.POSTED), answered=True))
    assert move.run() == 25


def test_of_two_at_the_same_time_the_first_one_stops(
    valkey: RedisServer, fill: Callable[[Move], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = fill(move := moved(valkey, 1, into=2))
    copy, others = Division._copy, list[int]()

    def copy_after_another(self: Division, number: int, source: Database) -> int:
        if not others:
            others.append(1)
            assert move.run() == len(names)
        return copy(self, number, source)

    monkeypatch.setattr(Division, "_copy", copy_after_another)
    with pytest.raises(Invalid, match="another one has been started since"):
        move.run()
    assert move.parts(move.after).store().read("n1").status == "completed"


def test_the_command_says_what_to_start_next(valkey: RedisServer, fill: Callable[[Move], list[str]]) -> None:
    fill(move := moved(valkey, 0))
    txn = Commands({"TXN_REDIS_URL": valkey.url, "TXN_PREFIX": move.after.prefix, "TXN_PARTITIONS": str(INTO)})
    said = f"Start every process with TXN_PREFIX={move.after.prefix} TXN_PARTITIONS={INTO}"
    for begins in ("24 transactions were copied. ", "All was copied before. "):
        done = txn("divide", "--from-prefix", move.before.prefix, columns=200)
        assert (done.code, done.out.strip()) == (0, begins + said)
    same = txn("divide", "--from-prefix", move.after.prefix, "--from-partitions", "4", columns=200)
    assert same.code == 2
    assert "the copy needs another one than before" in same.err
    assert txn("divide", "--from-prefix", move.before.prefix, TXN_PARTITIONS="0").code == 2
