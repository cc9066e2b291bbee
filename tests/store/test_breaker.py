import itertools
import secrets
from collections.abc import Callable

import pytest

from ops.redis_server import RedisServer
from tests.parts import Parts
from txn.model.claim import Claim
from txn.model.outcome import Cause, Clear, Completed, Maybe, Mode, Outcome, Released, Retry
from txn.model.transaction import Evidence

IDS = [f"t{number}" for number in range(30)]
AWAY = Retry(Cause.OUTAGE, "refused", Clear(), 300_000)
UNCERTAIN = Retry(Cause.UNCERTAIN, "503", Maybe(0), 300_000)
POSTED = Completed(Evidence.POSTED)
FOUND = Completed(Evidence.FOUND)


def failed(parts: Parts, claim: Claim, calls: str = "G", outcome: Outcome = AWAY) -> None:
    parts.settle(claim, outcome, outage="refused", calls=calls, answered="g" in calls)


def went_well(parts: Parts, claim: Claim, calls: str = "gp") -> None:
    parts.settle(claim, POSTED, answered=True, taken=True, calls=calls)


def breaker(parts: Parts) -> str:
    found = parts.client.hget(parts.keys.posting, "breaker")
    return "closed" if found is None else found.decode()


def accept_all(parts: Parts, ids: list[str]) -> None:
    for name in ids:
        parts.accept(name)
        parts.clock.forward(1)


def open_it(parts: Parts, calls: str = "G", outcome: Outcome = AWAY) -> None:
    """Ten that were in flight fail; what they had for messages is acknowledged."""
    accept_all(parts, IDS[:10])
    taken = [name for name, _ in parts.messages().fetch(10)]
    claims = [parts.claimed(name) for name in IDS[:10]]
    for claim in claims:
        failed(parts, claim, calls, outcome)
    parts.messages().fetch(0, taken)
    assert breaker(parts) == "open"


def probe(parts: Parts) -> Claim:
    """The next one, as a worker comes to it."""
    parts.clock.forward(2_000)
    parts.store.due(100)
    [(name, _)] = parts.messages("prober").fetch(100)
    claim = parts.claimed(name)
    parts.messages("prober").fetch(0, [name])
    return claim


def half_open(parts: Parts, calls: str = "G") -> None:
    open_it(parts, calls)
    went_well(parts, probe(parts))
    assert breaker(parts) == "half"


def close(parts: Parts) -> None:
    """Up the ramp, with transactions of its own."""
    for number in range(20):
        if breaker(parts) == "closed":
            return
        went_well(parts, parts.claimed(parts.accept(f"ramp{number}")))
    raise AssertionError("it does not close")


@pytest.mark.parametrize(("calls", "outcome"), [("G", AWAY), ("gP", AWAY), ("gPg", UNCERTAIN)])
def test_when_all_calls_of_a_kind_fail_it_opens(parts: Parts, calls: str, outcome: Outcome) -> None:
    open_it(parts, calls, outcome)
    assert parts.client.hget(parts.keys.posting, "kind") == (b"gets" if calls == "G" else b"posts")


@pytest.mark.parametrize("calls", ["G", "gP"])
def test_nine_calls_are_too_few(parts: Parts, calls: str) -> None:
    for name in IDS[:9]:
        parts.accept(name)
        failed(parts, parts.claimed(name), calls)
    assert breaker(parts) == "closed"


def test_two_transactions_that_always_fail_are_no_outage(parts: Parts) -> None:
    for name in IDS[:2]:
        parts.accept(name)
    for number in range(40):
        failed(parts, parts.claimed(IDS[number % 2]), "gPg", UNCERTAIN)
        parts.clock.forward(300_001)
    assert breaker(parts) == "closed"


def test_with_three_of_twenty_going_well_it_stays_closed_and_with_two_it_opens(parts: Parts) -> None:
    for well, opens in ((3, "closed"), (2, "open")):
        parts.client.hdel(parts.keys.posting, "gets", "posts")
        for number in range(20):
            claim = parts.claimed(parts.accept(f"{well}-{number}"))
            went_well(parts, claim, "g") if number % 10 < well / 2 and number // 10 < well else failed(parts, claim)
            if breaker(parts) == "open":
                break
        assert breaker(parts) == opens, well


@pytest.mark.parametrize(("calls", "well"), [("G!", "g"), ("gP!", "gp"), ("gP!G!", "gp")])
def test_those_that_hung_say_nothing_once_another_has_gone_well(parts: Parts, calls: str, well: str) -> None:
    hung = [parts.claimed(parts.accept(name)) for name in IDS[:20]]
    parts.clock.forward(1)
    went_well(parts, parts.claimed(parts.accept("another")), well)
    for claim in hung:
        failed(parts, claim, calls, UNCERTAIN)
    assert breaker(parts) == "closed"


@pytest.mark.parametrize(("calls", "well"), [("G!", "gp"), ("gP!", "gp"), ("gP!", "g")])
def test_those_that_hung_open_it_if_none_of_their_kind_has_gone_well_since(parts: Parts, calls: str, well: str) -> None:
    before = parts.claimed(parts.accept("before"))
    parts.settle(before, POSTED, answered=True, taken=True, calls="gp")
    parts.clock.forward(1)
    hung = [parts.claimed(parts.accept(name)) for name in IDS[:20]]
    if well == "g":
        parts.clock.forward(1)
        parts.settle(parts.claimed(parts.accept("found")), FOUND, answered=True, calls="g")
    for claim in hung:
        failed(parts, claim, calls, UNCERTAIN)
    assert breaker(parts) == "open"


def test_those_that_fail_at_once_are_judged_whoever_went_well_since(parts: Parts) -> None:
    claims = [parts.claimed(parts.accept(name)) for name in IDS[:20]]
    parts.clock.forward(1)
    went_well(parts, parts.claimed(parts.accept("another")))
    for claim in claims:
        failed(parts, claim, "gP", UNCERTAIN)
    assert breaker(parts) == "open"


def test_a_refusal_of_a_body_and_a_post_that_was_verified_are_no_failures(parts: Parts) -> None:
    for number, calls in enumerate(["gp", "gpg"] * 15):
        parts.settle(parts.claimed(parts.accept(IDS[number])), POSTED, answered=True, taken=True, calls=calls)
    assert breaker(parts) == "closed"


def test_a_settle_that_is_refused_says_nothing(parts: Parts) -> None:
    claims = [parts.claimed(parts.accept(name)) for name in IDS[:4]]
    for claim in claims:
        for _ in range(5):
            failed(parts, claim)
    assert breaker(parts) == "closed"


def test_while_it_is_open_nobody_claims_fetches_or_queues_and_accepting_goes_on(parts: Parts) -> None:
    open_it(parts)
    accept_all(parts, IDS[10:])
    assert parts.messages().fetch(100) == []
    assert parts.store.due(100) == (0, 0)
    assert all(parts.claim(name) is None for name in IDS)
    assert (parts.status("t29"), parts.queued()) == ("pending", IDS[10:])
    parts.clock.forward(400)
    assert parts.messages().fetch(100) == []


def test_the_first_probe_is_the_oldest_that_waits_and_the_next_another(parts: Parts) -> None:
    open_it(parts)
    accept_all(parts, IDS[10:])
    order = []
    for _ in range(12):
        claim = probe(parts)
        order.append(claim.id)
        failed(parts, claim)
    assert order == [*IDS[:10], "t10", "t0"], "after the last it is the turn of what is in the queue, then of the first"


def test_there_is_one_probe_at_a_time_and_it_waits_for_its_time(parts: Parts) -> None:
    open_it(parts)
    claim = probe(parts)
    assert parts.store.due(100) == (0, 0)
    assert all(parts.claim(name) is None for name in IDS[:10])
    failed(parts, claim, "gPg", UNCERTAIN)
    parts.clock.forward(700)
    assert parts.store.due(100) == (0, 0), "three requests, two a second at most"
    parts.clock.forward(801)
    assert parts.store.due(100) == (0, 1)


def test_a_probe_that_hangs_or_whose_worker_dies_does_not_hold_up_the_next(parts: Parts) -> None:
    open_it(parts)
    hangs = probe(parts)
    parts.clock.forward(700)
    assert parts.store.due(100) == (0, 0)
    assert all(parts.claim(name) is None for name in IDS[:10])
    parts.clock.forward(801)
    assert parts.store.due(100) == (0, 1)
    next_one = probe(parts)
    assert next_one.id != hangs.id
    went_well(parts, next_one)
    assert breaker(parts) == "half"


@pytest.mark.parametrize("settle", [failed, went_well])
def test_a_probe_that_hung_says_nothing_after_another_that_went_well(
    parts: Parts, settle: Callable[[Parts, Claim], None]
) -> None:
    open_it(parts)
    hangs = probe(parts)
    went_well(parts, probe(parts))
    assert parts.claim(parts.accept("fresh")), "it has no place on the ramp"
    settle(parts, hangs)
    assert parts.client.hmget(parts.keys.posting, "breaker", "cap") == [b"half", b"1"]


def test_a_probe_that_fails_leaves_the_time_to_the_one_after_it(parts: Parts) -> None:
    open_it(parts)
    hangs = probe(parts)
    younger = probe(parts)
    parts.clock.forward(100)
    failed(parts, hangs, "gP!g", UNCERTAIN)
    parts.clock.forward(600)
    assert parts.store.due(100) == (0, 0)
    failed(parts, younger)
    parts.clock.forward(501)
    assert parts.store.due(100) == (0, 1), "the last that was claimed has failed"


def test_a_probe_that_fails_late_leaves_the_message_of_the_next_alone(parts: Parts) -> None:
    open_it(parts)
    hangs = probe(parts)
    younger = probe(parts)
    failed(parts, younger)
    parts.clock.forward(501)
    assert parts.store.due(100) == (0, 1)
    failed(parts, hangs, "gP!g", UNCERTAIN)
    assert parts.store.due(100) == (0, 0), "it is offered once"
    [(name, _)] = parts.messages().fetch(100)
    assert parts.claim(name)


def test_what_was_on_the_ramp_when_it_closed_does_not_hold_up_the_probes_of_the_next_outage(parts: Parts) -> None:
    half_open(parts)
    flying: list[Claim] = []
    while breaker(parts) == "half":
        while claim := parts.claim(parts.accept()):
            flying.append(claim)
        went_well(parts, flying.pop(0))
    assert len(flying) > 100
    names = [parts.accept(f"again{number}") for number in range(20)]
    for name in names:
        failed(parts, parts.claimed(name))
        if breaker(parts) == "open":
            break
    parts.clock.forward(501)
    assert parts.store.due(100) == (0, 1)
    went_well(parts, flying.pop())
    assert breaker(parts) == "open", "it was sent before"


def test_when_eight_probes_hang_the_next_waits_for_the_end_of_one_or_of_its_lease(parts: Parts) -> None:
    open_it(parts)
    hanging = [probe(parts) for _ in range(8)]
    assert parts.settings.lease_ms == 20_000
    parts.clock.forward(1_500)
    assert parts.store.due(100) == (0, 0)
    assert all(parts.claim(name) is None for name in IDS[:10])
    failed(parts, hanging.pop())
    hanging.append(probe(parts))
    parts.clock.forward(6_000)
    assert probe(parts).id not in [claim.id for claim in hanging]


#: How the service is away: what becomes of a probe, and in ms after its claim.
KINDS = {
    "refuses connections": ("G", AWAY, 100),
    "all hangs": ("G!", AWAY, 5_000),
    "POSTs hang": ("gP!g", UNCERTAIN, 5_000),
    "POSTs hang, and then GETs": ("gP!G!", UNCERTAIN, 10_000),
    "5xx to POSTs": ("gPg", UNCERTAIN, 100),
}
TICK_MS = 100


@pytest.mark.parametrize("kind", KINDS)
def test_an_outage_gets_two_requests_a_second_and_a_probe_every_1500_ms_at_least(parts: Parts, kind: str) -> None:
    calls, outcome, ends_ms = KINDS[kind]
    open_it(parts, calls, outcome)
    probes: list[tuple[int, int, Claim]] = []
    for tick in range(200):
        for began, _, claim in probes:
            if began == tick - ends_ms // TICK_MS:
                failed(parts, claim, calls, outcome)
        parts.store.due(100)
        for name, _ in parts.messages().fetch(10):
            if claimed := parts.claim(name):
                probes.append((tick, int(parts.record(name)["lease"]) - parts.settings.lease_ms, claimed))
            parts.messages().fetch(0, [name])
        parts.clock.forward(TICK_MS)
    requests = len(calls.replace("!", ""))
    assert all(after - before >= 500 * requests for (_, before, _), (_, after, _) in itertools.pairwise(probes))
    ticks = [0, *(tick for tick, _, _ in probes), 200]
    assert all(after - before <= 1_500 / TICK_MS + 1 for before, after in itertools.pairwise(ticks))


def test_a_probe_whose_claim_lost_its_answer_is_claimed_again(parts: Parts) -> None:
    open_it(parts)
    parts.clock.forward(300_001)
    owner = secrets.token_urlsafe(12)
    first = parts.store.claim("t3", owner)
    assert first is not None
    assert parts.store.claim("t3", owner) == first


def test_a_probe_that_is_settled_twice_counts_once(parts: Parts) -> None:
    open_it(parts)
    claim = probe(parts)
    went_well(parts, claim)
    went_well(parts, claim)
    assert parts.client.hmget(parts.keys.posting, "breaker", "cap") == [b"half", b"1"]


def test_a_probe_that_could_only_look_proves_nothing_of_posts(parts: Parts) -> None:
    open_it(parts, "gPg", UNCERTAIN)
    claim = probe(parts)
    parts.settle(claim, Released(), answered=True, calls="g")
    assert breaker(parts) == "open"
    went_well(parts, probe(parts))
    assert breaker(parts) == "half"


def test_what_was_on_its_way_when_it_opened_neither_closes_it_nor_counts(parts: Parts) -> None:
    late = [parts.claimed(parts.accept(name)) for name in IDS[10:12]]
    parts.clock.forward(1)  # the others are younger
    open_it(parts, "gPg", UNCERTAIN)
    probe_at = parts.client.hget(parts.keys.posting, "probe_at")
    for claim, settle in zip(late, (went_well, failed), strict=True):
        settle(parts, claim)
        assert parts.client.hmget(parts.keys.posting, "breaker", "probe_at") == [b"open", probe_at]
    failed(parts, probe(parts), "gPg", UNCERTAIN)
    claim = probe(parts)
    assert (claim.id, claim.attempts, claim.counted) == ("t0", 2, 0)


def test_in_doubt_ones_are_no_probes_of_posts_before_the_doubt_is_over(parts: Parts) -> None:
    open_it(parts, "gPg", Retry(Cause.UNCERTAIN, "503", Maybe(15_000), 0))
    parts.clock.forward(2_000)
    assert parts.store.due(100) == (0, 0)
    parts.accept("young")
    parts.store.due(100)
    assert [name for name, _ in parts.messages().fetch(10)] == ["young"]


def test_one_that_may_be_there_already_is_a_probe_of_posts_only_if_there_is_no_other(parts: Parts) -> None:
    open_it(parts, "gPg", Retry(Cause.UNCERTAIN, "503", Maybe(15_000), 0))
    parts.accept("untried")
    parts.client.delete(parts.keys.messages, parts.keys.message_bodies)
    assert parts.claim("untried") is None
    parts.clock.forward(15_001)
    claim = probe(parts)
    assert claim.id == "untried"
    went_well(parts, claim)
    assert breaker(parts) == "half"


def test_with_no_other_one_that_may_be_there_already_is_the_probe(parts: Parts) -> None:
    open_it(parts, "gPg", Retry(Cause.UNCERTAIN, "503", Maybe(15_000), 0))
    parts.clock.forward(15_001)
    went_well(parts, probe(parts))
    assert breaker(parts) == "half"


def test_in_doubt_ones_can_look_whether_gets_are_answered_again(parts: Parts) -> None:
    open_it(parts, "G", Retry(Cause.OUTAGE, "", Maybe(15_000), 0))
    claim = probe(parts)
    assert claim.mode is Mode.CONFIRM
    parts.settle(claim, Completed(Evidence.FOUND), answered=True, calls="g")
    assert breaker(parts) == "half"


def test_with_nobody_waiting_the_one_whose_worker_died_is_the_probe(parts: Parts) -> None:
    open_it(parts)
    for name in IDS[:10]:
        parts.client.zrem(parts.keys.outage, name)
    parts.clock.forward(300_001)
    parts.store.due(100)
    assert len(parts.queued()) == 1
    went_well(parts, probe(parts))
    assert breaker(parts) == "half"


def test_half_open_lets_one_two_four_and_then_all_through(parts: Parts) -> None:
    half_open(parts)
    flying: list[Claim] = []
    for most in (1, 2, 4, 8, 16, 32, 64, 128):
        while claim := parts.claim(parts.accept()):
            flying.append(claim)
        assert len(flying) == most
        went_well(parts, flying.pop())
    assert breaker(parts) == "closed"
    assert all(parts.claim(parts.accept()) for _ in range(300))


def test_a_failure_halves_the_ramp_and_at_its_foot_opens_again(parts: Parts) -> None:
    half_open(parts)
    went_well(parts, parts.claimed(parts.accept()))
    failed(parts, parts.claimed(parts.accept()), "gPg", UNCERTAIN)
    assert parts.client.hmget(parts.keys.posting, "breaker", "cap") == [b"half", b"1"]
    failed(parts, parts.claimed(parts.accept()), "gPg", UNCERTAIN)
    assert parts.client.hmget(parts.keys.posting, "breaker", "kind") == [b"open", b"posts"]


def test_a_worker_that_dies_on_the_ramp_leaves_its_place_with_its_lease(parts: Parts) -> None:
    half_open(parts)
    parts.claimed(parts.accept())
    assert parts.claim(parts.accept()) is None
    parts.clock.forward(parts.settings.lease_ms)
    assert parts.claim(parts.accept()) is not None


def test_on_the_ramp_what_waits_is_offered_as_far_as_there_is_room(parts: Parts) -> None:
    half_open(parts)
    assert parts.store.due(100)[1] == 0
    assert parts.queued() == ["t1"]
    assert [name for name, _ in parts.messages().fetch(100)] == ["t1"]


def test_a_ramp_that_nobody_is_left_for_ends(parts: Parts) -> None:
    half_open(parts)
    for name in IDS[1:10]:
        parts.clock.forward(300_001)
        parts.settle(parts.claimed(name), Completed(Evidence.FOUND), answered=True)
    parts.client.delete(parts.keys.messages)
    parts.store.due(100)
    assert breaker(parts) == "closed"


def test_what_waited_because_of_the_outage_is_due_when_it_closes_the_oldest_first(parts: Parts) -> None:
    open_it(parts)
    accept_all(parts, IDS[10:])
    went_well(parts, probe(parts))
    close(parts)
    parts.client.lrem(parts.keys.messages, 0, "ramp0")
    looked, queued = parts.store.due(100)
    assert (looked, queued) == (9, 9)
    names = [name for name, _ in parts.messages().fetch(29)]
    assert names == IDS[1:]
    assert all(parts.claim(name) for name in names)
    assert parts.client.zcard(parts.keys.outage) == 0


def test_what_is_due_by_itself_comes_in_its_order_too(parts: Parts) -> None:
    open_it(parts)
    accept_all(parts, IDS[10:])
    parts.clock.forward(300_001)
    went_well(parts, probe(parts))
    assert parts.store.due(100) == (29, 0)
    close(parts)
    parts.store.due(100)
    assert [name for name, _ in parts.messages().fetch(29)] == IDS[1:]


def test_what_was_handed_over_before_older_ones_came_to_the_head_is_not_queued_again(parts: Parts) -> None:
    open_it(parts)
    accept_all(parts, IDS[10:])
    parts.clock.forward(300_001)
    went_well(parts, probe(parts))
    close(parts)
    handed_over = [name for name, _ in parts.messages().fetch(20)]
    parts.messages().fetch(0, handed_over)
    assert handed_over == IDS[10:]
    looked, _ = parts.store.due(100)
    assert looked > 20
    assert not set(handed_over) & set(parts.queued())
    claims = [parts.claimed(name) for name in IDS[10:]]
    parts.clock.forward(1_001)
    parts.store.due(100)
    assert not set(handed_over) & set(parts.queued())
    assert len(claims) == 20


def test_what_was_lost_then_is_queued_again_a_second_later(parts: Parts) -> None:
    open_it(parts)
    parts.accept("lost")
    parts.clock.forward(300_001)
    went_well(parts, probe(parts))
    close(parts)
    parts.client.lrem(parts.keys.messages, 0, "lost")
    parts.client.hdel(parts.keys.message_bodies, "lost")
    parts.store.due(100)
    assert "lost" not in parts.queued()
    parts.clock.forward(1_001)
    parts.store.due(100)
    assert "lost" in parts.queued()


def test_what_could_not_be_claimed_while_it_was_open_waits_for_its_end_too(parts: Parts) -> None:
    open_it(parts)
    parts.accept("prefetched")
    parts.client.delete(parts.keys.messages, parts.keys.message_bodies)
    assert parts.claim("prefetched") is None
    went_well(parts, probe(parts))
    close(parts)
    parts.store.due(100)
    assert "prefetched" in parts.queued()


def test_what_is_in_doubt_comes_back_when_the_doubt_is_over(parts: Parts) -> None:
    open_it(parts, "gPg", Retry(Cause.UNCERTAIN, "503", Maybe(15_000), 200_000))
    parts.accept("young")
    went_well(parts, probe(parts))
    close(parts)
    parts.store.due(100)
    assert "t1" not in parts.queued()
    assert parts.record("t1")["next"] == parts.record("t1")["doubt"]
    parts.clock.forward(15_000)
    parts.store.due(100)
    assert "t1" in parts.queued()


def test_what_fails_by_itself_after_the_end_keeps_its_backoff(parts: Parts) -> None:
    open_it(parts)
    went_well(parts, probe(parts))
    close(parts)
    parts.clock.forward(10)
    parts.accept("poison")
    failed(parts, parts.claimed("poison"), "gPg", UNCERTAIN)
    parts.client.delete(parts.keys.messages, parts.keys.message_bodies)
    parts.store.due(100)
    assert parts.claim("poison") is None
    assert "poison" not in parts.queued()


def test_an_attempt_of_the_outage_does_not_count(parts: Parts) -> None:
    open_it(parts, "gPg", UNCERTAIN)
    for _ in range(9):
        failed(parts, probe(parts), "gPg", UNCERTAIN)
    went_well(parts, probe(parts))
    close(parts)
    parts.store.due(100)
    claims = [parts.claimed(name) for name in IDS[:10] if parts.status(name) == "pending"]
    assert [(claim.attempts, claim.counted) for claim in claims] == [(3, 0)] * 9


def test_a_probe_does_not_count_the_attempt_before_the_outage_though_others_got_through_then(parts: Parts) -> None:
    failed(parts, parts.claimed(parts.accept("first")), "gP", UNCERTAIN)
    parts.let_another_in()
    for name in IDS[:9]:
        failed(parts, parts.claimed(parts.accept(name)))
    parts.client.delete(parts.keys.messages, parts.keys.message_bodies)
    claim = probe(parts)
    assert (claim.id, claim.attempts, claim.counted) == ("first", 2, 0)
    went_well(parts, probe(parts))
    failed(parts, claim)
    close(parts)
    parts.store.due(100)
    assert parts.claimed("first").counted == 0


def test_what_fails_after_the_outage_counts(parts: Parts) -> None:
    open_it(parts)
    went_well(parts, probe(parts))
    close(parts)
    parts.accept("poison")
    failed(parts, parts.claimed("poison"), "gPg", Retry(Cause.UNCERTAIN, "500", Maybe(0), 0))
    parts.let_another_in()
    parts.clock.forward(10)
    assert parts.claimed("poison").counted == 1


def test_a_clock_that_is_set_back_does_not_keep_it_open(parts: Parts) -> None:
    parts.clock.forward(3_600_000)
    open_it(parts)
    probe(parts)  # and its worker dies
    parts.clock.forward(-3_600_000)
    parts.store.due(100)
    went_well(parts, probe(parts))
    assert breaker(parts) == "half"


def test_it_is_kept_by_a_redis_that_restarts(parts: Parts, server: RedisServer) -> None:
    open_it(parts)
    before = parts.client.hgetall(parts.keys.posting)
    server.kill()
    server.start()
    assert parts.client.hgetall(parts.keys.posting) == before
    went_well(parts, probe(parts))
    assert breaker(parts) == "half"


def test_without_failures_the_window_is_not_written_again_and_again(parts: Parts) -> None:
    for _ in range(20):
        went_well(parts, parts.claimed(parts.accept()))
    parts.client.hset(parts.keys.posting, "gets", "." * 60)
    window = parts.client.hget(parts.keys.posting, "posts")
    went_well(parts, parts.claimed(parts.accept()))
    assert window == parts.client.hget(parts.keys.posting, "posts") == b"." * 60
