from tests.parts import Parts
from txn.model.outcome import Cause, Clear, Completed, Keep, Mode, Retry
from txn.model.transaction import Evidence


def counts(parts: Parts) -> dict[str, int]:
    found = parts.read_statistics().totals
    return {"late_settles": found.late_settles, "late_posted": found.late_posted}


def test_a_post_whose_record_is_gone_may_be_a_double_too(parts: Parts) -> None:
    parts.accept("a")
    claim = parts.claimed("a")
    parts.client.delete(parts.keys.record("a"))
    assert parts.settle(claim, Completed(Evidence.POSTED)) == "unknown"
    assert counts(parts) == {"late_settles": 1, "late_posted": 1}


def test_a_repeated_settle_is_no_double(parts: Parts) -> None:
    parts.accept("a")
    claim = parts.claimed("a")
    parts.settle(claim, Completed(Evidence.POSTED))
    assert parts.settle(claim, Completed(Evidence.POSTED)) == "repeated"
    assert counts(parts) == {"late_settles": 0, "late_posted": 0}


def test_a_look_that_came_too_early_to_know_does_not_lengthen_the_backoff(parts: Parts) -> None:
    parts.accept("a")
    parts.claimed("a")  # and its worker dies
    parts.clock.forward(parts.settings.lease_ms)
    look = parts.claimed("a")
    assert look.mode is Mode.CONFIRM
    parts.settle(look, Retry(Cause.IN_DOUBT, "GET: not there, while in doubt", Keep(), 0))
    assert parts.read_statistics().totals.retrying == 0
    parts.clock.forward(parts.settings.doubt_window_ms)
    again = parts.claimed("a")
    assert again.tries == 0
    parts.settle(again, Retry(Cause.NOT_WRITTEN, "POST: answered 500", Clear(), 0))
    assert parts.record("a")["tries"] == "1"


def test_a_look_while_a_redis_that_lost_data_is_waited_for_leaves_its_trace(parts: Parts) -> None:
    parts.accept("a")
    parts.client.hset(parts.keys.epoch, "quarantine", parts.read_statistics().now_ms + 60_000)
    look = parts.claimed("a")
    assert (look.mode, look.attempts) == (Mode.CONFIRM, 0)
    parts.settle(look, Retry(Cause.IN_DOUBT, "GET: not there, while in doubt", Keep(), 0))
    parts.clock.forward(60_001)
    first = parts.claimed("a")
    assert (first.mode, first.tries) == (Mode.POST, 1), "with TXN_VERIFY=after-doubt, this one is verified"
