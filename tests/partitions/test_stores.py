import pytest

from tests.partitions.parts import COUNT, IN_EACH, AllParts
from tests.parts import submission
from txn.errors import ContentConflict, Invalid, NotFound, StoreUnavailable
from txn.model.outcome import Completed
from txn.model.transaction import Evidence, Status

OTHER = b'{"amount": 2, "currency": "USD", "description": "other"}'


def test_each_verb_goes_to_the_partition_of_its_id(parts: AllParts) -> None:
    for number, name in enumerate(IN_EACH):
        parts.accept(name)
        assert parts.client.exists(parts.partitions.all[number].keys.record(name))
        assert parts.store.read(name).status is Status.PENDING
        parts.settle(parts.claimed(name), Completed(Evidence.POSTED))
        assert parts.store.read_with_past(name)[1].evidence == "posted"
    assert parts.store.accept(submission("a")) == (parts.store.read("a"), False)
    with pytest.raises(NotFound):
        parts.store.read("unknown")
    assert parts.store.cancel(parts.accept("more"), "ann").status is Status.FAILED


def test_a_batch_is_told_in_its_order_whatever_its_partitions(parts: AllParts) -> None:
    parts.accept("b")
    names = ["a", "e", "x", "d", "a", "b", "y"]
    told = parts.store.accept_batch([submission(name) for name in names])
    assert [(one[0].id, one[1]) for one in told if isinstance(one, tuple)] == [
        *(("a", True), ("e", True), ("x", True), ("d", True), ("a", False), ("b", False), ("y", True)),
    ]
    again = parts.store.accept_batch([submission("a", OTHER), submission("q")])
    assert isinstance(again[0], ContentConflict)
    assert isinstance(again[1], tuple)


def test_of_a_batch_only_those_of_the_partition_that_is_away_are_refused(parts: AllParts) -> None:
    parts.take_away(2)
    told = parts.store.accept_batch([submission(name) for name in IN_EACH])
    assert [isinstance(one, StoreUnavailable) for one in told] == [False, False, True, False]
    parts.bring_back(2)
    again = parts.store.accept_batch([submission(name) for name in IN_EACH])
    assert [isinstance(one, tuple) and one[1] for one in again] == [False, False, True, False]


def test_a_batch_of_which_nothing_could_be_asked_is_refused_as_a_whole(parts: AllParts) -> None:
    for number in range(COUNT):
        parts.take_away(number)
    with pytest.raises(StoreUnavailable):
        parts.store.accept_batch([submission(name) for name in IN_EACH])


def test_an_atomic_batch_is_kept_within_a_partition_and_refused_across(parts: AllParts) -> None:
    told = parts.store.accept_batch([submission("a"), submission("x")], atomic=True)
    assert [isinstance(one, tuple) for one in told] == [True, True]
    told = parts.store.accept_batch([submission("a", OTHER), submission("z")], atomic=True)
    assert told[1] is None
    with pytest.raises(Invalid, match="4 partitions"):
        parts.store.accept_batch([submission("c"), submission("k")], atomic=True)
    assert not any(parts.record(name) for name in ("z", "c", "k"))


def test_a_rescuer_brings_back_what_is_lost_in_each_partition(parts: AllParts) -> None:
    for name in IN_EACH:
        parts.accept(name)
        parts.client.delete(parts.keys_of(name).messages, parts.keys_of(name).message_bodies)
    parts.clock.forward(60_000)
    parts.rescue()
    queued = [parts.client.llen(database.keys.messages) for database in parts.partitions.all]
    assert queued == [1] * COUNT


def test_a_redis_that_lost_data_is_noticed_in_the_partition_that_lost_it(parts: AllParts) -> None:
    parts.claimed(parts.accept("a"))
    parts.claimed(parts.accept("b"))
    parts.client.delete(parts.keys_of("a").epoch)
    claim = parts.claimed(parts.accept("x"))
    assert (claim.mode, parts.claimed(parts.accept("k")).mode) == ("confirm", "post")


def test_as_many_hang_at_once_as_in_one_partition(parts: AllParts) -> None:
    shares = [store._settings.max_hanging for store in parts.store.all]
    assert sum(shares) <= parts.settings.max_hanging
