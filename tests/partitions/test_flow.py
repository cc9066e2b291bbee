import pytest

from tests.partitions.parts import COUNT, IN_EACH, AllParts
from txn.errors import Invalid, StoreUnavailable
from txn.operate.limits import parse_rate
from txn.partitions.flow import Copies, _read


def accept_in_each(parts: AllParts) -> None:
    for name in IN_EACH:
        parts.accept(name)


def claimed_now(parts: AllParts) -> list[str]:
    return [name for name in IN_EACH if parts.claim(name)]


@pytest.fixture
def copies(parts: AllParts) -> Copies:
    return Copies(parts.partitions, parts.settings.lease_ms)


def test_a_pause_is_in_all_partitions_at_once_and_so_is_its_end(parts: AllParts) -> None:
    accept_in_each(parts)
    parts.pauses.pause("ann", "why")
    assert claimed_now(parts) == []
    paused = parts.read_statistics().flow.paused
    assert paused is not None
    assert (paused.by, paused.why) == ("ann", "why")
    assert parts.pauses.resume("ann")
    assert not parts.pauses.resume("ann")
    assert claimed_now(parts) == list(IN_EACH)


def test_a_partition_that_was_away_is_paused_by_the_workers_when_it_is_back(parts: AllParts, copies: Copies) -> None:
    accept_in_each(parts)
    parts.take_away(0 + 2)
    parts.pauses.pause("ann", "why")
    with pytest.raises(StoreUnavailable):
        copies.beat()
    parts.bring_back(2)
    assert claimed_now(parts) == [IN_EACH[2]], "not yet"
    parts.accept("n")
    copies.beat()
    assert parts.claim("n") is None


def test_a_pause_with_an_end_ends_in_all(parts: AllParts, copies: Copies) -> None:
    accept_in_each(parts)
    parts.pauses.pause("ann", "why", parts.read_statistics().now_ms + 5_000)
    copies.beat()
    assert claimed_now(parts) == []
    parts.clock.forward(6_000)
    parts.rescue()
    copies.beat()
    assert parts.read_statistics().flow.paused is None
    assert claimed_now(parts) == list(IN_EACH)


def test_copying_what_is_there_writes_nothing(parts: AllParts, copies: Copies) -> None:
    parts.pauses.pause("ann", "why")
    parts.limits.set("ann", in_flight=8)
    lengths = [parts.client.xlen(database.keys.journal) for database in parts.partitions.all]
    copies.beat()
    assert [parts.client.xlen(database.keys.journal) for database in parts.partitions.all] == lengths


def test_a_limit_is_shared_out_and_never_passed(parts: AllParts) -> None:
    assert parts.limits.set("ann", in_flight=6, rate=parse_rate("200/s"))
    limits = parts.read_statistics().flow.limits
    assert limits is not None
    assert (limits.in_flight, limits.rate, round(limits.rate_a_second)) == (COUNT, "200/s", 200)
    parts.clock.forward(60_000)  # who was in flight before there was a limit is over
    for name in (*IN_EACH, "f", "i", "g", "c"):
        parts.accept(name)
    assert len([name for name in (*IN_EACH, "f", "i", "g", "c") if parts.claim(name)]) == COUNT
    assert parts.limits.remove("ann")
    assert parts.read_statistics().flow.limits is None


def test_a_limit_under_one_for_each_partition_is_refused(parts: AllParts) -> None:
    with pytest.raises(Invalid, match="at least 4"):
        parts.limits.set("ann", in_flight=3)
    assert parts.read_statistics().flow.limits is None


def test_what_was_read_before_somebody_paused_does_not_undo_the_pause(parts: AllParts, copies: Copies) -> None:
    accept_in_each(parts)
    before = _read(parts.partitions.first)
    parts.pauses.pause("ann", "why")
    copies._copy(before, parts.partitions.all[2])
    assert claimed_now(parts) == []
