import uuid
from collections import Counter

import pytest
from redis.crc import key_slot

from tests.partitions.parts import COUNT, IN_EACH, AllParts
from txn.errors import BadSettings, StoreUnavailable
from txn.partitions.place import in_turn, one_after_another, partition_of, those_there
from txn.settings import Settings


def test_the_partition_of_an_id_never_changes() -> None:
    found = [partition_of(name, 8) for name in ("a", "one", "9ac54d2b-6f9c-5b0e-8d39-6f1f0f6a0e44", "x" * 64)]
    assert found == [3, 1, 0, 2]


def test_a_partition_of_twice_as_many_is_that_one_or_its_twin() -> None:
    for name in map(str, range(200)):
        assert partition_of(name, 16) in (partition_of(name, 8), partition_of(name, 8) + 8)


def test_random_ids_are_spread_evenly() -> None:
    found = Counter(partition_of(str(uuid.UUID(int=number * 7919)), 8) for number in range(8_000))
    assert set(found) == set(range(8))
    assert max(found.values()) < 1.2 * 1_000


def test_all_keys_of_a_partition_are_in_one_cluster_slot(parts: AllParts) -> None:
    for name in IN_EACH:
        parts.accept(name)
        parts.claimed(name)
    tags: dict[str, set[int]] = {}
    for key in parts.client.scan_iter(f"{parts.settings.prefix}*"):
        tags.setdefault(key.decode().split(":")[1], set()).add(key_slot(key))
    assert sorted(tags) == [f"{{{number}}}" for number in range(COUNT)]
    assert [len(slots) for slots in tags.values()] == [1] * COUNT


def test_one_that_is_away_does_not_keep_the_others_from_their_turn() -> None:
    done = []

    def beat(number: int) -> float:
        if number == 1:
            raise StoreUnavailable("away")
        done.append(number)
        return 1.0

    beats = in_turn([lambda number=number: beat(number) for number in range(3)])
    assert [beats() for _ in range(3)] == [1.0] * 3
    assert done == [2, 0, 2, 0, 0, 2], "another one first each time"


def test_all_that_are_away_are_told() -> None:
    def away() -> float:
        raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        in_turn([away, away])()
    with pytest.raises(StoreUnavailable):
        those_there(one_after_another([away, away]))


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"TXN_PARTITIONS": "6"}, "power of two"),
        ({"TXN_PARTITIONS": "128"}, "64"),
        ({"TXN_PARTITIONS": "8", "TXN_PREFIX": "{txn}:"}, "leave them out of the prefix"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(BadSettings, match=sentence):
        Settings.from_environment(environment)
