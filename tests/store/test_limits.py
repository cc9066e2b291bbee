import secrets

import pytest

from ops.redis_server import RedisServer
from tests.parts import Parts
from txn.errors import Invalid
from txn.model.claim import Claim
from txn.model.flow import Limits as Found
from txn.model.outcome import Cause, Clear, Completed, Maybe, Retry
from txn.model.transaction import Evidence
from txn.operate.limits import parse_rate
from txn.readers.standing_still import standing_still
from txn.settings import Settings

POSTED = Completed(Evidence.POSTED)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"lease_ms": 20_000})


def accept(parts: Parts, count: int, stem: str = "t") -> list[str]:
    names = [f"{stem}{number}" for number in range(count)]
    for name in names:
        parts.accept(name)
        parts.clock.forward(1)
    return names


def limit(parts: Parts, in_flight: int | None = None, rate: str = "") -> None:
    """Set a while ago: nothing is left in flight of what was not counted."""
    parts.limits.set("ann", "why", in_flight=in_flight, rate=parse_rate(rate) if rate else None)
    parts.clock.forward(parts.settings.lease_ms)


def limits(parts: Parts) -> Found:
    found = parts.read_statistics().flow.limits
    assert found is not None
    return found


def fetched(parts: Parts, count: int = 100) -> list[str]:
    return [name.split("~")[0] for name, _ in parts.messages().fetch(count)]


def went_well(parts: Parts, claim: Claim) -> None:
    assert parts.settle(claim, POSTED, answered=True, taken=True, calls="gp") == "settled"


def test_no_more_are_fetched_and_claimed_than_the_limit_and_the_oldest_are_first(parts: Parts) -> None:
    limit(parts, in_flight=3)
    names = accept(parts, 10)
    assert fetched(parts) == names[:3]
    assert fetched(parts) == []
    claims = [parts.claimed(name) for name in names[:3]]
    assert fetched(parts) == []
    went_well(parts, claims[1])
    assert fetched(parts) == [names[3]]
    assert parts.queued() == names[4:]


def test_who_was_fetched_has_a_place_and_another_that_comes_without_a_message_has_none(parts: Parts) -> None:
    limit(parts, in_flight=2)
    accept(parts, 3)
    assert fetched(parts) == ["t0", "t1"]
    assert parts.claim("t2") is None
    assert parts.claim("t1")
    assert parts.claim("t0")


def test_a_place_that_nobody_comes_for_is_free_again(parts: Parts) -> None:
    limit(parts, in_flight=2)
    accept(parts, 4)
    assert fetched(parts) == ["t0", "t1"]
    parts.clock.forward(2_000)
    assert fetched(parts) == ["t2", "t3"]
    assert parts.claim("t0") is None


@pytest.mark.parametrize("ended", ["settled", "given back", "failed"])
def test_a_place_is_free_again_when_its_delivery_is_over(parts: Parts, ended: str) -> None:
    limit(parts, in_flight=1)
    accept(parts, 2)
    claim = parts.claimed("t0")
    assert parts.claim("t1") is None
    outcome = POSTED if ended == "settled" else Retry(Cause.UNCERTAIN, "500", Maybe(5_000), 0)
    parts.settle(claim, outcome, answered=True, taken=ended == "settled")
    assert parts.claim("t1")


def test_the_place_of_a_worker_that_died_is_free_with_the_end_of_its_lease_and_not_before(parts: Parts) -> None:
    limit(parts, in_flight=2)
    accept(parts, 4)
    for name in ("t0", "t1"):
        parts.claimed(name)
    parts.clock.forward(parts.settings.lease_ms - 1_000)
    parts.store.due(100)
    assert parts.claim("t2") is None
    assert limits(parts).in_use == 2
    parts.clock.forward(1_001)
    assert parts.claim("t2")
    assert parts.claim("t0")
    assert parts.claim("t3") is None


def test_a_late_settle_does_not_free_the_place_of_whoever_has_it_now(parts: Parts) -> None:
    limit(parts, in_flight=1)
    accept(parts, 2)
    late = parts.claimed("t0")
    parts.clock.forward(parts.settings.lease_ms + 1)
    parts.claimed("t0")
    assert parts.settle(late, POSTED, answered=True, taken=True) == "taken"
    assert parts.claim("t1") is None


def test_a_second_message_for_what_is_in_flight_does_not_shorten_its_place(parts: Parts) -> None:
    limit(parts, in_flight=2)
    parts.accept("t0")
    parts.claimed("t0")
    assert fetched(parts) == ["t0"]
    parts.clock.forward(5_000)
    assert limits(parts).in_use == 1


def test_what_was_in_flight_before_the_limit_counts_too(parts: Parts) -> None:
    names = accept(parts, 6)
    claims = [parts.claimed(name) for name in names[:3]]
    parts.limits.set("ann", in_flight=3)
    assert limits(parts).in_use == 3
    assert parts.claim("t3") is None
    assert fetched(parts) == []
    went_well(parts, claims[0])
    parts.claimed("t3")
    parts.clock.forward(5_000)
    assert limits(parts).in_use == 3
    assert parts.claim("t4") is None
    went_well(parts, claims[1])
    assert fetched(parts) == ["t0"], "of no use, and yet it keeps a place for a moment"
    assert parts.claim("t4") is None
    parts.clock.forward(parts.settings.lease_ms)
    assert limits(parts).in_use == 0, "t3 was counted from its claim, and its lease is over"


def test_it_is_changed_while_it_runs_and_taken_away(parts: Parts) -> None:
    limit(parts, in_flight=1)
    accept(parts, 30)
    parts.claimed("t0")
    assert parts.claim("t1") is None
    assert parts.limits.set("ann", in_flight=2)
    assert parts.claim("t1")
    assert not parts.limits.set("ann", in_flight=2)
    assert parts.limits.set("ann", in_flight=1)
    assert parts.claim("t2") is None
    assert parts.limits.remove("bob")
    assert not parts.limits.remove("bob")
    assert all(parts.claim(f"t{number}") for number in range(2, 30))
    assert parts.read_statistics().flow.limits is None


def test_what_is_not_named_stays_as_it_is(parts: Parts) -> None:
    parts.limits.set("ann", in_flight=5)
    parts.limits.set("ann", rate=parse_rate("200/s"))
    parts.limits.set("ann", in_flight=7)
    assert (limits(parts).in_flight, limits(parts).rate, limits(parts).rate_a_second) == (7, "200/s", 200)


def test_no_more_begin_than_the_rate_and_what_it_lets_begin_at_once(parts: Parts) -> None:
    limit(parts, rate="100/s")
    accept(parts, 200)
    began_ms = parts.read_statistics().now_ms
    assert len(fetched(parts)) == 10, "a tenth of a second's worth"
    in_use = limits(parts).rate_in_use
    passed_ms = parts.read_statistics().now_ms - began_ms
    assert 1 - passed_ms / 100 <= in_use <= 1
    later = 0
    for _ in range(20):
        parts.clock.forward(50)
        later += len(fetched(parts))
    assert 99 <= later <= (parts.read_statistics().now_ms - began_ms) / 10 + 1


def test_a_claim_without_a_message_is_one_of_the_rate_and_one_with_a_message_is_not_counted_twice(parts: Parts) -> None:
    limit(parts, rate="60/h")
    accept(parts, 3)
    assert fetched(parts) == ["t0"]
    assert parts.claim("t1") is None
    assert parts.claim("t0")
    parts.clock.forward(60_000)
    assert parts.claim("t1")
    assert parts.claim("t2") is None
    assert fetched(parts) == []
    parts.clock.forward(60_000)
    assert fetched(parts) == ["t1"]


def test_a_claim_whose_answer_was_lost_is_repeated_though_the_limit_is_reached(parts: Parts) -> None:
    limit(parts, in_flight=1, rate="60/h")
    parts.accept("t0")
    owner = secrets.token_urlsafe(12)
    first = parts.store.claim("t0", owner)
    assert first is not None
    assert parts.store.claim("t0", owner) == first


def test_what_was_turned_back_comes_first_the_oldest_at_the_head_and_uses_nothing_up(parts: Parts) -> None:
    names = accept(parts, 20)
    ahead = [name for name, _ in parts.messages().fetch(6)]
    limit(parts, in_flight=2)
    claims = [parts.claim(name) for name in ahead]
    assert [claim is not None for claim in claims] == [True, True, False, False, False, False]
    parts.messages().fetch(0, ahead)
    parts.store.due(1)
    assert parts.queued()[:14] == [*names[2:6], *names[6:16]]
    for claim in claims[:2]:
        assert claim is not None
        went_well(parts, claim)
    assert fetched(parts) == names[2:4]
    found = parts.claimed("t2")
    assert (found.attempts, found.counted, found.tries) == (1, 0, 0)
    assert parts.read_statistics().flow.held == 0


def test_what_was_turned_back_and_is_not_acknowledged_yet_waits_for_that(parts: Parts) -> None:
    accept(parts, 4)
    [ahead] = [name for name, _ in parts.messages().fetch(1)]
    limit(parts, in_flight=1)
    parts.claimed("t3")
    assert parts.claim(ahead) is None
    parts.store.due(1)
    assert ahead not in parts.queued()
    parts.messages().fetch(0, [ahead])
    parts.store.due(1)
    assert parts.queued()[0] == ahead


def test_a_backoff_is_not_cut_short_when_others_are_turned_back(parts: Parts) -> None:
    accept(parts, 3)
    failed = Retry(Cause.NOT_WRITTEN, "500", Clear(), 300_000)
    parts.settle(parts.claimed("t0"), failed, answered=True, outage="500", calls="gP")
    limit(parts, in_flight=1)
    parts.claimed("t1")
    parts.client.delete(parts.keys.messages, parts.keys.message_bodies)
    assert parts.claim("t2") is None
    parts.store.due(1)
    assert parts.queued() == ["t2"]


def test_while_the_limit_is_reached_the_queue_costs_nothing(parts: Parts) -> None:
    limit(parts, in_flight=1)
    accept(parts, 50)
    parts.claimed("t0")
    before = parts.client.info("stats")["total_commands_processed"], parts.client.lastsave()
    writes = parts.client.info("persistence")["rdb_changes_since_last_save"]
    for _ in range(20):
        assert fetched(parts) == []
        assert parts.store.due(100) == (0, 0)
        parts.clock.forward(50)
    assert parts.client.info("persistence")["rdb_changes_since_last_save"] == writes, before


def test_a_limit_is_kept_by_a_redis_that_restarts(parts: Parts, server: RedisServer) -> None:
    limit(parts, in_flight=1, rate="5/s")
    accept(parts, 2)
    parts.claimed("t0")
    server.kill()
    server.start()
    assert parts.claim("t1") is None
    assert (limits(parts).in_flight, limits(parts).in_use, limits(parts).rate) == (1, 1, "5/s")


def test_a_clock_that_is_set_back_neither_keeps_places_for_ever_nor_gives_them_away(parts: Parts) -> None:
    parts.clock.forward(3_600_000)
    limit(parts, in_flight=1, rate="60/h")
    accept(parts, 3)
    parts.claimed("t0")
    parts.clock.forward(-3_600_000)
    assert parts.claim("t1") is None
    parts.store.due(100)
    assert parts.claim("t1") is None
    parts.clock.forward(60_001)
    assert parts.claim("t1")


def test_without_a_limit_nothing_of_it_is_written(parts: Parts) -> None:
    accept(parts, 2)
    assert fetched(parts) == ["t0", "t1"]
    went_well(parts, parts.claimed("t0"))
    parts.claimed("t1")
    assert not parts.client.exists(parts.keys.in_flight, parts.keys.turned_back)
    assert not {b"next_at", b"counted_from"} & set(parts.client.hkeys(parts.keys.posting))


def asked_to_wait(parts: Parts, name: str, ms: int) -> None:
    """Two are: another, and this one."""
    one_asked_to_wait(parts, parts.claimed(parts.accept()), 1)
    parts.clock.forward(1)
    one_asked_to_wait(parts, parts.claimed(name), ms)


def one_asked_to_wait(parts: Parts, claim: Claim, ms: int) -> None:
    busy = Retry(Cause.SENT_AWAY, "429", Clear(), 600_000)
    parts.settle(claim, busy, answered=True, outage="429", calls="gP", hold_ms=ms)


def test_when_the_service_asks_to_wait_nothing_goes_out_before_that(parts: Parts) -> None:
    names = accept(parts, 6)
    ahead = [name for name, _ in parts.messages().fetch(3)]
    asked_to_wait(parts, "t0", 30_000)
    assert fetched(parts) == []
    assert [parts.claim(name) for name in names] == [None] * 6
    [problem, *_] = standing_still(parts.read_statistics())
    assert problem.what == "The posting service asks to be left alone"
    parts.messages().fetch(0, ahead)
    parts.clock.forward(29_000)
    assert parts.store.due(100) == (0, 0)
    assert parts.claim("t1") is None
    parts.clock.forward(1_001)
    parts.store.due(100)
    assert [name for name in parts.queued() if name in names[1:]] == names[1:]
    assert parts.claimed("t1").counted == 0
    assert parts.read_statistics().flow.hold_ms is None


def test_no_wait_is_longer_than_a_minute(parts: Parts) -> None:
    accept(parts, 2)
    asked_to_wait(parts, "t0", 999_999_999_000)
    parts.clock.forward(59_000)
    assert parts.claim("t1") is None
    parts.clock.forward(1_001)
    assert parts.claim("t1")


def test_a_shorter_wait_does_not_end_a_longer_one(parts: Parts) -> None:
    accept(parts, 3)
    late = parts.claimed("t1")
    asked_to_wait(parts, "t0", 30_000)
    one_asked_to_wait(parts, late, 1_000)
    parts.clock.forward(10_000)
    assert parts.claim("t2") is None


def test_one_transaction_that_is_always_told_to_wait_does_not_hold_the_others_up(parts: Parts) -> None:
    accept(parts, 2)
    for _ in range(20):
        one_asked_to_wait(parts, parts.claimed("t0"), 30_000)
        parts.clock.forward(600_000)
    assert parts.claim("t1")


def test_a_few_that_are_told_to_wait_among_many_that_go_well_do_not_hold_the_others_up(parts: Parts) -> None:
    for number in range(60):
        claim = parts.claimed(parts.accept())
        one_asked_to_wait(parts, claim, 30_000) if number % 3 == 2 else went_well(parts, claim)


def test_what_a_probe_is_told_holds_up_the_next(parts: Parts) -> None:
    parts.client.hset(parts.keys.posting, mapping={"breaker": "open", "kind": "posts"})
    accept(parts, 2)
    one_asked_to_wait(parts, parts.claimed("t0"), 30_000)
    parts.clock.forward(29_000)
    parts.store.due(100)
    assert parts.claim("t1") is None
    parts.clock.forward(1_001)
    assert parts.claim("t1")


def test_a_wait_from_before_the_clock_was_set_back_is_over(parts: Parts) -> None:
    parts.clock.forward(3_600_000)
    accept(parts, 2)
    asked_to_wait(parts, "t0", 30_000)
    parts.clock.forward(-3_600_000)
    assert parts.claim("t1")


def test_it_is_said_who_has_limited_and_why(parts: Parts) -> None:
    parts.limits.set("ann", "  their night\nbatch ", in_flight=50, rate=parse_rate("200/s"))
    parts.limits.set("bob", rate=parse_rate("90/min"))
    parts.limits.remove("cyd", "it is over")
    assert [(entry.by, entry.what, entry.why) for entry in parts.journal.read()] == [
        ("cyd", "limit: none", "it is over"),
        ("bob", "limit: 90/min", ""),
        ("ann", "limit: 50 in flight, 200/s", "their night batch"),
    ]


@pytest.mark.parametrize("text", ["", "fast", "0/s", "-1/s", "1.5/s", "5/d", "200", "100001/s", "9999999999/h"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_rate(text)


@pytest.mark.parametrize("in_flight", [0, -1, 1_000_001])
def test_what_is_no_number_in_flight_is_refused(parts: Parts, in_flight: int) -> None:
    with pytest.raises(Invalid):
        parts.limits.set("ann", in_flight=in_flight)
    assert parts.read_statistics().flow.limits is None
