from collections.abc import Callable, Iterable, Iterator
from itertools import count

import pytest
from dramatiq.broker import MessageProxy

from tests.parts import Parts, writes_nothing
from tests.proxy import CuttingProxy
from txn.errors import StoreUnavailable
from txn.queue.consumer import HEARTBEAT_S, RecordConsumer
from txn.store.connection import connect
from txn.store.database import Database
from txn.store.messages import DEAD_AFTER_MS, Messages


@pytest.fixture
def consumer(parts: Parts, proxy: CuttingProxy) -> Iterator[RecordConsumer]:
    client = connect(f"redis://127.0.0.1:{proxy.port}/0", timeout_ms=30_000)
    yield RecordConsumer(Messages(Database(client, parts.keys, parts.clock), "tested"), prefetch=4)
    client.close()


def take(consumer: RecordConsumer, wanted: int, tries: int = 100) -> list[MessageProxy]:
    taken: list[MessageProxy] = []
    for _ in range(tries):
        if len(taken) == wanted:
            break
        if (message := next(consumer)) is not None:
            taken.append(message)
    return taken


def acks(parts: Parts, name: str = "tested") -> set[bytes]:
    found: set[bytes] = parts.client.smembers(f"{parts.keys.acks}{name}.{parts.keys.queue}")
    return found


def test_it_takes_messages_in_order_up_to_the_prefetch(parts: Parts, consumer: RecordConsumer) -> None:
    ids = [parts.accept() for _ in range(6)]
    assert [message.args[0] for message in take(consumer, 6, tries=8)] == ids[:4]


def test_an_acknowledged_message_leaves_redis_with_the_next_fetch(parts: Parts, consumer: RecordConsumer) -> None:
    ids = [parts.accept() for _ in range(5)]
    first = take(consumer, 4)
    consumer.ack(first[0])
    [fifth] = take(consumer, 1)
    assert fifth.args == (ids[4],)
    assert acks(parts) == {name.encode() for name in ids[1:]}
    assert not parts.client.hexists(parts.keys.message_bodies, ids[0])


def test_an_empty_poll_writes_nothing_and_a_heartbeat_is_sent_once_a_second(parts: Parts) -> None:
    seconds = count(start=100, step=0.1)
    consumer = RecordConsumer(parts.messages("polling"), 4, lambda: next(seconds))
    next(consumer)
    beat = parts.client.zscore(parts.keys.heartbeats, "polling")
    parts.clock.forward(1)
    for _ in range(round(HEARTBEAT_S * 10) - 3):
        assert writes_nothing(parts.client, lambda: next(consumer)) is None
    assert parts.client.zscore(parts.keys.heartbeats, "polling") == beat
    for _ in range(5):
        next(consumer)
    assert parts.client.zscore(parts.keys.heartbeats, "polling") > beat


def test_a_fetch_whose_answer_is_lost_strands_nothing(
    parts: Parts, consumer: RecordConsumer, proxy: CuttingProxy
) -> None:
    next(consumer)
    ids = [parts.accept() for _ in range(3)]
    proxy.cut_answers(f"{parts.keys.message_bodies}".encode())
    while not proxy.was_cut.is_set():
        assert next(consumer) is None
    assert len(acks(parts)) == 3
    proxy.mend()
    assert {message.args[0] for message in take(consumer, 3)} == set(ids)


def test_an_ack_whose_answer_is_lost_is_sent_again(parts: Parts, consumer: RecordConsumer, proxy: CuttingProxy) -> None:
    ids = [parts.accept() for _ in range(2)]
    first, _second = take(consumer, 2)
    proxy.cut_answers(f"{parts.keys.message_bodies}".encode())
    consumer.ack(first)
    while not proxy.was_cut.is_set():
        next(consumer)
    proxy.mend()
    for _ in range(5):
        assert next(consumer) is None
    assert acks(parts) == {ids[1].encode()}


def test_messages_in_hand_are_not_given_back_by_the_reconciliation(
    parts: Parts, consumer: RecordConsumer, proxy: CuttingProxy
) -> None:
    ids = {parts.accept() for _ in range(2)}
    in_hand = take(consumer, 2)
    proxy.refuse()
    assert next(consumer) is None
    proxy.mend()
    for _ in range(5):
        assert next(consumer) is None
    assert {name.decode() for name in acks(parts)} == ids == {message.args[0] for message in in_hand}


def test_an_ack_refused_by_a_full_redis_strands_nothing(parts: Parts, consumer: RecordConsumer) -> None:
    parts.accept("a")
    [message] = take(consumer, 1)
    parts.client.config_set("maxmemory", "1")
    try:
        consumer.ack(message)
        for _ in range(3):
            assert next(consumer) is None
    finally:
        parts.client.config_set("maxmemory", "0")
    for _ in range(3):
        assert next(consumer) is None
    assert acks(parts) == set()
    assert parts.client.hlen(parts.keys.message_bodies) == 0


def test_closing_gives_back_what_was_not_processed(parts: Parts, consumer: RecordConsumer) -> None:
    ids = [parts.accept() for _ in range(4)]
    first, *others = take(consumer, 4)
    consumer.ack(first)
    consumer.requeue(others)
    consumer.close()
    assert sorted(parts.queued()) == sorted(ids[1:])
    assert acks(parts) == set()


# --- a worker that stops


def test_a_stopping_consumer_gives_back_what_was_not_begun_and_takes_nothing_more(
    parts: Parts, consumer: RecordConsumer
) -> None:
    ids = [parts.accept() for _ in range(6)]
    first, second, third = take(consumer, 3)
    assert consumer.begin(first)
    assert consumer.begin(second)
    consumer.ack(first)
    consumer.stop_fetching()
    assert not consumer.begin(third)
    consumer.ack(third)  # Dramatiq acknowledges what was skipped
    assert take(consumer, 1, tries=5) == []
    assert acks(parts) == {ids[1].encode()}
    assert sorted(parts.queued()) == sorted(ids[2:])
    consumer.ack(second)
    next(consumer)
    assert acks(parts) == set()
    assert sorted(parts.queued()) == sorted(ids[2:])


class StoppedMeanwhile(Messages):
    """Calls back when messages were fetched, or given back, and before anybody here knows."""

    fetching: Callable[[], None] = staticmethod(lambda: None)
    returning: Callable[[], None] = staticmethod(lambda: None)

    def fetch(self, count: int, acknowledge: Iterable[str] = ()) -> list[tuple[str, bytes]]:
        found = super().fetch(count, acknowledge)
        self.fetching()
        return found

    def requeue_all_but(self, held: Iterable[str]) -> int:
        returned = super().requeue_all_but(held)
        self.returning()
        return returned


def test_what_is_on_its_way_to_a_consumer_that_stops_goes_back(parts: Parts) -> None:
    ids = [parts.accept() for _ in range(3)]
    messages = StoppedMeanwhile(parts.database, "tested")
    consumer = RecordConsumer(messages, prefetch=4)
    messages.fetching = consumer.stop_fetching
    assert take(consumer, 1, tries=5) == []
    assert sorted(parts.queued()) == sorted(ids)
    assert acks(parts) == set()


def test_what_a_consumer_said_that_it_holds_when_it_was_told_to_stop_goes_back(parts: Parts) -> None:
    ids = [parts.accept() for _ in range(3)]
    messages = StoppedMeanwhile(parts.database, "tested")
    consumer = RecordConsumer(messages, prefetch=4)
    take(consumer, 3)

    def lost() -> None:
        raise StoreUnavailable("the answer was lost")

    messages.fetching = lost
    assert next(consumer) is None
    messages.fetching, messages.returning = lambda: None, consumer.stop_fetching
    for _ in range(3):
        assert next(consumer) is None
    assert sorted(parts.queued()) == sorted(ids)


def test_a_stopping_consumer_gives_back_when_redis_is_there_again(
    parts: Parts, consumer: RecordConsumer, proxy: CuttingProxy
) -> None:
    ids = [parts.accept() for _ in range(3)]
    take(consumer, 3)
    proxy.refuse()
    consumer.stop_fetching()
    assert next(consumer) is None
    proxy.mend()
    assert take(consumer, 1, tries=3) == []
    assert sorted(parts.queued()) == sorted(ids)


def test_what_a_dead_consumer_held_goes_back_without_keys(parts: Parts) -> None:
    parts.client.config_resetstat()
    ids = [parts.accept() for _ in range(3)]
    parts.fetched_by_the_dead(2)
    heir = parts.messages("heir")
    assert heir.heartbeat() == 0
    parts.clock.forward(DEAD_AFTER_MS)
    assert heir.heartbeat() == 2
    assert sorted(parts.queued()) == sorted(ids)
    assert parts.client.zrange(parts.keys.heartbeats, 0, -1) == [b"heir"]
    assert "cmdstat_keys" not in parts.client.info("commandstats")


def test_a_message_that_cannot_be_read_is_dropped(parts: Parts, consumer: RecordConsumer) -> None:
    parts.messages().push("junk", b"not json")
    parts.accept("a")
    [message] = take(consumer, 1)
    assert message.args == ("a",)
    next(consumer)
    assert acks(parts) == {b"a"}


@pytest.fixture
def gathering(parts: Parts) -> RecordConsumer:
    return RecordConsumer(Messages(parts.database, "gathering"), prefetch=16, together=3)


def test_what_is_there_is_given_on_together_and_acknowledged_together(parts: Parts, gathering: RecordConsumer) -> None:
    ids = [parts.accept() for _ in range(7)]
    messages = take(gathering, 3)
    assert [message.args for message in messages] == [tuple(ids[:3]), tuple(ids[3:6]), tuple(ids[6:])]
    assert gathering.begin(messages[0])
    gathering.ack(messages[0])
    assert next(gathering) is None
    assert acks(parts, "gathering") == {name.encode() for name in ids[3:]}
    assert not any(parts.client.hexists(parts.keys.message_bodies, name) for name in ids[:3])


def test_what_is_not_an_id_and_nothing_else_is_given_on_by_itself(parts: Parts, gathering: RecordConsumer) -> None:
    ids = [parts.accept() for _ in range(4)]
    messages = Messages(parts.database, "sender")
    body = parts.client.hget(parts.keys.message_bodies, ids[0])
    assert body is not None
    parts.client.hset(parts.keys.message_bodies, ids[1], "unreadable")
    parts.client.hset(parts.keys.message_bodies, ids[2], body.replace(b'"kwargs":{}', b'"kwargs":{"more":1}'))
    messages.push("foreign", body.replace(b'"actor_name":"deliver"', b'"actor_name":"other"'))
    last = parts.accept()
    assert [message.args for message in take(gathering, 5)] == [
        *((ids[0],), (ids[0],), (ids[3],), (ids[0],), (last,)),
    ]


def test_a_stop_gives_back_all_of_what_was_not_begun(parts: Parts, gathering: RecordConsumer) -> None:
    ids = [parts.accept() for _ in range(6)]
    begun, waits = take(gathering, 2)
    assert gathering.begin(begun)
    gathering.stop_fetching()
    assert not gathering.begin(waits)
    gathering.requeue([waits])
    gathering.ack(begun)
    gathering.close()
    assert sorted(parts.queued()) == sorted(ids[3:])
