import random
import threading
import time

import pytest

from tests.parts import Parts, submission
from txn.delivery.rescuer import LIMIT, LOOKING_MS, QUEUEING_MS, Rescuer
from txn.loop import Loop
from txn.model.outcome import Cause, Clear, Completed, Retry
from txn.model.transaction import Evidence


def lose_message(parts: Parts, transaction_id: str) -> None:
    parts.client.lrem(parts.keys.messages, 0, transaction_id)
    parts.client.hdel(parts.keys.message_bodies, transaction_id)


def look_at_all(parts: Parts) -> int:
    queued = 0
    while True:
        looked, moved = parts.store.due(LIMIT)
        queued += moved
        if looked < LIMIT:
            return queued


def test_nothing_due_writes_nothing(parts: Parts) -> None:
    parts.accept("a")
    parts.store.due(10)
    before = parts.client.info("persistence")["aof_current_size"]
    assert parts.store.due(10) == (0, 0)
    assert parts.client.info("persistence")["aof_current_size"] == before


def test_a_queued_message_excuses_its_transaction(parts: Parts) -> None:
    parts.accept("a")
    parts.clock.forward(parts.settings.grace_ms)
    assert parts.store.due(10) == (1, 0)
    assert parts.queued() == ["a"]
    assert parts.store.due(10) == (0, 0)


def test_a_lost_message_is_queued_again_after_the_grace(parts: Parts) -> None:
    parts.accept("a")
    lose_message(parts, "a")
    assert parts.store.due(10) == (0, 0)
    parts.clock.forward(parts.settings.grace_ms)
    assert parts.store.due(10) == (1, 1)
    assert parts.queued() == ["a"]
    assert parts.read_statistics().totals.rescued == 1


def test_what_was_handed_over_a_moment_ago_is_not_queued_again(parts: Parts) -> None:
    for name in ("a", "b"):
        parts.accept(name)
    parts.clock.forward(10 * parts.settings.grace_ms)
    assert [name for name, _ in parts.messages().fetch(1)] == ["a"]
    parts.messages().fetch(0, ["a"])
    assert look_at_all(parts) == 0
    parts.clock.forward(500)
    claim = parts.claimed("a")
    parts.clock.forward(500)
    assert look_at_all(parts) == 0
    parts.settle(claim, Completed(Evidence.POSTED))
    assert "missed" not in parts.record("a")
    assert parts.read_statistics().totals.rescued == 0


def test_what_was_handed_over_to_a_worker_that_died_is_queued_again_with_the_next_look(parts: Parts) -> None:
    for name in ("a", "b"):
        parts.accept(name)
    parts.messages().fetch(1)
    parts.messages().fetch(0, ["a"])
    parts.clock.forward(parts.settings.grace_ms)
    assert look_at_all(parts) == 0
    parts.clock.forward(1_000)
    assert look_at_all(parts) == 1
    assert parts.queued() == ["b", "a"]


def test_all_of_dramatiqs_keys_can_go(parts: Parts) -> None:
    ids = [parts.accept() for _ in range(20)]
    for key in parts.client.scan_iter(f"{parts.keys.namespace}*"):
        parts.client.delete(key)
    parts.clock.forward(parts.settings.grace_ms)
    assert look_at_all(parts) == 20
    assert sorted(parts.queued()) == sorted(ids)


def test_a_retry_comes_back_when_its_time_has_come(parts: Parts) -> None:
    parts.accept("a")
    [(name, _)] = parts.messages().fetch(1)
    parts.settle(parts.claimed("a"), Retry(Cause.NOT_WRITTEN, "", Clear(), 2_000))
    parts.messages().fetch(0, [name])
    parts.clock.forward(1_000)
    assert parts.store.due(10) == (0, 0)
    parts.clock.forward(1_001)
    assert parts.store.due(10) == (1, 1)
    assert parts.claim("a") is not None


def test_a_dead_workers_transaction_comes_back_when_its_lease_ends(parts: Parts) -> None:
    parts.accept("a")
    parts.messages("dead").fetch(1)
    parts.claimed("a")
    parts.clock.forward(parts.settings.lease_ms)
    assert parts.store.due(10) == (1, 1)
    assert len(parts.messages("heir").fetch(10)) == 1
    assert parts.claim("a") is not None


def test_a_dead_workers_transaction_keeps_its_new_place_in_a_long_queue(parts: Parts) -> None:
    parts.accept("a")
    parts.messages("dead").fetch(1)
    parts.claimed("a")
    parts.accept("b")
    parts.clock.forward(parts.settings.lease_ms)
    look_at_all(parts)
    place = parts.queued()
    for _ in range(5):
        parts.clock.forward(10 * parts.settings.patience_ms)
        assert look_at_all(parts) == 0
    assert parts.queued() == place


def test_a_held_message_excuses_only_until_the_patience_is_over(parts: Parts) -> None:
    accepted_ms = parts.read_statistics().now_ms
    parts.accept("a")
    assert len(parts.messages("alive but does not know it").fetch(1)) == 1
    queued = 0
    for _ in range(20):
        parts.clock.forward(parts.settings.patience_ms // 10)
        _, moved = parts.store.due(10)
        queued += moved
        if moved:
            break
    assert queued == 1
    assert 1 <= (parts.read_statistics().now_ms - accepted_ms) / parts.settings.patience_ms <= 2
    [fresh] = parts.queued()
    assert fresh.startswith("a~")


def test_acknowledging_the_stranded_message_does_not_take_the_fresh_one(parts: Parts) -> None:
    parts.accept("a")
    holder = parts.messages("holder")
    [(stranded, _)] = holder.fetch(1)
    parts.clock.forward(2 * parts.settings.patience_ms)
    look_at_all(parts)
    holder.fetch(0, [stranded])
    [(fresh, body)] = parts.messages("other").fetch(10)
    assert fresh != stranded
    assert b'"args":["a"]' in body


def test_a_body_without_a_place_in_the_queue_is_found_once_the_queue_has_passed_it(parts: Parts) -> None:
    for name in ("a", "b", "c"):
        parts.accept(name)
        parts.clock.forward(10)
    parts.client.lrem(parts.keys.messages, 0, "b")
    parts.clock.forward(10 * parts.settings.patience_ms)
    assert look_at_all(parts) == 0
    consumer = parts.messages()
    for name in ("a", "c"):
        assert [found for found, _ in consumer.fetch(1)] == [name]
        parts.settle(parts.claimed(name), Completed(Evidence.POSTED))
    parts.clock.forward(20 * parts.settings.patience_ms)
    assert look_at_all(parts) == 1
    assert parts.queued()[0].startswith("b~")


def test_a_finished_transaction_is_left_alone(parts: Parts) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), Completed(Evidence.POSTED))
    parts.clock.forward(1_000_000)
    assert parts.store.due(10) == (0, 0)


def test_an_index_entry_without_a_record_does_not_block_those_behind_it(parts: Parts) -> None:
    parts.client.zadd(parts.keys.due, {"ghost": 1})
    parts.accept("a")
    lose_message(parts, "a")
    parts.clock.forward(parts.settings.grace_ms)
    assert parts.store.due(10) == (2, 1)
    assert parts.store.due(10) == (0, 0)


def test_a_message_that_somebody_sent_by_hand_at_the_head_of_the_queue_excuses_those_behind_it(parts: Parts) -> None:
    parts.messages().push("nobody~sent-by-hand", b"{}")
    for number in range(5):
        parts.accept(f"a{number}")
    for _ in range(20):
        parts.clock.forward(2 * parts.settings.patience_ms)
        assert look_at_all(parts) == 0
    assert len(parts.queued()) == 6


def test_two_loops_at_once_queue_a_transaction_once(parts: Parts) -> None:
    parts.accept("a")
    lose_message(parts, "a")
    parts.clock.forward(parts.settings.grace_ms)
    assert [parts.store.due(10), parts.new_store().due(10)] == [(1, 1), (0, 0)]


@pytest.mark.parametrize(("queued", "at_most_ms"), [(False, LOOKING_MS), (True, QUEUEING_MS)])
def test_a_tick_is_bounded_in_time(parts: Parts, queued: bool, at_most_ms: int) -> None:
    for _ in range(3 * LIMIT):
        parts.accept()
    if queued:
        parts.client.delete(parts.keys.messages, parts.keys.message_bodies)
    parts.clock.forward(parts.settings.grace_ms)
    times = iter([0.0, at_most_ms / 1000 - 0.001, at_most_ms / 1000])
    assert Rescuer(parts.store, lambda: next(times)).tick() == (2 * LIMIT, 2 * LIMIT if queued else 0)


def test_a_backlog_of_any_age_adds_nothing_and_a_lost_one_among_it_is_found(parts: Parts) -> None:
    check_backlog(parts, 2_000)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_200_000_waiting_without_a_worker_add_nothing_and_a_lost_one_among_them_is_found(parts: Parts) -> None:
    check_backlog(parts, 200_000)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_with_1_000_000_waiting_the_loop_takes_under_2_percent_of_a_core(parts: Parts) -> None:
    accept_many(parts, 1_000_000)
    parts.clock.forward(parts.settings.grace_ms)
    loop = Loop("rescuer", Rescuer(parts.store).beat)
    thread = threading.Thread(target=loop.run)
    wall, own, server = time.monotonic(), time.process_time(), server_cpu(parts)
    thread.start()
    threading.Event().wait(20)
    loop.stop()
    thread.join()
    wall, own, server = time.monotonic() - wall, time.process_time() - own, server_cpu(parts) - server
    print(f"1,000,000 waiting, all due: server {server / wall:.2%}, loop {own / wall:.2%} of a core")
    assert (server + own) / wall < 0.02
    assert parts.client.llen(parts.keys.messages) == 1_000_000


def server_cpu(parts: Parts) -> float:
    used = parts.client.info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])


def accept_many(parts: Parts, count: int) -> None:
    """The script of `accept`, thousands in one round trip."""
    store = parts.new_store()
    accept = store._database.scripts._scripts["accept"]
    pipeline = parts.client.pipeline(transaction=False)
    pipeline.script_load(accept.script)

    def queue(
        _name: str,
        keys: list[str],
        arguments: list[str | bytes | int],
        repeats: int,
        own: list[str | bytes | int],
        **_more: bool,
    ) -> list[bytes | int]:
        pipeline.evalsha(accept.sha, len(keys), *keys, *arguments, *own)
        return [b"accepted", repeats]

    store._database.run = queue  # type: ignore[method-assign, assignment]
    for number in range(count):
        store.accept(submission(f"t{number}"))
        if number % 5_000 == 4_999:
            pipeline.execute()
    pipeline.execute()


def check_backlog(parts: Parts, waiting: int) -> None:
    chosen = random.Random(7).randrange(waiting)
    accept_many(parts, waiting)
    lose_message(parts, f"t{chosen}")
    # Everybody is looked at within max(grace, a second per thousand waiting) after the grace.
    round_ms = max(parts.settings.grace_ms, waiting)
    queued, elapsed = 0, 0
    while elapsed <= parts.settings.grace_ms + round_ms:
        parts.clock.forward(parts.settings.grace_ms)
        elapsed += parts.settings.grace_ms
        queued += look_at_all(parts)
        if queued:
            break
    assert queued == 1
    assert parts.client.lrange(parts.keys.messages, -1, -1) == [f"t{chosen}".encode()]
    for _ in range(5):
        parts.clock.forward(600_000)
        assert look_at_all(parts) == 0
    assert parts.client.llen(parts.keys.messages) == waiting
