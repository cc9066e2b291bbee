from collections.abc import Iterator

import pytest

from ops.redis_server import RedisServer
from tests.parts import Parts
from txn.errors import Invalid, StoreUnavailable
from txn.model.outcome import Completed
from txn.model.transaction import Evidence
from txn.operate.pauses import MAX_PAUSE_MS, Pauses
from txn.readers.standing_still import standing_still
from txn.store.connection import connect
from txn.store.database import Database


def test_while_it_is_paused_nothing_is_fetched_claimed_or_queued_and_accepting_goes_on(parts: Parts) -> None:
    parts.accept("a")
    parts.pauses.pause("ann", "their database is moved")
    parts.accept("b")
    parts.clock.forward(600_000)
    assert parts.messages().fetch(10) == []
    assert (parts.claim("a"), parts.store.due(10)) == (None, (0, 0))
    assert parts.queued() == ["a", "b"]


def test_what_is_in_flight_ends(parts: Parts) -> None:
    parts.accept("a")
    claim = parts.claimed("a")
    parts.pauses.pause("ann", "why")
    assert parts.settle(claim, Completed(Evidence.POSTED), answered=True, taken=True, calls="gp") == "settled"
    assert parts.status("a") == "completed"


def test_what_was_held_back_goes_out_when_it_is_resumed_the_oldest_first(parts: Parts) -> None:
    for name in ("a", "b", "c"):
        parts.accept(name)
        parts.clock.forward(1)
    taken = parts.messages().fetch(2)
    parts.pauses.pause("ann", "why")
    assert [parts.claim(name) for name, _ in taken] == [None, None]
    parts.messages().fetch(0, [name for name, _ in taken])
    assert parts.pauses.resume("bob")
    parts.store.due(10)
    assert parts.queued() == ["a", "b", "c"]
    assert all(parts.claim(name) for name in ("a", "b", "c"))


def test_a_pause_ends_by_itself_when_its_time_is_over(parts: Parts) -> None:
    parts.accept("a")
    [(name, _)] = parts.messages().fetch(1)
    parts.pauses.pause("ann", "why", parts.read_statistics().now_ms + 60_000)
    assert parts.claim("a") is None
    parts.messages().fetch(0, [name])
    parts.clock.forward(59_000)
    assert parts.store.due(10) == (0, 0)
    parts.clock.forward(1_001)
    parts.store.due(10)
    assert parts.queued() == ["a"]
    assert parts.read_statistics().flow.paused is None


def test_it_is_said_who_has_paused_and_why(parts: Parts) -> None:
    parts.pauses.pause("ann", "  their database\nis moved ")
    paused = parts.read_statistics().flow.paused
    assert paused is not None
    assert (paused.by, paused.why, paused.until_ms) == ("ann", "their database is moved", None)
    [problem, *_] = standing_still(parts.read_statistics())
    assert "ann: their database is moved" in problem.sentence
    parts.pauses.resume("bob")
    entries = parts.journal.read()
    assert [(entry.by, entry.what, entry.why) for entry in entries] == [
        ("bob", "resume", ""),
        ("ann", "pause", "their database is moved"),
    ]


def test_a_repeated_pause_or_resume_is_written_down_once(parts: Parts) -> None:
    for _ in range(2):
        parts.pauses.pause("ann", "why")
    assert [parts.pauses.resume("ann") for _ in range(2)] == [True, False]
    assert len(parts.journal.read()) == 2


def test_a_pause_is_kept_by_a_redis_that_restarts(parts: Parts, server: RedisServer) -> None:
    parts.accept("a")
    parts.pauses.pause("ann", "why")
    server.kill()
    server.start()
    assert parts.claim("a") is None


@pytest.mark.parametrize(("why", "ms"), [("", None), ("w" * 301, None), ("why", -1), ("why", MAX_PAUSE_MS + 60_000)])
def test_a_pause_needs_a_reason_and_an_end_that_can_be_waited_for(parts: Parts, why: str, ms: int | None) -> None:
    until_ms = None if ms is None else parts.read_statistics().now_ms + ms
    with pytest.raises(Invalid):
        parts.pauses.pause("ann", why, until_ms)
    assert parts.read_statistics().flow.paused is None


@pytest.fixture
def limited(parts: Parts, server: RedisServer) -> Iterator[Pauses]:
    """Those of a Redis user who may write no field."""
    rules = ("reset", "on", ">s3cret", f"~{parts.settings.prefix}*", "+@all", "-hset")
    parts.client.execute_command("ACL", "SETUSER", "app", *rules)
    with connect(f"redis://app:s3cret@127.0.0.1:{server.port}/0", timeout_ms=30_000) as client:
        yield Pauses(Database(client, parts.keys, parts.clock))


def test_a_pause_that_cannot_be_changed_keeps_its_end_and_its_reason(parts: Parts, limited: Pauses) -> None:
    parts.pauses.pause("ann", "their database is moved", parts.read_statistics().now_ms + 60_000)
    before = parts.client.hgetall(parts.keys.posting)
    with pytest.raises(StoreUnavailable):
        limited.pause("bob", "for good")
    assert parts.client.hgetall(parts.keys.posting) == before
    assert [entry.by for entry in parts.journal.read()] == ["ann"]


def test_a_pause_with_an_end_becomes_one_without(parts: Parts) -> None:
    parts.pauses.pause("ann", "their database is moved", parts.read_statistics().now_ms + 60_000)
    parts.pauses.pause("bob", "for good")
    parts.clock.forward(120_000)
    paused = parts.read_statistics().flow.paused
    assert paused is not None
    assert (paused.by, paused.until_ms) == ("bob", None)
    parts.accept("a")
    assert (parts.claim("a"), parts.store.due(10)) == (None, (0, 0))
