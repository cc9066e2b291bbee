from collections.abc import Callable

import pytest

from tests.delivery.rig import Rig
from tests.parts import BODY, submission
from txn.delivery.blocking_steps import BlockingSteps, run
from txn.delivery.rules import Rules
from txn.errors import ContentConflict, Invalid
from txn.model.claim import Claim
from txn.model.outcome import Cause, Clear, Completed, Maybe, Mode, Retry
from txn.model.submission import Submission, parse_submission
from txn.model.transaction import Evidence, Status, rfc3339
from txn.posting.results import Lookup, PostResult

Build = Callable[..., Rig]
MINUTE_MS = 60_000


def expiring(rig: Rig, in_ms: int = MINUTE_MS, name: str = "a", body: bytes = BODY) -> Submission:
    at = rfc3339(rig.parts.read_statistics().now_ms + in_ms)
    return submission(name, body[:1] + f'"deliverBy": "{at}", '.encode() + body[1:])


def accept(rig: Rig, in_ms: int = MINUTE_MS) -> str:
    transaction, new = rig.parts.store.accept(expiring(rig, in_ms))
    assert new
    return transaction.id


def test_in_time_it_is_posted_and_says_when_it_would_have_expired(rig: Build) -> None:
    one = rig()
    name = accept(one)
    before = one.parts.store.read(name)
    assert one.deliver(name).status is Status.COMPLETED
    told = one.parts.store.read(name).to_json()
    assert told["deliverBy"] == before.to_json()["deliverBy"]
    assert b"deliverBy" not in (one.parts.client.get(one.parts.keys.payload(name)) or b"")
    assert all("deliverBy" not in row for row in one.mock.rows())


def test_what_was_never_sent_expires_without_a_call(rig: Build) -> None:
    one = rig()
    name = accept(one)
    one.clock.forward(MINUTE_MS)
    failed = one.deliver(name)
    assert failed.failure is not None
    assert (failed.status, failed.failure.code) == (Status.FAILED, "expired")
    stats = one.mock.stats()
    assert (stats["gets"], stats["posts"]) == (0, 0)
    assert one.parts.letters.totals()["expired"] == 1


@pytest.mark.parametrize(
    ("fault", "calls"), [("throttle", 3), ("fail_before", 4)], ids=["not let in", "in doubt, which is over"]
)
def test_what_was_tried_expires_when_a_get_does_not_find_it(rig: Build, fault: str, calls: int) -> None:
    one = rig()
    name = accept(one)
    one.mock.faults(retry_after_s=0)
    one.mock.script(name, post=[fault])
    one.deliver(name)
    one.clock.forward(MINUTE_MS)
    one.until_due(name)
    transaction = one.deliver(name)
    assert transaction.failure is not None
    assert transaction.failure.code == "expired"
    assert "not posted after 1 attempts" in transaction.failure.detail
    stats = one.mock.stats()
    assert (stats["gets"] + stats["posts"], stats["posts"]) == (calls, 1)
    assert one.rows(name) == 0


def away(one: Rig) -> None:
    one.parts.client.hset(one.parts.keys.posting, mapping={"breaker": "open", "kind": "gets"})


def paused(one: Rig) -> None:
    one.parts.pauses.pause("ann", "why", None)


def asked_to_wait(one: Rig) -> None:
    hold_until = one.parts.read_statistics().now_ms + 60_000
    one.parts.client.hset(one.parts.keys.posting, mapping={"hold_until": hold_until})


def limited(one: Rig) -> None:
    one.parts.limits.set("ann", in_flight=1)
    one.parts.claimed(one.parts.accept())


def busy(one: Rig) -> None:
    """Nobody comes to it."""


@pytest.mark.parametrize("held_up", [away, paused, asked_to_wait, limited, busy])
@pytest.mark.parametrize("tried", [False, True], ids=["never claimed", "not reached"])
def test_what_was_never_posted_expires_at_its_moment_whatever_holds_deliveries_up(
    rig: Build, held_up: Callable[[Rig], None], tried: bool
) -> None:
    one = rig()
    name = accept(one, 15_000)
    if tried:
        claim = one.parts.claimed(name)
        one.parts.settle(claim, Retry(Cause.OUTAGE, "refused", Clear(), 300_000), outage="refused", calls="G")
    held_up(one)
    one.clock.forward(10_000)
    one.parts.store.due(10)
    assert one.parts.status(name) == "pending"
    one.clock.forward(5_000)
    one.parts.store.due(10)
    assert one.error(name) == "expired"
    assert one.outcomes(name)[-1] == "expired"
    assert one.parts.letters.totals()["expired"] == 1
    totals = one.parts.read_statistics().totals
    assert (totals.dead, totals.retrying, totals.in_doubt) == (1, 0, 0)
    assert one.parts.client.zcard(one.parts.keys.expiring) == 0
    assert one.parts.client.zscore(one.parts.keys.outage, name) is None
    assert one.mock.calls() == 0
    assert one.deliver(name).status is Status.FAILED


def test_what_may_be_posted_is_not_failed_without_a_get(rig: Build) -> None:
    one = rig()
    name = accept(one, 60_000)
    one.mock.script(name, post=["fail_before"])
    one.deliver(name)
    paused(one)
    one.clock.forward(60_000)
    one.parts.store.due(10)
    assert one.parts.status(name) == "pending"
    one.parts.pauses.resume("ann")
    calls = one.mock.calls()
    one.until_due(name)
    one.deliver(name)
    assert (one.error(name), one.mock.calls()) == ("expired", calls + 1)


def test_one_attempt_that_posted_nothing_does_not_excuse_another_that_may_have(rig: Build) -> None:
    one = rig()
    name = accept(one, 60_000)
    one.parts.settle(one.parts.claimed(name), Retry(Cause.UNCERTAIN, "500", Maybe(0), 0))
    one.clock.forward(200)
    one.parts.settle(one.parts.claimed(name), Retry(Cause.OUTAGE, "refused", Clear(), 0))
    one.clock.forward(60_000)
    one.parts.store.due(10)
    assert one.parts.status(name) == "pending"
    assert one.parts.claimed(name).mode is Mode.FINAL


def test_in_flight_it_is_left_to_its_delivery(rig: Build) -> None:
    one = rig()
    name = accept(one, 5_000)
    claim = one.parts.claimed(name)
    one.clock.forward(5_000)
    one.parts.store.due(10)
    assert one.parts.status(name) == "processing"
    one.parts.settle(claim, Completed(Evidence.POSTED))
    assert one.parts.client.zcard(one.parts.keys.expiring) == 0
    one.clock.forward(100_000)
    one.parts.store.due(10)
    assert one.parts.status(name) == "completed"


def test_a_backoff_ends_when_it_expires_unless_we_are_asked_to_wait(rig: Build) -> None:
    one = rig()
    for name, hold_ms in (("b", 30_000), ("a", 0)):
        one.parts.store.accept(expiring(one, 10_000, name))
        claim = one.parts.claimed(name)
        one.parts.settle(claim, Retry(Cause.NOT_WRITTEN, "500", Clear(), 300_000), calls="gPg", hold_ms=hold_ms)
    one.clock.forward(10_000)
    assert one.parts.claimed("a").mode is Mode.FINAL
    assert one.parts.claim("b") is None


def test_what_redis_may_have_lost_the_delivery_of_is_looked_for_before_it_expires(rig: Build) -> None:
    one = rig()
    name = accept(one, 60_000)
    one.parts.client.hset(one.parts.keys.epoch, "quarantine", one.parts.read_statistics().now_ms + 1_000)
    one.clock.forward(60_000)
    one.parts.store.due(10)
    assert one.parts.status(name) == "pending"
    assert one.parts.claimed(name).mode is Mode.FINAL


def test_in_doubt_it_is_verified_on_and_never_expired_blindly(rig: Build) -> None:
    one = rig()
    name = accept(one, 10_000)
    one.mock.script(name, post=["truncate"], get=["missing", "missing"])
    one.deliver(name)
    assert one.outcomes(name) == ["uncertain"]
    one.clock.forward(10_000)
    doubt = int(one.parts.record(name)["doubt"])
    assert doubt > one.parts.read_statistics().now_ms
    one.parts.client.hset(one.parts.keys.record(name), "next", 0)
    assert one.deliver(name).status is Status.COMPLETED
    assert one.rows(name) == 1


def test_a_worker_that_died_with_it_leaves_it_in_doubt(rig: Build) -> None:
    one = rig()
    name = accept(one)
    one.parts.claimed(name)
    one.clock.forward(one.settings.lease_ms + 1)
    assert one.parts.claimed(name).mode is Mode.CONFIRM


def test_while_the_service_is_silent_it_waits_for_the_get(rig: Build) -> None:
    one = rig()
    name = accept(one)
    one.mock.faults(retry_after_s=0)
    one.mock.script(name, post=["throttle"], get=["missing", "fail"])
    one.deliver(name)
    one.clock.forward(MINUTE_MS)
    one.until_due(name)
    assert one.deliver(name).status is Status.PENDING
    one.until_due(name)
    assert one.deliver(name).status is Status.FAILED


class Slow(BlockingSteps):
    """The GET takes as long as `between` does."""

    between: Callable[[], None]

    async def find(self, claim: Claim) -> Lookup:
        found = await super().find(claim)
        self.between()
        return found

    async def post(self, claim: Claim, last_check: Callable[[], bool]) -> PostResult:
        return await super().post(claim, last_check)


def test_what_expires_between_the_get_and_the_post_is_not_posted(rig: Build) -> None:
    one = rig()
    name = accept(one, 5_000)
    steps = Slow(one.parts.store, one.posting)
    steps.between = lambda: one.clock.forward(5_000)
    slow = Rules(steps, one.settings, lambda: 0.5, one.rules._boot_ms)
    run(slow.deliver(name, "nonce"))
    assert one.mock.stats()["posts"] == 0
    record = one.parts.record(name)
    assert (record["status"], record["attempts"], record["doubt"]) == ("pending", "0", "0")
    one.until_due(name)
    transaction = one.deliver(name)
    assert transaction.failure is not None
    assert transaction.failure.code == "expired"


def test_a_replay_takes_the_expiry_away_that_is_over_and_leaves_one_that_is_not(rig: Build) -> None:
    one = rig()
    name = accept(one)
    one.clock.forward(MINUTE_MS)
    one.deliver(name)
    assert one.parts.replay(name) == "done"
    assert "deliverBy" not in one.parts.store.read(name).to_json()
    assert one.deliver(name).status is Status.COMPLETED
    other = one.parts.store.accept(expiring(one, name="b"))[0].id
    one.mock.script(other, post=["reject"])
    one.deliver(other)
    assert one.parts.replay(other) == "done"
    assert "deliverBy" in one.parts.store.read(other).to_json()


def test_one_that_is_over_already_is_refused_and_nothing_is_stored(rig: Build) -> None:
    one = rig()
    with pytest.raises(Invalid, match="is over: it is 2") as refused:
        one.parts.store.accept(expiring(one, -1))
    assert refused.value.field == "deliverBy"
    assert one.parts.record("a") == {}
    assert one.parts.read_statistics().totals.accepted == 0


def test_a_repeat_is_told_what_became_of_it_though_it_has_expired(rig: Build) -> None:
    one = rig()
    first = expiring(one)
    one.parts.store.accept(first)
    one.clock.forward(MINUTE_MS)
    transaction, new = one.parts.store.accept(first)
    assert (new, transaction.status, transaction.deliver_by_ms) == (False, Status.PENDING, first.deliver_by_ms)


def test_it_is_no_content_and_the_first_one_counts(rig: Build) -> None:
    one = rig()
    first = expiring(one)
    one.parts.store.accept(first)
    later = expiring(one, 2 * MINUTE_MS)
    assert later.fingerprint == first.fingerprint
    transaction, new = one.parts.store.accept(later)
    assert (new, transaction.deliver_by_ms) == (False, first.deliver_by_ms)
    assert one.parts.store.accept(submission("a"))[1] is False
    with pytest.raises(ContentConflict):
        one.parts.store.accept(expiring(one, body=BODY.replace(b"100.50", b"1")))


@pytest.mark.parametrize("atomic", [False, True])
def test_of_a_batch_each_has_its_own(rig: Build, atomic: bool) -> None:
    one = rig()
    good, plain, over = expiring(one, name="a"), submission("b"), expiring(one, -1, "c")
    replies = one.parts.store.accept_batch([good, plain, over], atomic=atomic)
    assert isinstance(replies[2], Invalid)
    if atomic:
        assert replies[:2] == [None, None]
        return
    assert [reply[0].deliver_by_ms for reply in replies[:2] if isinstance(reply, tuple)] == [good.deliver_by_ms, None]
    assert one.parts.record("c") == {}
    assert int(one.parts.record("a")["deliver_by"]) == good.deliver_by_ms


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:01Z", 1_000),
        ("1970-01-01t00:00:01.9999z", 1_999),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1969-12-31T23:30:00.5-00:30", 500),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ],
)
def test_a_time_is_read_to_the_millisecond_and_never_later_than_it_says(text: str, ms: int) -> None:
    body = BODY[:1] + f'"deliverBy": "{text}", '.encode() + BODY[1:]
    assert parse_submission(body).deliver_by_ms == ms


@pytest.mark.parametrize(
    "written",
    [
        '"2026-11-28T18:15:00"',
        '"2026-11-28"',
        '"18:15"',
        '"2026-11-28T18:15:60Z"',
        '"2026-13-01T00:00:00Z"',
        '"2026-11-28 18:15:00Z"',
        '"20261128T181500Z"',
        '"2026-11-28T18:15:00+99:00"',
        '"0001-01-01T00:00:00+14:00 "',
        '""',
        "1790000000",
        "true",
        "[]",
    ],
)
def test_what_is_no_time_with_a_zone_is_refused(written: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_submission(BODY[:1] + f'"deliverBy": {written}, '.encode() + BODY[1:])
    assert refused.value.field == "deliverBy"
    assert "RFC 3339" in str(refused.value)


def test_null_is_as_left_out() -> None:
    assert parse_submission(BODY[:1] + b'"deliverBy": null, ' + BODY[1:]).deliver_by_ms is None
