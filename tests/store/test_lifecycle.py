import pytest

from tests.parts import Parts, submission
from txn.errors import ContentConflict, NotFound
from txn.model.outcome import Cause, Clear, Completed, Failed, Keep, Maybe, Mode, Released, Retry
from txn.model.totals import Totals
from txn.model.transaction import ErrorCode, Evidence, Status

POSTED = Completed(Evidence.POSTED)
REJECTED = Failed(ErrorCode.REJECTED, "no", Clear())


def retry(cause: Cause = Cause.NOT_WRITTEN, doubt: Clear | Keep | Maybe | None = None, wait_ms: int = 1_000) -> Retry:
    return Retry(cause, "because", doubt or Clear(), wait_ms)


def test_accept_writes_record_index_counters_and_message_in_one_call(parts: Parts) -> None:
    transaction, new = parts.store.accept(submission("a"))
    assert new
    assert transaction.status is Status.PENDING
    assert parts.store.read("a") == transaction
    assert parts.due_score("a") == transaction.submitted_ms + parts.settings.grace_ms
    assert parts.queued() == ["a"]
    [(name, body)] = parts.messages().fetch(10)
    assert name == "a"
    assert b'"args":["a"]' in body
    assert parts.read_statistics().totals == Totals.of({"accepted": 1, "pending": 1})


def test_accepting_again_changes_nothing(parts: Parts) -> None:
    first, _ = parts.store.accept(submission("a"))
    parts.clock.forward(1_000)
    again, new = parts.store.accept(submission("a"))
    assert (again, new) == (first, False)
    assert parts.queued() == ["a"]
    assert parts.read_statistics().totals.accepted == 1


def test_accepting_other_content_under_a_known_id_is_a_conflict(parts: Parts) -> None:
    parts.accept("a")
    other = submission("a", b'{"amount": 1, "currency": "USD", "description": "x"}')
    with pytest.raises(ContentConflict, match="id was used before"):
        parts.store.accept(other)


def test_an_unknown_transaction_is_not_found(parts: Parts) -> None:
    with pytest.raises(NotFound):
        parts.store.read("nobody")


def test_a_claim_hands_out_the_payload_and_the_right_to_post(parts: Parts) -> None:
    parts.accept("a")
    claim = parts.claimed("a")
    assert claim.mode is Mode.POST
    assert claim.payload == submission("a").payload
    assert (claim.attempts, claim.counted, claim.tries) == (1, 0, 0)
    assert parts.store.read("a").status is Status.PROCESSING


def test_a_claim_that_may_post_writes_its_doubt_before_anything_is_sent(parts: Parts) -> None:
    parts.accept("a")
    parts.claimed("a")
    record = parts.record("a")
    assert int(record["doubt"]) == int(record["lease"]) + parts.settings.doubt_window_ms
    assert parts.due_score("a") == int(record["lease"])


def test_a_claim_for_an_unknown_id_creates_nothing(parts: Parts) -> None:
    assert parts.claim("nobody") is None
    assert parts.record("nobody") == {}
    assert parts.read_statistics().unfinished == 0


def test_a_second_claim_is_refused_while_the_lease_is_alive(parts: Parts) -> None:
    parts.accept("a")
    parts.claimed("a")
    parts.clock.forward(parts.settings.lease_ms - 500)
    assert parts.claim("a") is None


def test_repeating_a_claim_whose_answer_was_lost_gives_the_same_claim(parts: Parts) -> None:
    parts.accept("a")
    first = parts.store.claim("a", "nonce")
    assert parts.store.claim("a", "nonce") == first
    assert parts.read_statistics().totals.attempts == 1


def test_taking_over_an_expired_lease_may_only_confirm_until_its_doubt_is_over(parts: Parts) -> None:
    parts.accept("a")
    dead = parts.claimed("a")
    parts.clock.forward(parts.settings.lease_ms)
    heir = parts.claimed("a")
    assert heir.mode is Mode.CONFIRM
    assert heir.attempts == dead.attempts
    assert parts.read_statistics().totals.in_doubt == 1
    doubt_until = int(parts.record("a")["doubt"])
    parts.settle(heir, retry(Cause.IN_DOUBT, Keep(), 0))
    assert int(parts.record("a")["doubt"]) == doubt_until
    assert int(parts.record("a")["next"]) == doubt_until
    parts.clock.forward(parts.settings.doubt_window_ms)
    assert parts.claimed("a").mode is Mode.POST


def test_completing_takes_it_out_of_the_due_index_and_says_so(parts: Parts) -> None:
    parts.accept("a")
    assert parts.settle(parts.claimed("a"), POSTED) == "settled"
    transaction = parts.store.read("a")
    assert transaction.status is Status.COMPLETED
    assert transaction.completed_ms is not None
    assert parts.due_score("a") is None
    assert parts.record("a")["evidence"] == "posted"
    totals = parts.read_statistics().totals
    assert (totals.pending, totals.processing, totals.completed) == (0, 0, 1)


def test_a_settle_sent_twice_is_refused_as_repeated_and_changes_nothing(parts: Parts) -> None:
    parts.accept("a")
    claim = parts.claimed("a")
    parts.settle(claim, POSTED)
    before = parts.record("a")
    assert parts.settle(claim, retry()) == "repeated"
    assert parts.record("a") == before


def test_a_late_settle_after_a_takeover_is_refused_and_counted(parts: Parts) -> None:
    parts.accept("a")
    late = parts.claimed("a")
    parts.clock.forward(parts.settings.lease_ms)
    parts.claimed("a")
    assert parts.settle(late, POSTED) == "taken"
    assert parts.store.read("a").status is Status.PROCESSING
    totals = parts.read_statistics().totals
    assert (totals.late_settles, totals.late_posted) == (1, 1)


def test_a_repeated_settle_does_not_undo_an_operators_replay(parts: Parts) -> None:
    parts.accept("a")
    claim = parts.claimed("a")
    parts.settle(claim, REJECTED)
    parts.replay("a")
    assert parts.settle(claim, REJECTED) == "repeated"
    assert parts.store.read("a").status is Status.PENDING


def test_a_settle_for_an_unknown_id_creates_nothing(parts: Parts) -> None:
    parts.accept("a")
    claim = parts.claimed("a")
    parts.store.cleanup()
    assert parts.settle(claim, POSTED) == "unknown"
    assert parts.record("a") == {}


def test_a_retry_is_refused_to_claims_before_its_time(parts: Parts) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), retry(wait_ms=1_000))
    assert parts.store.read("a").status is Status.PENDING
    assert parts.claim("a") is None
    parts.clock.forward(1_001)
    claim = parts.claimed("a")
    assert (claim.mode, claim.attempts, claim.tries) == (Mode.POST, 2, 1)


def test_not_written_clears_the_doubt_and_maybe_sets_it(parts: Parts) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), retry(doubt=Clear(), wait_ms=0))
    assert parts.record("a")["doubt"] == "0"
    parts.clock.forward(1)
    parts.settle(parts.claimed("a"), retry(Cause.UNCERTAIN, Maybe(7_000), 10))
    record = parts.record("a")
    assert record["next"] == record["doubt"]
    assert parts.read_statistics().totals.in_doubt == 1
    parts.clock.forward(6_000)
    assert parts.claim("a") is None
    parts.clock.forward(1_001)
    assert parts.claimed("a").mode is Mode.POST


def test_a_failed_transaction_is_a_dead_letter_here_and_in_dramatiqs_own_queue(parts: Parts) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), REJECTED)
    transaction = parts.store.read("a")
    assert transaction.status is Status.FAILED
    assert transaction.failure is not None
    assert transaction.failure.code == "rejected"
    keys, client = parts.keys, parts.client
    for name in (keys.failed, f"{keys.failed}:rejected", keys.dead_messages):
        assert client.zrange(name, 0, -1) == [b"a"]
    assert b'"args":["a"]' in client.hget(keys.dead_message_bodies, "a")
    assert parts.due_score("a") is None


@pytest.mark.parametrize("leave", ["replay", "discard"])
def test_leaving_the_dead_letters_takes_it_off_every_list(parts: Parts, leave: str) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), REJECTED)
    assert getattr(parts, leave)("a") == "done"
    keys, client = parts.keys, parts.client
    for name in (keys.failed, f"{keys.failed}:rejected", keys.dead_messages, keys.dead_message_bodies):
        assert client.exists(name) == 0
    assert parts.read_statistics().totals.dead == 0


def test_a_discarded_transaction_stays_failed(parts: Parts) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), REJECTED)
    parts.discard("a")
    assert parts.store.read("a").status is Status.FAILED
    assert parts.record("a")["discarded"] == '{"by":"ann","what":"discard","why":"a test"}'
    assert parts.discard("a") == "not_failed"


def test_a_replay_keeps_doubt_owner_and_history(parts: Parts) -> None:
    parts.accept("a")
    claim = parts.claimed("a")
    parts.settle(claim, Failed(ErrorCode.CONFLICT, "other", Keep()), history='{"attempt":1}')
    before = parts.record("a")
    parts.replay("a")
    after = parts.record("a")
    assert (after["doubt"], after["owner"]) == (before["doubt"], claim.owner)
    assert [line.split(" ", 1)[1] for line in after["history"].splitlines()] == [
        '{"attempt":1}',
        '{"by":"ann","what":"replay"}',
    ]
    assert parts.claimed("a").mode is Mode.CONFIRM


@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_only_a_failed_transaction_can_be_replayed_or_discarded(parts: Parts, verb: str) -> None:
    parts.accept("a")
    assert getattr(parts, verb)("a") == "not_failed"
    assert getattr(parts, verb)("nobody") == "unknown"
    parts.settle(parts.claimed("a"), POSTED)
    assert getattr(parts, verb)("a") == "not_failed"


def test_a_release_gives_back_the_attempt_and_the_doubt(parts: Parts) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), Released())
    assert parts.record("a")["doubt"] == "0"
    claim = parts.claimed("a")
    assert (claim.attempts, claim.counted, claim.tries) == (1, 0, 0)


def test_an_outage_uses_no_attempt_up(parts: Parts) -> None:
    parts.accept("a")
    for _ in range(3):
        parts.settle(parts.claimed("a"), retry(Cause.OUTAGE, wait_ms=0), outage="refused")
        parts.clock.forward(1)
    claim = parts.claimed("a")
    assert (claim.attempts, claim.counted, claim.tries) == (4, 0, 3)


def test_an_attempt_counts_only_if_somebodys_post_was_let_through_after_it(parts: Parts) -> None:
    parts.accept("a")
    for _ in range(3):
        parts.settle(parts.claimed("a"), retry(Cause.UNCERTAIN, Maybe(0), 0), answered=True)
        parts.clock.forward(10)
    assert parts.claimed("a").counted == 0
    parts.let_another_in()
    parts.clock.forward(parts.settings.lease_ms + parts.settings.doubt_window_ms)
    assert parts.claimed("a").counted == 1


@pytest.mark.parametrize("cause", [Cause.OUTAGE, Cause.UNANSWERED, Cause.STORE])
def test_what_never_counts_does_not_count_when_others_are_let_in_either(parts: Parts, cause: Cause) -> None:
    parts.accept("a")
    for _ in range(3):
        parts.settle(parts.claimed("a"), retry(cause, wait_ms=0))
        parts.let_another_in()
        parts.clock.forward(10)
    assert parts.claimed("a").counted == 0


def test_a_post_that_was_let_through_before_the_attempt_had_failed_says_nothing_of_it(parts: Parts) -> None:
    parts.accept("a")
    claim = parts.claimed("a")
    parts.clock.forward(10)
    parts.let_another_in()
    parts.clock.forward(10)
    parts.settle(claim, retry(Cause.UNCERTAIN, Maybe(0), 0), answered=True)
    parts.clock.forward(10)
    assert parts.claimed("a").counted == 0


def test_a_claim_that_is_repeated_counts_no_attempt_twice(parts: Parts) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), retry(Cause.UNCERTAIN, Maybe(0), 0), answered=True)
    parts.let_another_in()
    parts.clock.forward(10)
    first = parts.store.claim("a", "nonce")
    parts.let_another_in()
    assert parts.store.claim("a", "nonce") == first
    assert first is not None
    assert first.counted == 1


def test_a_post_that_was_let_through_before_the_clock_was_set_back_says_nothing(parts: Parts) -> None:
    parts.clock.forward(3_600_000)
    parts.let_another_in()
    parts.clock.forward(-3_600_000)
    parts.accept("a")
    parts.settle(parts.claimed("a"), retry(Cause.UNCERTAIN, Maybe(0), 0), answered=True)
    parts.clock.forward(10)
    assert parts.claimed("a").counted == 0


def test_without_attempts_left_a_claim_may_only_look_and_its_404_decides(parts: Parts) -> None:
    parts.accept("a")
    for _ in range(parts.settings.max_attempts):
        parts.settle(parts.claimed("a"), retry(Cause.UNCERTAIN, Maybe(0), 0), answered=True)
        parts.let_another_in()
        parts.clock.forward(10)
    claim = parts.claimed("a")
    assert claim.mode is Mode.FINAL
    assert claim.attempts == parts.settings.max_attempts


def test_a_redis_that_lost_data_lets_nobody_post_for_lease_and_doubt_window(parts: Parts) -> None:
    for name in ("a", "b", "c"):
        parts.accept(name)
    parts.claimed("a")
    parts.claimed("b")
    parts.client.delete(parts.keys.epoch)
    claim = parts.claimed("c")
    assert claim.mode is Mode.CONFIRM
    parts.settle(claim, retry(Cause.IN_DOUBT, Keep(), 0))
    quarantine = parts.settings.lease_ms + parts.settings.doubt_window_ms
    parts.clock.forward(quarantine - 500)
    assert parts.claim("c") is None
    parts.clock.forward(501)
    assert parts.claimed("c").mode is Mode.POST


def test_a_process_that_remembers_nothing_sees_no_loss(parts: Parts) -> None:
    parts.accept("a")
    parts.client.delete(parts.keys.epoch)
    assert parts.claimed("a").mode is Mode.POST


def test_the_loop_notices_the_loss_too(parts: Parts) -> None:
    parts.accept("a")
    parts.accept("b")
    parts.claimed("a")
    parts.client.delete(parts.keys.epoch)
    parts.store.due(10)
    claim = parts.new_store().claim("b", "nonce")
    assert claim is not None
    assert claim.mode is Mode.CONFIRM


def test_a_cleanup_is_no_loss_and_empties_everything_else(parts: Parts) -> None:
    parts.accept("a")
    parts.claimed("a")
    parts.store.cleanup()
    assert parts.client.keys(f"{parts.keys.prefix}*") == [parts.keys.epoch.encode()]
    parts.accept("b")
    assert parts.claimed("b").mode is Mode.POST


def test_scripts_survive_a_flushed_script_cache(parts: Parts) -> None:
    parts.accept("a")
    parts.client.script_flush()
    claim = parts.claimed("a")
    parts.client.script_flush()
    assert parts.settle(claim, POSTED) == "settled"
