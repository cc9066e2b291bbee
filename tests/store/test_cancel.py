import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.parts import Parts
from txn.errors import NotCancellable, NotFound
from txn.model.outcome import Cause, Clear, Completed, Keep, Maybe, Outcome, Released, Retry, named
from txn.model.transaction import Evidence, Status
from txn.queue.message import message_template
from txn.store.arrival import MOMENT_MS
from txn.store.integrity import Integrity


def test_what_nobody_has_claimed_is_failed_and_no_worker_gets_it(parts: Parts) -> None:
    parts.accept("a")
    found = parts.store.cancel("a", "shop")
    assert (found.status, found.failure and found.failure.code) == (Status.FAILED, "cancelled")
    assert parts.claim("a") is None
    assert parts.due_score("a") is None
    assert parts.store.read("a") == found


def test_it_is_counted_and_nobody_has_to_decide_anything(parts: Parts) -> None:
    parts.accept("a")
    parts.store.cancel("a", "shop")
    totals = parts.read_statistics().totals
    assert (totals.pending, totals.failed, totals.dead, totals.failed_by["cancelled"]) == (0, 1, 0, 1)
    assert parts.client.zcard(parts.keys.failed) == 0
    [line] = parts.record("a")["history"].splitlines()
    assert '"by":"shop"' in line
    assert Integrity(parts.database, message_template()).look_at_all() == []


def test_once_more_does_no_harm(parts: Parts) -> None:
    parts.accept("a")
    first, before = parts.store.cancel("a", "shop"), parts.record("a")
    parts.clock.forward(1_000)
    assert parts.store.cancel("a", "shop") == first
    assert parts.record("a") == before
    assert parts.read_statistics().totals.failed == 1


AWAY = Retry(Cause.OUTAGE, "away", Clear(), 0)
SENT_AWAY = Retry(Cause.SENT_AWAY, "429", Clear(), 0, others=True)
UNSURE = Retry(Cause.UNCERTAIN, "500", Maybe(0), 0)
OWN_FAULT = Retry(Cause.INTERNAL, "a fault", Keep(), 0)


def attempt(parts: Parts, *outcomes: Outcome) -> None:
    """Deliveries of `a`, each when its time has come."""
    for outcome in outcomes:
        parts.settle(parts.claimed("a"), outcome, answered=True)
        parts.clock.forward(parts.settings.lease_ms + parts.settings.doubt_window_ms)


@pytest.mark.parametrize(
    "outcomes",
    [[Released()], [AWAY], [SENT_AWAY], [AWAY, Released(), SENT_AWAY], [Released(), AWAY, AWAY]],
    ids=lambda outcomes: " ".join(map(named, outcomes)),
)
def test_what_every_attempt_has_provably_not_posted_is_cancelled(parts: Parts, outcomes: list[Outcome]) -> None:
    parts.accept("a")
    attempt(parts, *outcomes)
    assert parts.store.cancel("a", "shop").status == Status.FAILED
    totals = parts.read_statistics().totals
    assert (totals.pending, totals.retrying, totals.sent_away, totals.in_doubt, totals.dead) == (0, 0, 0, 0, 0)
    assert Integrity(parts.database, message_template()).look_at_all() == []
    assert parts.claim("a") is None


@pytest.mark.parametrize(
    "outcomes",
    [[UNSURE], [OWN_FAULT], [UNSURE, AWAY], [AWAY, UNSURE], [AWAY, AWAY, OWN_FAULT, AWAY]],
    ids=lambda outcomes: " ".join(map(named, outcomes)),
)
def test_one_attempt_that_may_have_posted_is_enough_for_no(parts: Parts, outcomes: list[Outcome]) -> None:
    parts.accept("a")
    attempt(parts, *outcomes)
    before = parts.record("a")
    with pytest.raises(NotCancellable, match="may have been written"):
        parts.store.cancel("a", "shop")
    assert parts.record("a") == before


def test_while_a_worker_holds_it_it_is_not_cancelled(parts: Parts) -> None:
    parts.accept("a")
    attempt(parts, AWAY)
    claim = parts.claimed("a")
    with pytest.raises(NotCancellable, match="begun to deliver"):
        parts.store.cancel("a", "shop")
    parts.settle(claim, AWAY)
    assert parts.store.cancel("a", "shop").status == Status.FAILED


def test_what_became_of_a_dead_workers_attempt_is_not_known(parts: Parts) -> None:
    parts.accept("a")
    dead = parts.claimed("a")
    parts.clock.forward(parts.settings.lease_ms + parts.settings.doubt_window_ms)
    with pytest.raises(NotCancellable, match="begun to deliver"):
        parts.store.cancel("a", "shop")
    attempt(parts, AWAY)
    for _ in range(2):
        with pytest.raises(NotCancellable, match="may have been written"):
            parts.store.cancel("a", "shop")
        assert parts.settle(dead, AWAY) == "taken"


def test_a_settle_that_comes_twice_counts_once(parts: Parts) -> None:
    parts.accept("a")
    attempt(parts, UNSURE)
    claim = parts.claimed("a")
    assert [parts.settle(claim, AWAY) for _ in range(3)] == ["settled", "repeated", "repeated"]
    assert (parts.record("a")["attempts"], parts.record("a")["unposted"]) == ("2", "1")


def test_what_is_completed_after_all_keeps_nothing_of_it(parts: Parts) -> None:
    parts.accept("a")
    attempt(parts, AWAY, Completed(Evidence.POSTED))
    with pytest.raises(NotCancellable, match="completed already"):
        parts.store.cancel("a", "shop")
    assert "unposted" not in parts.record("a")


def test_in_the_moment_after_a_promotion_nothing_is_cancelled(parts: Parts) -> None:
    parts.accept("a")
    parts.client.hset(parts.keys.epoch, "moment", parts.read_statistics().now_ms + MOMENT_MS)
    with pytest.raises(NotCancellable, match="lost data"):
        parts.store.cancel("a", "shop")
    parts.clock.forward(MOMENT_MS)
    assert parts.store.cancel("a", "shop").status == Status.FAILED


def test_a_dead_letter_is_none_of_the_clients_business(parts: Parts) -> None:
    parts.fail("a")
    for _ in range(2):
        with pytest.raises(NotCancellable):
            parts.store.cancel("a", "shop")
        parts.replay("a")


def test_an_operator_can_send_a_cancelled_one_on_its_way(parts: Parts) -> None:
    parts.accept("a")
    parts.store.cancel("a", "shop")
    assert parts.replay("a") == "done"
    assert parts.claim("a") is not None
    assert "discarded" not in parts.record("a")


def test_what_was_accepted_before_redis_lost_data_is_not_cancelled(parts: Parts) -> None:
    parts.accept("a")
    now = parts.read_statistics().now_ms
    parts.client.hset(parts.keys.epoch, "quarantine", now + 60_000)
    with pytest.raises(NotCancellable, match="lost data"):
        parts.store.cancel("a", "shop")
    parts.clock.forward(60_001)
    parts.accept("b")
    assert parts.store.cancel("b", "shop").status == Status.FAILED


def test_another_clients_is_not_found(parts: Parts) -> None:
    parts.accept("a")
    with pytest.raises(NotFound):
        parts.store.cancel("a", "rival", "rival")
    with pytest.raises(NotFound):
        parts.store.cancel("b", "shop")
    assert parts.store.cancel("a", "", "").status == Status.FAILED


def test_what_waits_because_of_a_pause_waits_no_more(parts: Parts) -> None:
    parts.accept("a")
    parts.pauses.pause("ann", "moved")
    assert parts.claim("a") is None
    assert parts.client.zscore(parts.keys.outage, "a") is not None
    parts.store.cancel("a", "shop")
    assert parts.client.zscore(parts.keys.outage, "a") is None
    assert "away" not in parts.record("a")


def test_of_a_cancel_and_a_claim_at_once_one_comes_first(parts: Parts) -> None:
    ids = [parts.accept(f"a{number}") for number in range(200)]
    together = threading.Barrier(2)

    def cancel(transaction_id: str) -> bool:
        together.wait()
        try:
            parts.store.cancel(transaction_id, "shop")
        except NotCancellable:
            return False
        return True

    def claim(transaction_id: str) -> bool:
        together.wait()
        return parts.claim(transaction_id) is not None

    with ThreadPoolExecutor(2) as pool:
        for transaction_id in ids:
            cancelled, claimed = pool.submit(cancel, transaction_id), pool.submit(claim, transaction_id)
            assert cancelled.result() != claimed.result()
            assert parts.status(transaction_id) == ("failed" if cancelled.result() else "processing")
