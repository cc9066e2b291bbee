import pytest
from dramatiq.broker import MessageProxy

from tests.partitions.parts import COUNT, IN_EACH, AllParts
from txn.partitions.broker import AllBroker
from txn.partitions.consumer import AllConsumer
from txn.partitions.place import Partitions
from txn.queue.actor import NAME
from txn.queue.heartbeat import About
from txn.store.messages import Messages


class Timer:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def consumer(parts: AllParts, timer: Timer) -> AllConsumer:
    return AllConsumer([Messages(one, "one") for one in parts.partitions.all], 32, About(), timer)


def taken(consumer: AllConsumer, most: int = 100) -> list[MessageProxy]:
    """Until there is none for the second time in a row."""
    found, empty = [], 0
    while empty < 2 and len(found) < most:
        message = next(consumer)
        empty = empty + 1 if message is None else 0
        if message is not None:
            found.append(message)
    return found


def ids(messages: list[MessageProxy]) -> list[str]:
    return [str(message.args[0]) for message in messages]


def held(parts: AllParts) -> int:
    return sum(parts.client.scard(one.keys.acks_of("one")) for one in parts.partitions.all)


def test_one_of_each_partition_in_turn_however_many_one_has(parts: AllParts, consumer: AllConsumer) -> None:
    many = [parts.accept(name) for name in ("d", "f", "m", "o", "t", "v")]
    for name in IN_EACH[1:]:
        parts.accept(name)
    found = ids(taken(consumer))
    assert sorted(found) == sorted([*many, *IN_EACH[1:]])
    assert {"b", "e", "a"} <= set(found[: COUNT + 1])


def test_what_is_acknowledged_leaves_its_own_partition(parts: AllParts, consumer: AllConsumer) -> None:
    for name in IN_EACH:
        parts.accept(name)
    messages = taken(consumer)
    assert held(parts) == COUNT
    for message in messages:
        assert consumer.begin(message)
        consumer.ack(message)
    next(consumer)
    assert held(parts) == 0
    assert taken(consumer) == []


def test_messages_of_one_partition_that_are_stuck_leave_room_for_the_others(
    parts: AllParts, consumer: AllConsumer
) -> None:
    for number in range(200):
        parts.accept(f"n{number}")
    stuck = taken(consumer)
    assert len(stuck) == 32
    for message in stuck:
        if parts.keys_of(str(message.args[0])) != parts.keys_of("d"):
            consumer.ack(message)
    more = ids(taken(consumer))
    assert len(more) == 24
    assert not [name for name in more if parts.keys_of(name) == parts.keys_of("d")]


def test_a_partition_that_is_away_holds_up_no_other_and_is_asked_again_later(
    parts: AllParts, consumer: AllConsumer, timer: Timer
) -> None:
    for name in IN_EACH:
        parts.accept(name)
    parts.take_away(1)
    assert sorted(ids(taken(consumer))) == sorted(set(IN_EACH) - {"b"})
    parts.bring_back(1)
    assert taken(consumer) == [], "not yet"
    timer.s += 10
    assert ids(taken(consumer)) == ["b"]


def test_a_worker_that_stops_gives_back_what_it_has_not_begun_in_each(parts: AllParts, consumer: AllConsumer) -> None:
    for name in IN_EACH:
        parts.accept(name)
    begun, *others = taken(consumer)
    assert consumer.begin(begun)
    consumer.stop_fetching()
    assert not any(consumer.begin(message) for message in others)
    assert next(consumer) is None
    assert held(parts) == 1
    consumer.ack(begun)
    consumer.close()
    assert held(parts) == 0
    assert sum(parts.client.llen(one.keys.messages) for one in parts.partitions.all) == COUNT - 1
    assert not any(parts.client.zcard(one.keys.heartbeats) for one in parts.partitions.all)


def test_each_partition_hears_of_the_worker_and_what_it_holds(
    parts: AllParts, consumer: AllConsumer, timer: Timer
) -> None:
    parts.accept("a")
    taken(consumer)
    assert [parts.client.zcard(one.keys.heartbeats) for one in parts.partitions.all] == [1] * COUNT


def test_a_message_sent_by_hand_goes_to_the_partition_of_its_id(parts: AllParts) -> None:
    broker = AllBroker(Partitions(parts.database, COUNT), [], About())
    broker.push("a~1", b"body")
    assert parts.client.llen(parts.keys_of("a").messages) == 1
    assert NAME
