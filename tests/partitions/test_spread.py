import asyncio
import time
import uuid
from collections.abc import Callable, Iterator

import pytest
import redis

from ops.clusters import PRIMARIES, Sharded, with_buses
from ops.ports import free_port
from ops.redis_server import RedisServer
from tests.parts import clear, submission
from txn.composition.databases import open_database
from txn.errors import StoreUnavailable
from txn.model.outcome import Clear, Completed, Failed, Settlement
from txn.model.transaction import ErrorCode, Evidence
from txn.partitions import work
from txn.partitions.apart import ApartConsumer
from txn.partitions.division import Division, Side
from txn.partitions.flushers import Flushers
from txn.partitions.parts import Parts
from txn.partitions.records import look_at_all
from txn.partitions.stores import Stores
from txn.queue.heartbeat import About
from txn.readers.health import at_risk
from txn.settings import Settings
from txn.store.agreement import COPYING
from txn.store.connection import connect
from txn.store.database import Database
from txn.store.flusher import Runner
from txn.store.keys import Keys, slot_of
from txn.store.messages import Messages

pytestmark = pytest.mark.timeout(120)

COUNT = 4
#: One id in each partition, in their order.
IN_EACH = ("d", "b", "e", "a")
#: Until a call to a node that hangs ends. One to another lasts, while the machine stands still for two seconds.
TIMEOUT_MS = 3_000


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sharded]:
    names = with_buses([f"primary{number}" for number in range(PRIMARIES)])
    with Sharded({name: free_port() for name in names}, tmp_path_factory.mktemp("nodes")) as found:
        for name in found.servers:  # so that one that hangs is not said to be gone as well, sooner or later
            found.ask(name, "CONFIG", "SET", "cluster-node-timeout", 600_000)
        yield found


@pytest.fixture
def settings(nodes: Sharded) -> Settings:
    until(lambda: is_in_step(nodes))
    for name in nodes.servers:
        nodes.ask(name, "FLUSHALL")
    return Settings(redis_url=nodes.url, partitions=COUNT)


@pytest.fixture
def parts(settings: Settings) -> Parts:
    return Parts(open_database(settings, TIMEOUT_MS), settings)


@pytest.fixture
def frozen(nodes: Sharded, parts: Parts) -> Iterator[set[int]]:
    """The partitions of a node that hangs: 1 and another one, not 0."""
    accepted(parts)  # so that all connections are there
    node = node_of(nodes, parts, 1)
    node.freeze()
    yield {number for number in range(COUNT) if node_of(nodes, parts, number, "primary2") is node}
    node.thaw()


def is_in_step(nodes: Sharded) -> bool:
    """Whether no node takes another one for dead."""
    seen = [str(nodes.ask(name, "CLUSTER", "NODES")) for name in nodes.servers]
    return not any("fail" in one for one in seen)


def node_of(nodes: Sharded, parts: Parts, number: int, of: str = "primary0") -> RedisServer:
    return nodes.primary(slot_of(parts.all[number].keys), of)


def accepted(parts: Parts) -> Stores:
    store = parts.store()
    assert isinstance(store, Stores)
    for name in IN_EACH:
        store.accept(submission(name))
    return store


def start(settings: Settings, **changed: int | str) -> Database:
    """A process that begins with these settings, and its first call."""
    database = open_database(settings.model_copy(update=changed), TIMEOUT_MS)
    database.now_ms()
    return database


def number_kept(nodes: Sharded, prefix: str) -> bytes | None:
    with connect(nodes.url, timeout_ms=5_000, slot=slot_of(Keys(prefix))) as client:
        found: bytes | None = client.get(f"{prefix}partitions")
        return found


def until(true: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends_s
        time.sleep(0.02)


def test_partitions_are_on_several_nodes_each_with_its_keys(nodes: Sharded, parts: Parts) -> None:
    store = accepted(parts)
    assert [store.read(name).id for name in IN_EACH] == list(IN_EACH)
    assert len({node_of(nodes, parts, number).port for number in range(COUNT)}) == PRIMARIES
    assert [parts.all[number].call(redis.Redis.dbsize) > 0 for number in range(COUNT)] == [True] * COUNT


def test_the_number_is_agreed_on_once_and_kept_in_each_partition(nodes: Sharded, settings: Settings) -> None:
    start(settings)
    assert [number_kept(nodes, prefix) for prefix in ("{txn}:", "txn:{0}:")] == [b"4", b"4"]
    for other in (8, 2):
        with pytest.raises(StoreUnavailable, match="accepted with 4: set TXN_PARTITIONS=4 for every process"):
            start(settings, partitions=other)
        with pytest.raises(StoreUnavailable, match="accepted with 4"):
            open_database(settings.model_copy(update={"partitions": 8}), TIMEOUT_MS).under(Keys("txn:{7}:")).now_ms()
    with pytest.raises(StoreUnavailable, match="TXN_PARTITIONS is not set"):
        start(settings, partitions=0, prefix="{txn}:")
    start(settings)


def test_what_was_accepted_without_partitions_is_not_left_behind(nodes: Sharded, settings: Settings) -> None:
    without = settings.model_copy(update={"partitions": 0, "prefix": "{txn}:"})
    Parts(open_database(without, TIMEOUT_MS), without).store().accept(submission("a"))
    with pytest.raises(StoreUnavailable, match="accepted without partitions: unset it"):
        start(settings)
    assert number_kept(nodes, "txn:{0}:") is None


def test_a_node_named_as_if_it_were_the_only_server_is_refused(nodes: Sharded, settings: Settings) -> None:
    one = f"redis://127.0.0.1:{nodes.port}"
    with pytest.raises(StoreUnavailable, match=r"TXN_PARTITIONS=4 on a node .* set TXN_REDIS_URL=redis\+cluster://"):
        start(settings, redis_url=one)
    assert number_kept(nodes, "{txn}:") is None


def test_what_was_accepted_on_one_redis_is_copied_to_the_nodes(valkey: RedisServer, settings: Settings) -> None:
    one = Settings(redis_url=valkey.url, prefix=f"{uuid.uuid4().hex[:8]}:")
    store = Parts(open_database(one, TIMEOUT_MS), one).store()
    for number, name in enumerate(IN_EACH):
        store.accept(submission(name))
        claim = store.claim(name, "me")
        assert claim
        outcome = Completed(Evidence.POSTED) if number else Failed(ErrorCode.REJECTED, "no", Clear())
        store.settle(name, "me", Settlement(outcome, answered=True))
    sides = [Side(open_database(which, TIMEOUT_MS, agrees=False), which) for which in (one, settings)]
    sides[1].write_number(COPYING)
    with pytest.raises(StoreUnavailable, match="being copied"):
        start(settings)
    assert Division(*sides).run() == COUNT
    parts = Parts(open_database(settings, TIMEOUT_MS), settings)
    assert [parts.store().read(name).status for name in IN_EACH] == ["failed", *["completed"] * (COUNT - 1)]
    assert look_at_all(parts) == []
    clear(redis.Redis.from_url(one.redis_url), one.prefix)


def test_a_node_that_hangs_holds_up_only_its_own(nodes: Sharded, parts: Parts, frozen: set[int]) -> None:
    store = parts.store()
    for number, name in enumerate(IN_EACH):
        if number in frozen:
            with pytest.raises(StoreUnavailable):
                store.read(name)
        else:
            assert store.read(name).id == name
    statistics = parts.statistics().read()
    place = f"127.0.0.1:{node_of(nodes, parts, 1, 'primary2').port}"
    assert frozen == {1, 2}
    assert [text.split(": ")[0] for text in statistics.away] == [f"partitions 1 and 2 of {COUNT} (on {place})"]
    assert statistics.unfinished == COUNT - len(frozen)


def test_a_batch_is_stored_but_for_what_is_of_a_node_that_hangs(parts: Parts, frozen: set[int]) -> None:
    replies = parts.store().accept_batch([submission(name) for name in IN_EACH])
    assert {number for number, reply in enumerate(replies) if isinstance(reply, StoreUnavailable)} == frozen


def test_a_node_that_is_known_to_hang_is_not_waited_for(parts: Parts, frozen: set[int]) -> None:
    monitor = parts.durability()
    store = parts.store(monitor)
    for _ in range(2):
        monitor.check(parts.first.client)
    monitor.require()
    for number, name in enumerate(IN_EACH):
        if number not in frozen:
            assert store.accept(submission(name))[0].id == name
            continue
        for call in (lambda name=name: store.accept(submission(name)), lambda name=name: store.read(name)):  # type: ignore[misc]
            with pytest.raises(StoreUnavailable) as raised:
                call()
            assert raised.value.__cause__ is None, "nothing was asked"


def test_a_server_that_forgets_is_refused_for_its_own(nodes: Sharded, parts: Parts) -> None:
    monitor = parts.durability()
    store = parts.store(monitor)
    node = node_of(nodes, parts, 0)
    with redis.Redis(port=node.port) as client:
        client.config_set("appendfsync", "everysec")
        try:
            monitor.check(parts.first.client)
            problems = [problem.what for problem in at_risk(monitor)]
        finally:
            client.config_set("appendfsync", "always")
    place = f"127.0.0.1:{node.port}"
    assert f"New transactions of partition 0 of {COUNT} (on {place}) are refused" in problems
    assert not [what for what in problems if "are accepted" in what]
    assert monitor.latest
    assert monitor.latest.level == "lossy"
    with pytest.raises(Exception, match="appendfsync"):
        store.accept(submission("d"))
    assert store.accept(submission("a"))[0].id == "a"


def test_messages_of_other_nodes_come_while_one_hangs_and_its_own_when_it_is_back(
    nodes: Sharded, parts: Parts, frozen: set[int]
) -> None:
    consumer = ApartConsumer([Messages(one, "one") for one in parts.all], 32, About())
    found: list[str] = []

    def take() -> set[str]:
        if (message := next(consumer)) is not None:
            assert consumer.begin(message)
            found.extend(message.args)
            consumer.ack(message)
        return set(found)

    others = {name for number, name in enumerate(IN_EACH) if number not in frozen}
    until(lambda: take() == others)
    node_of(nodes, parts, 1, "primary2").thaw()
    until(lambda: take() == set(IN_EACH))
    consumer.close()
    assert len(found) == COUNT
    held = [one.call(lambda client, one=one: client.scard(one.keys.acks_of("one"))) for one in parts.all]  # type: ignore[misc]
    assert held == [0] * COUNT


def test_a_worker_that_stops_gives_back_what_it_has_not_begun_on_each_node(parts: Parts) -> None:
    accepted(parts)
    consumer = ApartConsumer([Messages(one, "one") for one in parts.all], 32, About())
    until(lambda: sum(queued(one) for one in parts.all) == 0)
    consumer.stop_fetching()
    assert next(consumer) is None
    consumer.close()
    assert [queued(one) for one in parts.all] == [1] * COUNT


def queued(database: Database) -> int:
    found: int = database.call(lambda client: client.llen(database.keys.messages))  # type: ignore[arg-type,return-value]
    return found


def test_calls_of_other_nodes_are_answered_while_one_hangs(parts: Parts, frozen: set[int]) -> None:
    store = parts.store()
    done: list[int] = []

    async def claim(runner: Runner, number: int, name: str) -> None:
        try:
            reply = await runner.run(store.claiming(name, "me"))
        except StoreUnavailable:
            reply = None
        if reply:
            claimed = store.claimed(name, "me", reply)
            assert claimed
            assert claimed.id == name
        done.append(number)

    async def claim_all() -> None:
        runner = work.runner(parts)
        await asyncio.gather(*(claim(runner, number, name) for number, name in enumerate(IN_EACH)))
        runner.close()

    asyncio.run(claim_all())
    assert set(done[-len(frozen) :]) == frozen, "those came last"


async def claim_each(parts: Parts, store: Stores, runner: Runner, owner: str) -> None:
    async def claim(name: str) -> None:
        claimed = store.claimed(name, owner, await runner.run(store.claiming(name, owner)))
        assert claimed
        assert claimed.id == name

    await asyncio.gather(*map(claim, IN_EACH))


def test_partitions_of_one_node_share_round_trips_and_each_tells_what_it_has_seen(parts: Parts) -> None:
    store = accepted(parts)

    async def run() -> None:
        runner = work.runner(parts)
        assert isinstance(runner, Flushers)
        await claim_each(parts, store, runner, "me")
        assert sorted(runner._nodes) == [(0,), (1, 2), (3,)]
        runner.close()

    asyncio.run(run())
    seen = work.claims_seen(parts, store, parts.all[1].keys)
    assert seen == [(parts.all[1].keys, 1), (parts.all[2].keys, 1)]
    assert work.claims_seen(parts, store, parts.all[3].keys) == [(parts.all[3].keys, 1)]


def test_calls_follow_a_partition_that_moves_to_another_node(nodes: Sharded, parts: Parts) -> None:
    store = accepted(parts)
    slot, source = slot_of(parts.all[2].keys), node_of(nodes, parts, 2)

    async def run() -> None:
        runner = work.runner(parts)
        assert isinstance(runner, Flushers)
        await claim_each(parts, store, runner, "me")
        await asyncio.to_thread(move, nodes, slot, nodes.name(source), "primary0")
        for _ in range(2):  # with the first of them it is noticed
            await claim_each(parts, store, runner, "me")
        assert sorted(runner._nodes) == [(0,), (1,), (2, 3)]
        runner.close()

    try:
        asyncio.run(run())
    finally:
        move(nodes, slot, "primary0", nodes.name(source))


def move(nodes: Sharded, slot: int, source: str, target: str) -> None:
    """Return when all nodes know of it."""
    if nodes.primary(slot).port == nodes.servers[target].port:
        return
    node = nodes.ask(target, "CLUSTER", "MYID").decode()
    nodes.ask(source, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", node)
    until(lambda: all(nodes.primary(slot, of).port == nodes.servers[target].port for of in nodes.servers))
