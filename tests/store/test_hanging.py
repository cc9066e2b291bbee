import pytest

from tests.parts import Parts
from txn.model.outcome import Cause, Clear, Completed, Retry
from txn.model.transaction import Evidence
from txn.settings import Settings

MOST = 4
HUNG = Retry(Cause.UNANSWERED, "GET: no answer in time", Clear(), 0)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"max_hanging": MOST})


def hang(parts: Parts, count: int) -> list[str]:
    """So many that hung, and are due again; others went well meanwhile."""
    names = [f"h{number}" for number in range(count)]
    for name in names:
        parts.settle(parts.claimed(parts.accept(name)), HUNG, outage="GET", calls="G!")
        parts.settle(parts.claimed(parts.accept()), Completed(Evidence.POSTED), answered=True, taken=True, calls="gp")
    return names


def test_those_that_hung_hold_no_more_than_their_share_and_the_others_have_theirs(parts: Parts) -> None:
    names = hang(parts, 10)
    claims = [parts.claim(name) for name in names]
    assert sum(claim is not None for claim in claims) == MOST
    assert all(parts.claim(parts.accept()) for _ in range(100))


def test_what_hung_in_an_outage_that_is_over_needs_no_share(parts: Parts) -> None:
    names = hang(parts, 10)
    parts.client.hset(parts.keys.posting, "ended", parts.read_statistics().now_ms)
    claims = [parts.claimed(name) for name in names]
    assert parts.client.zcard(parts.keys.hanging) == 0
    for claim in claims:
        parts.settle(claim, HUNG, outage="GET", calls="G!")
    assert sum(parts.claim(name) is not None for name in names) == MOST


def test_a_place_is_free_again_when_a_call_has_ended_and_with_the_lease_of_a_dead_worker(parts: Parts) -> None:
    names = hang(parts, 7)
    claims = [parts.claimed(name) for name in names[:MOST]]
    assert parts.claim("h4") is None
    parts.settle(claims[0], HUNG, outage="GET", calls="G!")
    assert parts.claim("h5") is not None
    assert parts.claim("h6") is None
    parts.clock.forward(parts.settings.lease_ms + 1)
    assert parts.claim("h6") is not None


def test_who_finds_no_place_comes_back_by_itself(parts: Parts) -> None:
    names = hang(parts, 5)
    claims = [parts.claimed(name) for name in names[:MOST]]
    parts.client.delete(parts.keys.messages, parts.keys.message_bodies)
    before_ms = parts.read_statistics().now_ms
    assert parts.claim("h4") is None
    after_ms = parts.read_statistics().now_ms
    for claim in claims:
        parts.settle(claim, Completed(Evidence.FOUND), answered=True, calls="g")
    next_ms = int(parts.record("h4")["next"])
    assert before_ms < next_ms <= after_ms + 2_000
    parts.clock.forward(2_001)
    parts.store.due(100)
    assert "h4" in parts.queued()
    assert parts.claim("h4") is not None


def test_the_longer_it_has_hung_the_longer_it_waits_for_a_place(parts: Parts) -> None:
    names = hang(parts, 5)
    for name in names[:MOST]:
        parts.claimed(name)
    waits = []
    for tries in (1, 4, 8):
        parts.client.hset(parts.keys.record("h4"), mapping={"tries": tries, "next": 0})
        assert parts.claim("h4") is None
        waits.append(int(parts.record("h4")["next"]) - parts.read_statistics().now_ms)
    assert waits == sorted(waits)
    parts.client.hset(parts.keys.record("h4"), mapping={"tries": 1_000, "next": 0})
    assert parts.claim("h4") is None
    assert int(parts.record("h4")["next"]) - parts.read_statistics().now_ms <= 256_000


def test_one_that_is_answered_again_is_as_the_others(parts: Parts) -> None:
    names = hang(parts, 5)
    again = parts.claimed("h4")
    parts.settle(again, Retry(Cause.NOT_WRITTEN, "500", Clear(), 0), answered=True, calls="gP")
    for name in names[:MOST]:
        parts.claimed(name)
    assert parts.claim("h4") is not None


def test_a_claim_whose_answer_was_lost_is_repeated_though_all_places_are_held(parts: Parts) -> None:
    names = hang(parts, MOST)
    for name in names[1:]:
        parts.claimed(name)
    first = parts.store.claim("h0", "nonce")
    assert first is not None
    again = parts.store.claim("h0", "nonce")
    assert again is not None
    assert (again.mode, again.attempts) == (first.mode, first.attempts)


def test_a_clock_that_is_set_back_frees_the_places(parts: Parts) -> None:
    parts.clock.forward(3_600_000)
    for name in hang(parts, MOST + 1)[:MOST]:
        parts.claimed(name)
    parts.clock.forward(-3_600_000)
    parts.client.hset(parts.keys.record("h4"), "next", 0)
    assert parts.claim("h4") is not None
