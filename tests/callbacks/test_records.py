import re
from collections import Counter
from dataclasses import replace

import pytest

from tests.callbacks.rig import POSTED, REJECTED, ended, wanting
from tests.parts import Parts, submission
from tests.store.lua_source import SCRIPTS
from txn.queue.message import message_template
from txn.store.callbacks import Callback, Callbacks, Kind, Room, Sent
from txn.store.integrity import Integrity
from txn.store.record import RECORD

LEASE_MS, DAY_MS = 20_000, 86_400_000


@pytest.fixture
def callbacks(parts: Parts) -> Callbacks:
    return Callbacks(parts.database)


def take(
    callbacks: Callbacks,
    owner: str = "me",
    free: int = 100,
    room: int = 100,
    unproven: int = 100,
    failing: int = 100,
    **of: tuple[int, Kind],
) -> list[Callback]:
    named = {name.replace("_", " "): one for name, one in of.items()}
    return callbacks.take(owner, Room(free, unproven, failing, room, named), LEASE_MS, 3_600_000)


def sent(callbacks: Callbacks, name: str, how: Sent, wait_ms: int = 5_000, owner: str = "me") -> str:
    return callbacks.sent(name, owner, how, wait_ms=wait_ms, why="because", give_up_ms=DAY_MS)


def totals(parts: Parts) -> tuple[int, int, int, int]:
    found = parts.read_statistics().totals
    return found.callbacks_waiting, found.callbacks_dead, found.callbacks_told, found.callbacks_failed


def names(parts: Parts) -> list[str]:
    stem = parts.keys.callbacks
    return sorted(key.decode().removeprefix(stem) for key in parts.client.scan_iter(f"{stem}*".replace("{", "\\{")))


def test_one_who_wants_to_be_told_is_told_as_a_look_would_show_it(parts: Parts, callbacks: Callbacks) -> None:
    ended(parts, "a")
    [found] = take(callbacks)
    assert found.transaction == parts.store.read("a")
    assert (found.type, found.client, found.to) == ("transaction.completed", "", "client")


def test_of_a_failed_one_it_says_why(parts: Parts, callbacks: Callbacks) -> None:
    ended(parts, "a", REJECTED)
    [found] = take(callbacks)
    assert found.type == "transaction.failed"
    assert found.transaction == parts.store.read("a")
    assert b'"code":"rejected"' in found.body().replace(b" ", b"")


def test_nobody_is_told_who_did_not_ask(parts: Parts, callbacks: Callbacks) -> None:
    parts.settle(parts.claimed(parts.accept()), POSTED)
    parts.fail("b")
    parts.store.cancel(parts.accept(), "ann")
    assert (take(callbacks), names(parts), totals(parts)) == ([], [], (0, 0, 0, 0))
    assert "callback" not in parts.record("b")


def test_a_cancelled_one_is_told(parts: Parts, callbacks: Callbacks) -> None:
    wanting(parts, "a")
    parts.store.cancel("a", "ann")
    parts.store.cancel("a", "ann")
    [found] = take(callbacks)
    assert found.transaction == parts.store.read("a")


def test_the_new_end_after_a_replay_is_told_under_another_name(parts: Parts, callbacks: Callbacks) -> None:
    ended(parts, "a", REJECTED)
    [first] = take(callbacks)
    parts.replay("a")
    parts.settle(parts.claimed("a"), POSTED, answered=True)
    [second] = take(callbacks)
    assert (first.type, second.type) == ("transaction.failed", "transaction.completed")
    assert first.name != second.name
    assert totals(parts) == (2, 0, 0, 0)


def test_what_is_told_leaves_nothing_behind(parts: Parts, callbacks: Callbacks) -> None:
    ended(parts, "a")
    [found] = take(callbacks)
    assert sent(callbacks, found.name, "told") == "told"
    assert (names(parts), totals(parts)) == ([], (0, 0, 1, 0))


def test_it_is_nobody_elses_until_the_lease_ends_and_then_somebody_elses(parts: Parts, callbacks: Callbacks) -> None:
    ended(parts, "a")
    [mine] = take(callbacks)
    assert take(callbacks, "another") == []
    parts.clock.forward(LEASE_MS)
    [theirs] = take(callbacks, "another")
    assert theirs == mine
    assert sent(callbacks, mine.name, "again") == "refused"
    assert sent(callbacks, mine.name, "told", owner="another") == "told"


def test_a_failure_is_written_down_once_though_the_answer_was_lost(parts: Parts, callbacks: Callbacks) -> None:
    ended(parts, "a")
    [found] = take(callbacks)
    assert [sent(callbacks, found.name, "again"), sent(callbacks, found.name, "again")] == ["again", "refused"]
    assert totals(parts) == (1, 0, 0, 1)


def test_it_comes_again_when_the_wait_is_over(parts: Parts, callbacks: Callbacks) -> None:
    ended(parts, "a")
    [first] = take(callbacks)
    sent(callbacks, first.name, "again", 7_000)
    parts.clock.forward(6_000)
    assert take(callbacks) == []
    parts.clock.forward(1_001)
    [second] = take(callbacks)
    assert (second.name, second.tries, second.why, second.body()) == (first.name, 1, "because", first.body())


def test_a_day_after_its_first_failure_it_is_dead(parts: Parts, callbacks: Callbacks) -> None:
    ended(parts, "a")
    parts.clock.forward(10 * DAY_MS)  # nobody has tried so far
    [found] = take(callbacks)
    assert sent(callbacks, found.name, "again") == "again"
    parts.clock.forward(DAY_MS - 60_000)
    take(callbacks)
    assert sent(callbacks, found.name, "again") == "again"
    parts.clock.forward(60_000)
    take(callbacks)
    assert sent(callbacks, found.name, "again") == "dead"
    parts.clock.forward(DAY_MS)
    assert take(callbacks) == []
    assert totals(parts) == (0, 1, 0, 3)


def test_one_that_is_not_wanted_is_dead_at_once(parts: Parts, callbacks: Callbacks) -> None:
    ended(parts, "a")
    [found] = take(callbacks)
    assert sent(callbacks, found.name, "gone") == "dead"


def test_a_receiver_with_many_leaves_the_others_their_place(parts: Parts, callbacks: Callbacks) -> None:
    for number in range(20):
        ended(parts, f"a{number}", client="loud")
    ended(parts, "b", client="quiet")
    ended(parts, "c", callback="https://hooks.example:8443/x?y", client="loud")
    found = take(callbacks, free=5, room=2)
    assert sorted(one.lane for one in found) == ["client loud"] * 2 + ["client quiet", "hooks.example:8443"]


def test_a_lane_without_room_is_left_alone(parts: Parts, callbacks: Callbacks) -> None:
    ended(parts, "a", client="loud")
    ended(parts, "b", client="quiet")
    assert [one.lane for one in take(callbacks, client_loud=(0, "proven"))] == ["client quiet"]
    assert [one.lane for one in take(callbacks, client_loud=(1, "proven"))] == ["client loud"]


def test_those_that_are_not_proven_have_their_share_and_those_that_fail_a_part_of_it(
    parts: Parts, callbacks: Callbacks
) -> None:
    for number in range(4):
        ended(parts, f"bad{number}", client="bad")
        ended(parts, f"worse{number}", client="worse")
    for number in range(4):
        ended(parts, f"new{number}", client=f"new{number}")
        ended(parts, f"good{number}", client="good")
    of: dict[str, tuple[int, Kind]] = {"client_bad": (9, "failing"), "client_worse": (9, "failing")}
    found = take(callbacks, free=20, unproven=5, failing=3, client_good=(9, "proven"), **of)
    taken = Counter(one.lane.rstrip("0123") for one in found)
    assert taken["client bad"] + taken["client worse"] == 3
    assert (taken["client new"], taken["client good"]) == (2, 4)


def test_more_than_the_limit_are_never_taken(parts: Parts, callbacks: Callbacks) -> None:
    for number in range(6):
        ended(parts, f"a{number}", client=f"c{number}")
    assert [len(take(callbacks, free=4)), len(take(callbacks, free=4)), len(take(callbacks, free=4))] == [4, 2, 0]


def test_the_oldest_of_a_lane_come_first(parts: Parts, callbacks: Callbacks) -> None:
    for name in ("z", "y", "x"):
        ended(parts, name)
        parts.clock.forward(10)
    assert [take(callbacks, free=1)[0].transaction.id for _ in range(3)] == ["z", "y", "x"]


def test_what_was_due_before_the_clock_was_set_back_is_due_now(parts: Parts, callbacks: Callbacks) -> None:
    parts.clock.forward(DAY_MS)
    ended(parts, "a")
    parts.clock.forward(-DAY_MS)
    assert len(take(callbacks)) == 1


@pytest.mark.parametrize("wrong", ["type", "status", "gone"])
def test_one_that_cannot_be_read_holds_nobody_up(parts: Parts, callbacks: Callbacks, wrong: str) -> None:
    ended(parts, "a")
    [first] = take(callbacks)
    parts.clock.forward(LEASE_MS)
    ended(parts, "b")
    key = parts.keys.callback(first.name)
    if wrong == "status":
        parts.client.hset(key, "status", "new")
    else:
        parts.client.delete(key)
    if wrong == "type":
        parts.client.set(key, "x")
    assert [one.transaction.id for one in take(callbacks)] == ["b"]


def test_the_sweep_counts_them_anew(parts: Parts, callbacks: Callbacks) -> None:
    for name in ("a", "b", "c"):
        ended(parts, name)
    [found, *_] = take(callbacks)
    sent(callbacks, found.name, "gone")
    parts.client.hset(parts.keys.count, mapping={"callbacks_waiting": 9, "callbacks_dead": 0})
    parts.client.zadd(parts.keys.callbacks_dead, {"nobody": 1})
    found_wrong = {flaw.name for flaw in Integrity(parts.database, "@ID@").look_at_all()}
    assert found_wrong == {"callbacks_waiting", "callbacks_dead"}
    assert totals(parts)[:2] == (2, 1)
    assert parts.client.zcard(parts.keys.callbacks_dead) == 1


#: A replay makes nothing end.
ENDS = sorted(RECORD["completed"].written)


def test_every_script_that_ends_a_transaction_enqueues_its_callback() -> None:
    assert {"settle", "cancel", "due"} <= set(ENDS)
    for script in ENDS:
        assert re.search(r"\b(finish|fail_unposted)\(", SCRIPTS[script]), script
        assert "announce(" not in SCRIPTS[script], script  # only `finish` tells an end, and to both
        assert "call_back(" not in SCRIPTS[script], script


def test_one_that_expires_without_a_claim_is_told(parts: Parts, callbacks: Callbacks) -> None:
    at_ms = parts.read_statistics().now_ms + 60_000
    parts.store.accept(replace(submission("a"), callback="client", deliver_by_ms=at_ms))
    parts.clock.forward(60_001)
    parts.store.due(10)
    [found] = take(callbacks)
    assert found.transaction == parts.store.read("a")
    assert found.transaction.failure is not None
    assert found.transaction.failure.code == "expired"


def test_a_receiver_that_answers_is_not_hidden_by_many_that_do_not(parts: Parts, callbacks: Callbacks) -> None:
    ended(parts, "a", POSTED)
    [one] = take(callbacks)
    sent(callbacks, one.name, "again", wait_ms=0)
    with parts.client.pipeline(transaction=False) as pipeline:
        for number in range(1_001):
            pipeline.zadd(parts.keys.callbacks, {f"lane{number}": 1})
        pipeline.execute()
    parts.clock.forward(10)
    lane = one.lane.replace(" ", "_")
    assert [found.name for found in take(callbacks, unproven=0, failing=0, **{lane: (5, "proven")})] == [one.name]


def test_the_sweep_looks_at_few_callbacks_in_one_call(parts: Parts) -> None:
    with parts.client.pipeline(transaction=False) as pipeline:
        for lane in range(30):
            pipeline.zadd(parts.keys.callbacks, {f"l{lane}": 1})
            pipeline.zadd(parts.keys.callbacks_to(f"l{lane}"), {f"{lane}-{number}": 1 for number in range(100)})
        pipeline.execute()
    before: dict[str, dict[str, int]] = parts.client.info("commandstats")  # type: ignore[assignment]
    Integrity(parts.database, message_template()).look_at_all()
    after: dict[str, dict[str, int]] = parts.client.info("commandstats")  # type: ignore[assignment]
    assert after["cmdstat_hmget"]["calls"] - before.get("cmdstat_hmget", {"calls": 0})["calls"] < 500
