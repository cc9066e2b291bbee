import pytest

from tests.parts import Parts, submission
from txn.errors import RecordUnreadable, StoreUnavailable
from txn.model.dead_letter import Action
from txn.model.outcome import Cause, Clear, Completed, Failed, Keep, Maybe, Mode, Retry
from txn.model.transaction import ErrorCode, Evidence, Status
from txn.store.integrity import Flaw, Integrity

HOUR_MS = 3_600_000


def sweep(parts: Parts) -> list[Flaw]:
    return Integrity(parts.database, "@ID@").look_at_all()


def look_at_due(parts: Parts) -> int:
    return parts.store.due(100)[1]


@pytest.mark.parametrize("status", ["expired", "", "COMPLETED", "on hold"])
def test_a_status_of_a_newer_version_is_left_alone_and_named(parts: Parts, status: str) -> None:
    parts.accept("a")
    parts.client.hset(parts.keys.record("a"), "status", status)
    before = parts.record("a")
    assert parts.claim("a") is None
    parts.clock.forward(2 * parts.settings.patience_ms)
    assert look_at_due(parts) == 0
    assert look_at_due(parts) == 0
    for ask in (lambda: parts.store.read("a"), lambda: parts.store.accept(submission("a"))):
        with pytest.raises(RecordUnreadable, match=r"state that txn .* cannot read"):
            ask()
    assert parts.replay("a") == "not_failed"
    assert sweep(parts) == [Flaw("unreadable", "a")]
    assert parts.record("a") == before


def test_a_key_that_is_no_record_holds_nobody_else_up(parts: Parts) -> None:
    parts.accept("a")
    parts.accept("b")
    parts.client.delete(parts.keys.record("a"), parts.keys.messages, parts.keys.message_bodies)
    parts.client.set(parts.keys.record("a"), "text")
    parts.clock.forward(parts.settings.grace_ms + 1)
    with pytest.raises(StoreUnavailable):
        parts.store.due(100)
    assert parts.queued() == ["b"]
    assert parts.store.due(100) == (0, 0)
    assert sweep(parts) == [Flaw("unreadable", "a")]
    assert parts.read_statistics().most_overdue_ms >= 0


def test_an_unfinished_record_that_is_in_no_index_is_found_named_and_put_back(parts: Parts) -> None:
    parts.accept("a")
    parts.client.delete(parts.keys.due, parts.keys.messages, parts.keys.message_bodies)
    assert sweep(parts) == [Flaw("not_due", "a")]
    assert look_at_due(parts) == 1
    assert sweep(parts) == []
    assert parts.read_statistics().totals.mended == 1


def test_a_record_without_its_content_is_never_claimed_and_is_named_until_it_is_submitted_again(parts: Parts) -> None:
    parts.accept("a")
    parts.client.delete(parts.keys.payload("a"))
    parts.client.zrem(parts.keys.due, "a")
    assert sweep(parts) == [Flaw("no_content", "a"), Flaw("not_due", "a")]
    assert parts.claim("a") is None
    assert parts.record("a")["status"] == "pending"
    parts.client.zrem(parts.keys.due, "a")
    parts.store.accept(submission("a"))
    assert parts.claimed("a").payload == submission("a").payload


def test_counters_are_counted_anew_when_all_that_is_unfinished_is_seen(parts: Parts) -> None:
    parts.accept("a")
    parts.accept("b")
    parts.claimed("b")
    parts.fail("c")
    parts.client.hset(
        parts.keys.count, mapping={"pending": 7, "processing": -1, "retrying": 3, "in_doubt": 2, "dead": 9}
    )
    assert {flaw.name for flaw in sweep(parts)} == {"pending", "processing", "retrying", "in_doubt", "dead"}
    totals = parts.read_statistics().totals
    assert (totals.pending, totals.processing, totals.retrying, totals.in_doubt, totals.dead) == (1, 1, 0, 0, 1)
    assert sweep(parts) == []


def test_what_is_listed_as_a_dead_letter_and_is_none_is_taken_off(parts: Parts) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), Completed(Evidence.POSTED))
    for name in (parts.keys.failed, f"{parts.keys.failed}:rejected", parts.keys.dead_messages):
        parts.client.zadd(name, {"a": 1})
    assert Flaw("not_a_letter", "a") in sweep(parts)
    assert parts.client.exists(parts.keys.failed, f"{parts.keys.failed}:rejected", parts.keys.dead_messages) == 0


def test_a_sound_store_is_left_as_it_is(parts: Parts) -> None:
    parts.accept("a")
    parts.claimed("a")
    parts.fail("b")
    parts.discard(parts.fail("c"))
    parts.accept("d")
    parts.settle(parts.claimed("d"), Retry(Cause.UNCERTAIN, "500", Maybe(60_000), 0))
    before = {key: parts.client.dump(key) for key in parts.client.keys(f"{parts.keys.prefix}*")}
    assert sweep(parts) == []
    assert {key: parts.client.dump(key) for key in parts.client.keys(f"{parts.keys.prefix}*")} == before


def test_all_workers_share_one_round(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("txn.store.integrity.PACE_MS", 60_000)  # however slow this machine is
    monkeypatch.setattr("txn.store.integrity.STEP_KEYS", 1_000_000)  # whatever other tests have left on this server
    one, other = (Integrity(parts.database, "@ID@") for _ in range(2))
    parts.accept("a")
    parts.client.delete(parts.keys.due)
    assert one.step() == [Flaw("not_due", "a")]
    parts.client.delete(parts.keys.due)
    assert other.step() == []
    parts.clock.forward(60_001)
    assert other.step() == [Flaw("not_due", "a")]
    parts.client.delete(parts.keys.due)
    parts.clock.forward(-HOUR_MS)
    assert one.step() == [Flaw("not_due", "a")], "the clock was set back"


@pytest.mark.parametrize("back_ms", [HOUR_MS, 24 * HOUR_MS, 366 * 24 * HOUR_MS])
def test_what_waits_for_a_retry_goes_on_though_the_clock_is_set_back(parts: Parts, back_ms: int) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), Retry(Cause.UNCERTAIN, "500", Maybe(5_000), 1_000))
    parts.clock.forward(-back_ms)
    assert look_at_due(parts) == 1
    claim = parts.claimed("a")
    assert claim.mode is Mode.CONFIRM, "as long as a doubt can last, nobody posts"
    parts.settle(claim, Retry(Cause.IN_DOUBT, "", Keep(), 0))
    parts.clock.forward(parts.settings.patience_ms + 1)
    assert parts.claimed("a").mode is Mode.POST


def test_what_is_queued_goes_on_though_the_clock_is_set_back_and_the_queue_is_lost(parts: Parts) -> None:
    parts.accept("a")
    parts.messages("dies").fetch(1)
    parts.clock.forward(-HOUR_MS)
    assert look_at_due(parts) == 1
    assert parts.claimed("a").mode is Mode.POST


def test_a_leased_transaction_keeps_one_lease_though_the_clock_is_set_back(parts: Parts) -> None:
    parts.accept("a")
    claim = parts.claimed("a")
    parts.clock.forward(-HOUR_MS)
    look_at_due(parts)
    assert parts.claim("a") is None
    parts.clock.forward(parts.settings.lease_ms + 1)
    assert look_at_due(parts) == 1
    heir = parts.claimed("a")
    assert heir.mode is Mode.CONFIRM
    assert parts.settle(claim, Completed(Evidence.POSTED)) == "taken"


def test_a_dead_workers_messages_come_back_though_the_clock_is_set_back(parts: Parts) -> None:
    parts.accept("a")
    parts.fetched_by_the_dead()
    parts.clock.forward(-HOUR_MS)
    heir = parts.messages("heir")
    heir.heartbeat()
    parts.clock.forward(11_000)
    assert heir.heartbeat() == 1
    assert parts.read_statistics().workers == 1


def test_a_redis_that_lost_data_is_waited_for_no_longer_than_needed_though_the_clock_is_set_back(parts: Parts) -> None:
    parts.accept("a")
    parts.client.hset(parts.keys.epoch, "quarantine", parts.read_statistics().now_ms + 10_000)
    parts.clock.forward(-HOUR_MS)
    parts.settle(parts.claimed("a"), Retry(Cause.IN_DOUBT, "", Keep(), 0))
    parts.clock.forward(parts.settings.patience_ms + 1)
    assert parts.claimed("a").mode is Mode.POST


def test_a_wait_that_can_be_is_waited_for(parts: Parts) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), Retry(Cause.UNCERTAIN, "503", Clear(), parts.settings.max_backoff_ms))
    assert look_at_due(parts) == 0
    parts.clock.forward(parts.settings.max_backoff_ms - 2_000)
    assert look_at_due(parts) == 0
    assert parts.claim("a") is None


def crash(parts: Parts) -> Mode:
    """A worker claims it and is never heard of again."""
    parts.clock.forward(parts.settings.patience_ms + 1)
    return parts.claimed("a").mode


def test_three_workers_that_did_not_come_back_are_enough(parts: Parts) -> None:
    parts.accept("a")
    assert [crash(parts) for _ in range(4)] == [Mode.POST, Mode.POST, Mode.POST, Mode.CRASHED]
    assert parts.record("a")["attempts"] == "3"


def test_workers_that_die_on_the_get_are_counted_whatever_their_mode(parts: Parts) -> None:
    parts.accept("a")
    for _ in range(parts.settings.max_attempts):
        parts.settle(parts.claimed("a"), Retry(Cause.UNCERTAIN, "500", Maybe(0), 0), answered=True)
        parts.let_another_in()
        parts.clock.forward(10)
    assert [crash(parts) for _ in range(4)] == [Mode.FINAL, Mode.FINAL, Mode.FINAL, Mode.CRASHED]


def test_a_look_that_could_only_confirm_does_not_forgive_the_posts_that_killed(parts: Parts) -> None:
    parts.accept("a")
    modes = []
    for _ in range(3):
        modes.append(parts.claimed("a").mode)
        parts.clock.forward(parts.settings.lease_ms + 1)
        look = parts.claimed("a")
        modes.append(look.mode)
        parts.settle(look, Retry(Cause.IN_DOUBT, "", Keep(), 0))
        parts.clock.forward(parts.settings.patience_ms + 1)
        if look.mode is Mode.CRASHED:
            break
    assert modes == [Mode.POST, Mode.CONFIRM, Mode.POST, Mode.CONFIRM, Mode.POST, Mode.CRASHED]


def test_a_delivery_that_comes_back_begins_the_count_anew(parts: Parts) -> None:
    parts.accept("a")
    crash(parts)
    crash(parts)
    parts.clock.forward(parts.settings.patience_ms + 1)
    parts.settle(parts.claimed("a"), Retry(Cause.NOT_WRITTEN, "500", Clear(), 0))
    assert [crash(parts) for _ in range(3)] == [Mode.POST] * 3


def test_a_worker_that_was_only_late_is_no_crash(parts: Parts) -> None:
    parts.accept("a")
    late = parts.claimed("a")
    for _ in range(5):
        parts.clock.forward(parts.settings.patience_ms + 1)
        heir = parts.claimed("a")
        assert heir.mode is Mode.POST
        assert parts.settle(late, Completed(Evidence.POSTED)) == "taken"
        late = heir


def test_a_replay_begins_the_count_of_crashes_anew(parts: Parts) -> None:
    parts.accept("a")
    for _ in range(3):
        crash(parts)
    parts.clock.forward(parts.settings.patience_ms + 1)
    parts.settle(parts.claimed("a"), Failed(ErrorCode.CRASHED_WORKER, "gone", Keep()))
    assert parts.store.read("a").status is Status.FAILED
    parts.replay("a")
    parts.clock.forward(parts.settings.patience_ms + 1)
    assert parts.claimed("a").mode is Mode.POST


def test_a_consumer_whose_ack_set_cannot_be_read_stops_nobody(parts: Parts) -> None:
    parts.accept("a")
    parts.fetched_by_the_dead()
    parts.client.set(f"{parts.keys.acks}broken.{parts.keys.queue}", "text")
    parts.client.zadd(parts.keys.heartbeats, {"broken": 1})
    parts.clock.forward(11_000)
    assert parts.messages("alive").heartbeat() == 1
    assert parts.queued() == ["a"]


def test_a_counter_that_is_no_number_stops_no_heartbeat_and_is_set_right(parts: Parts) -> None:
    parts.client.hset(parts.keys.count, mapping={"reaped": "text", "pending": "text"})
    parts.messages("dead").heartbeat()
    parts.clock.forward(11_000)
    parts.messages("alive").heartbeat()
    with pytest.raises(StoreUnavailable):
        parts.accept("a")
    assert sweep(parts) == [Flaw("counter", "pending")]
    parts.accept("a")
    assert parts.read_statistics().totals.pending == 1


@pytest.mark.parametrize("finish", [False, True])
def test_a_repeated_submission_brings_its_content_back(parts: Parts, finish: bool) -> None:
    parts.accept("a")
    if finish:
        parts.settle(parts.claimed("a"), Failed(ErrorCode.REJECTED, "no", Clear()))
    parts.client.delete(parts.keys.payload("a"))
    _, new = parts.store.accept(submission("a"))
    assert not new
    if finish:
        parts.replay("a")
    assert parts.claimed("a").payload == submission("a").payload


def test_a_bad_record_holds_nobody_up_though_the_clock_is_set_back(parts: Parts) -> None:
    parts.accept("a")
    parts.accept("b")
    parts.client.delete(parts.keys.record("a"), parts.keys.messages, parts.keys.message_bodies)
    parts.client.set(parts.keys.record("a"), "text")
    parts.clock.forward(-HOUR_MS)
    with pytest.raises(StoreUnavailable):
        parts.store.due(100)
    assert parts.queued() == ["b"]


@pytest.mark.parametrize("head", ["", "~", "bad"])
def test_a_queue_with_a_strange_head_is_gone_on_with(parts: Parts, head: str) -> None:
    parts.accept("a")
    parts.client.lpush(parts.keys.messages, head)
    parts.client.set(parts.keys.record("bad"), "text")
    parts.client.hdel(parts.keys.message_bodies, "a")
    parts.clock.forward(parts.settings.grace_ms + 1)
    assert parts.store.due(100) == (1, 1)
    assert parts.read_statistics().unfinished == 1


def test_what_was_never_accepted_leaves_nothing(parts: Parts) -> None:
    parts.accept("a")
    parts.client.delete(parts.keys.record("a"))
    parts.clock.forward(parts.settings.grace_ms + 1)
    parts.store.due(100)
    assert parts.client.exists(parts.keys.payload("a"), parts.keys.due) == 0
    assert parts.messages().fetch(10) == []


def test_the_round_goes_on_behind_a_letter_that_cannot_be_listed(parts: Parts) -> None:
    parts.fail("a")
    parts.accept("b")
    parts.client.zrem(parts.keys.failed, "a")
    parts.client.zrem(parts.keys.due, "b")
    parts.client.delete(f"{parts.keys.failed}:rejected")
    parts.client.set(f"{parts.keys.failed}:rejected", "text")
    assert {Flaw("unreadable", "a"), Flaw("not_due", "b")} <= set(sweep(parts))


def test_an_index_of_one_error_code_is_written_anew(parts: Parts) -> None:
    parts.fail("a")
    score = parts.client.zscore(parts.keys.failed, "a")
    parts.client.delete(f"{parts.keys.failed}:rejected")
    assert sweep(parts) == [Flaw("not_listed", "a")]
    assert parts.client.zscore(f"{parts.keys.failed}:rejected", "a") == score
    assert parts.read_statistics().totals.dead == 1


def test_a_discarded_letter_that_is_still_listed_is_taken_off_and_leaves_the_counter_as_it_is(parts: Parts) -> None:
    for name in ("a", "b"):
        parts.fail(name)
    parts.discard("a")
    parts.client.zadd(parts.keys.failed, {"a": 1})
    assert sweep(parts) == [Flaw("not_a_letter", "a")]
    assert parts.read_statistics().totals.dead == 1


def test_an_id_that_is_given_twice_is_done_once(parts: Parts) -> None:
    parts.fail("a")
    assert parts.operations.became(Action.REPLAY, ["a", "a"], "ann", "") == ["done", "not_failed"]
    totals = parts.read_statistics().totals
    assert (totals.replayed, totals.pending, totals.dead) == (1, 1, 0)


@pytest.mark.parametrize("field", ["lease", "submitted"])
def test_a_record_without_a_time_is_delivered_all_the_same(parts: Parts, field: str) -> None:
    parts.accept("a")
    parts.claimed("a")
    parts.client.hdel(parts.keys.record("a"), field)
    parts.clock.forward(parts.settings.patience_ms + 1)
    assert parts.settle(parts.claimed("a"), Completed(Evidence.FOUND)) == "settled"
    assert int(parts.client.hget(parts.keys.count, "end_to_end_ms") or 0) >= 0


def test_what_took_less_than_no_time_is_counted_as_nothing(parts: Parts) -> None:
    parts.accept("a")
    parts.clock.forward(-HOUR_MS)
    parts.settle(parts.claimed("a"), Completed(Evidence.POSTED))
    assert parts.read_statistics().totals.end_to_end_ms == 0


def test_thousands_of_messages_are_fetched_and_acknowledged_in_bounded_calls(parts: Parts) -> None:
    consumer = parts.messages()
    names = [str(number) for number in range(10_000)]
    parts.client.rpush(parts.keys.messages, *names)
    parts.client.hset(parts.keys.message_bodies, mapping=dict.fromkeys(names, "body"))
    held: list[str] = []
    while fetched := consumer.fetch(9_000):
        assert len(fetched) <= 1_000
        held += [name for name, _ in fetched]
    assert len(held) == 10_000
    assert consumer.fetch(0, held) == []
    assert parts.client.exists(parts.keys.message_bodies) == 0


def test_what_was_in_flight_together_when_a_worker_died_comes_back_apart(parts: Parts) -> None:
    names = [parts.accept() for _ in range(20)]
    for _ in range(2):
        for name in names:
            parts.claimed(name)
        parts.clock.forward(parts.settings.patience_ms + 1)
    scores = {parts.due_score(name) for name in names}
    assert max(scores) - min(scores) > 1_000  # type: ignore[operator, type-var]


def test_a_limiter_that_keeps_more_out_than_it_lets_in_uses_nobodys_attempts_up(parts: Parts) -> None:
    parts.accept("a")
    claims = []
    for number in range(10):
        claim = parts.claimed("a")
        claims.append((claim.others, claim.counted))
        parts.settle(claim, Retry(Cause.SENT_AWAY, "429", Clear(), 0, claim.others), answered=True, outage="429")
        for other in range(3):
            name = parts.accept(f"{number}-{other}")
            outcome = Completed(Evidence.POSTED) if other == 0 else Retry(Cause.SENT_AWAY, "429", Clear(), 60_000)
            parts.settle(parts.claimed(name), outcome, answered=True, taken=other == 0)
        parts.clock.forward(10)
    assert claims == [(False, 0)] * 10


def test_a_claim_whose_answer_was_lost_uses_no_attempt_up(parts: Parts) -> None:
    parts.accept("a")
    for _ in range(3 * parts.settings.max_attempts):
        claim = parts.claimed("a")
        parts.settle(claim, Retry(Cause.STORE, "Redis did not answer in time", Keep(), 0))
        parts.clock.forward(parts.settings.patience_ms + 1)
    assert parts.claimed("a").mode is Mode.POST
