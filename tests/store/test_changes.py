from typing import Any

import pytest
import redis

from tests.parts import BODY, Parts
from tests.store.lua_source import SCRIPTS, whole
from txn.errors import CursorExpired, Invalid, StoreUnavailable
from txn.model.outcome import Cause, Clear, Completed, Failed, Maybe, Retry, Settlement
from txn.model.submission import parse_submission
from txn.model.transaction import ErrorCode, Evidence
from txn.store.changes import Change, Changes
from txn.store.record import RECORD


@pytest.fixture
def changes(parts: Parts) -> Changes:
    return Changes(parts.database)


def completed(parts: Parts, name: str) -> str:
    parts.accept(name)
    assert parts.settle(parts.claimed(name), Completed(Evidence.POSTED), answered=True, taken=True) == "settled"
    return name


def told(changes: list[Change]) -> list[tuple[str, str, str | None]]:
    return [(change.transaction_id, change.status.value, change.code) for change in changes]


def test_the_ends_of_transactions_and_replays_are_told_in_their_order(parts: Parts, changes: Changes) -> None:
    completed(parts, "a")
    parts.fail("b", ErrorCode.REJECTED)
    parts.replay("b")
    parts.settle(parts.claimed("b"), Completed(Evidence.POSTED), answered=True, taken=True)
    page = changes.read(None, 10)
    assert told(page.changes) == [
        ("a", "completed", None),
        ("b", "failed", "rejected"),
        ("b", "pending", None),
        ("b", "completed", None),
    ]
    assert page.changes[0].at_ms == int(parts.record("a")["completed"])


def test_what_is_only_tried_again_is_not_told(parts: Parts, changes: Changes) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), Retry(Cause.UNCERTAIN, "503", Maybe(500), 0), answered=True)
    assert changes.read(None, 10).changes == []


def test_a_settle_that_is_refused_tells_nothing(parts: Parts, changes: Changes) -> None:
    parts.accept("a")
    claim = parts.claimed("a")
    assert parts.settle(claim, Completed(Evidence.POSTED), answered=True, taken=True) == "settled"
    assert parts.settle(claim, Completed(Evidence.POSTED), answered=True, taken=True) == "repeated"
    assert len(changes.read(None, 10).changes) == 1


def test_a_bulk_replay_is_told(parts: Parts, changes: Changes) -> None:
    parts.fail("a")
    parts.operations.replay(["a"], "ann")
    assert told(changes.read(None, 10).changes)[-1] == ("a", "pending", None)


def test_every_cursor_leads_to_the_rest_once(parts: Parts, changes: Changes) -> None:
    names = [completed(parts, f"t{number}") for number in range(7)]
    found, cursor = [], None
    while (page := changes.read(cursor, 2)).changes:
        found += [change.transaction_id for change in page.changes]
        cursor = page.cursor
    assert found == names
    assert changes.read(cursor, 2).cursor == cursor
    assert completed(parts, "later") == changes.read(cursor, 2).changes[0].transaction_id


def test_a_cursor_of_an_empty_feed_leads_to_the_first_change(parts: Parts, changes: Changes) -> None:
    before = changes.read(None, 10)
    assert before.changes == []
    completed(parts, "a")
    assert told(changes.read(before.cursor, 10).changes) == [("a", "completed", None)]


def test_a_cursor_behind_which_something_is_gone_is_refused(parts: Parts, changes: Changes, raw: redis.Redis) -> None:
    first = changes.read(None, 1).cursor
    completed(parts, "a")
    second = changes.read(first, 1).cursor
    completed(parts, "b")
    raw.xtrim(parts.keys.changes, maxlen=1, approximate=False)
    for cursor in (first, second):
        with pytest.raises(CursorExpired):
            changes.read(cursor, 10)
    assert told(changes.read(None, 10).changes) == [("b", "completed", None)]


def until_the_next_millisecond(raw: redis.Redis) -> None:
    """A feed that begins anew within one begins at the same place."""
    began: Any = raw.time()
    now = began
    while (now[0], now[1] // 1000) == (began[0], began[1] // 1000):
        now = raw.time()


def test_a_cursor_of_a_feed_that_is_gone_is_refused(parts: Parts, changes: Changes, raw: redis.Redis) -> None:
    completed(parts, "a")
    cursor = changes.read(None, 10).cursor
    parts.store.cleanup()
    until_the_next_millisecond(raw)
    with pytest.raises(CursorExpired):
        changes.read(cursor, 10)
    # A Redis that was set back: this place is ahead of all that it knows.
    completed(parts, "b")
    raw.xadd(parts.keys.changes, {"change": "c completed 1 "}, id="9999999999999-1")
    ahead = changes.read(None, 10).cursor
    raw.delete(parts.keys.changes)
    completed(parts, "d")
    with pytest.raises(CursorExpired):
        changes.read(ahead, 10)


@pytest.mark.parametrize("cursor", ["", "x", "0-0", "MC0w=", "MC0w ", "\u00e9", "A" * 100, "LS0t"])
def test_what_is_no_cursor_is_invalid(changes: Changes, cursor: str) -> None:
    with pytest.raises(Invalid):
        changes.read(cursor, 10)


def test_so_many_are_kept(parts: Parts, changes: Changes, raw: redis.Redis) -> None:
    pipeline = raw.pipeline(transaction=False)
    for _ in range(100_200):
        pipeline.xadd(parts.keys.changes, {"change": f"{'x' * 36} completed 1795900000000 "})
    pipeline.execute()
    completed(parts, "a")
    assert 100_000 <= raw.xlen(parts.keys.changes) <= 100_200
    size = raw.memory_usage(parts.keys.changes, samples=0)
    assert size < 100_000 * 100


def submitted_by(parts: Parts, client: str, name: str) -> str:
    parts.store.accept(parse_submission(BODY[:1] + f'"id": "{name}", '.encode() + BODY[1:], None, client))
    return completed_here(parts, name)


def completed_here(parts: Parts, name: str) -> str:
    parts.settle(parts.claimed(name), Completed(Evidence.POSTED), answered=True, taken=True)
    return name


def test_a_client_is_told_of_its_own_wherever_they_stand(parts: Parts, changes: Changes, raw: redis.Redis) -> None:
    submitted_by(parts, "shop", "a")
    completed(parts, "nobodys")
    pipeline = raw.pipeline(transaction=False)
    for _ in range(2_500):
        pipeline.xadd(parts.keys.changes, {"change": "x completed 1795900000000  other"})
    pipeline.execute()
    for name in ("b", "c"):
        submitted_by(parts, "shop", name)
    parts.fail("d")
    found, cursor = [], None
    while (page := changes.read(cursor, 1, "shop")).changes:
        found += [change.transaction_id for change in page.changes]
        cursor = page.cursor
    assert found == ["a", "b", "c"]
    assert page.is_end
    assert told(changes.read(None, 10, "").changes) == [("nobodys", "completed", None), ("d", "failed", "rejected")]
    assert len(changes.read(None, 1_000).changes) == 1_000


def test_a_replay_is_told_to_its_client(parts: Parts, changes: Changes) -> None:
    parts.store.accept(parse_submission(BODY[:1] + b'"id": "a", ' + BODY[1:], None, "shop"))
    parts.settle(parts.claimed("a"), Failed(ErrorCode.REJECTED, "no", Clear()), answered=True)
    parts.replay("a")
    assert told(changes.read(None, 10, "shop").changes) == [("a", "failed", "rejected"), ("a", "pending", None)]


def test_far_too_many_of_others_end_a_look_before_the_end(parts: Parts, changes: Changes, raw: redis.Redis) -> None:
    pipeline = raw.pipeline(transaction=False)
    for _ in range(25_000):
        pipeline.xadd(parts.keys.changes, {"change": "x completed 1795900000000  other"})
    pipeline.execute()
    submitted_by(parts, "shop", "a")
    first = changes.read(None, 10, "shop")
    assert (first.changes, first.is_end) == ([], False)
    assert told(changes.read(first.cursor, 10, "shop").changes) == [("a", "completed", None)]


def test_what_this_version_does_not_know_is_passed_over(parts: Parts, changes: Changes, raw: redis.Redis) -> None:
    raw.xadd(parts.keys.changes, {"change": "x sleeping 1 "})
    raw.xadd(parts.keys.changes, {"other": "x"})
    completed(parts, "a")
    assert told(changes.read(None, 10).changes) == [("a", "completed", None)]


def test_whoever_waits_is_told_which_have_changed(parts: Parts, changes: Changes) -> None:
    place = changes.latest()
    assert changes.changed(place, 1) == (place, [])
    completed(parts, "a")
    behind, found = changes.changed(place, 10_000)
    assert told(found) == [("a", "completed", None)]
    assert behind == changes.latest() != place


@pytest.mark.parametrize("script", sorted(RECORD["status"].written - {"accept", "claim"}))
def test_every_script_that_ends_or_restarts_a_transaction_tells_the_feed(script: str) -> None:
    assert "announce(" in whole(script).partition("local function announce(")[2].partition("end")[2]
    assert "changes" in SCRIPTS[script]


def test_without_the_feed_nothing_is_settled(parts: Parts, changes: Changes) -> None:
    parts.accept("a")
    claim = parts.claimed("a")
    parts.client.set(parts.keys.changes, "x")
    store = parts.new_store()
    script = store.settling("a", claim.owner, Settlement(Completed(Evidence.POSTED), answered=True, taken=True))
    with pytest.raises(StoreUnavailable):
        store._database.run(*script)
    parts.client.delete(parts.keys.changes)
    assert parts.settle(claim, Completed(Evidence.POSTED), answered=True, taken=True) == "settled"
    assert told(changes.read(None, 10).changes) == [("a", "completed", None)]
