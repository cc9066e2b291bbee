import pytest

from tests.parts import Parts
from txn.model.outcome import Cause, Clear, Completed, Failed, Maybe, Retry
from txn.model.transaction import ErrorCode, Evidence
from txn.readers.charts import Charts
from txn.readers.health import Snapshot, problems_in
from txn.readers.problem import Problem
from txn.readers.workers import Marks
from txn.store.durability import DurabilityMonitor


def problems(parts: Parts) -> list[Problem]:
    monitor = DurabilityMonitor(allow_lossy=False)
    monitor.check(parts.client)
    statistics = parts.read_statistics()
    history = Charts(parts.database).read(statistics.now_ms)
    return problems_in(Snapshot(statistics, Marks(None, None), history, monitor))


def about_attempts(parts: Parts) -> list[Problem]:
    return [problem for problem in problems(parts) if "of the attempts fail" in problem.what]


def fails(parts: Parts, name: str) -> None:
    retry = Retry(Cause.UNCERTAIN, "POST: answered 500", Maybe(0), 0)
    parts.settle(parts.claimed(name), retry, answered=True, outage="POST: answered 500", calls="gPg")


def succeeds(parts: Parts) -> None:
    parts.settle(parts.claimed(parts.accept()), Completed(Evidence.POSTED), answered=True, taken=True, calls="gp")


def mixed(parts: Parts) -> None:
    """Four in ten attempts fail, and others get through: too few for an outage."""
    for number in range(20):
        if number % 5 < 2:
            fails(parts, parts.accept())
        else:
            succeeds(parts)


def test_attempts_that_fail_now_are_named_with_the_reason_and_what_they_cost(parts: Parts) -> None:
    parts.begin_a_minute()
    mixed(parts)
    [problem] = about_attempts(parts)
    assert problem.what == "40% of the attempts fail"
    assert "the latest: POST: answered 500" in problem.hint
    assert "Others get through, so attempts are used up" in problem.hint


def test_as_soon_as_the_latest_calls_go_well_it_is_over(parts: Parts) -> None:
    parts.begin_a_minute()
    mixed(parts)
    parts.clock.forward(10_000)
    for _ in range(20):
        succeeds(parts)
    assert about_attempts(parts) == []


def test_an_outage_has_one_word_and_none_when_it_is_over(parts: Parts) -> None:
    parts.begin_a_minute()
    names = [parts.accept() for _ in range(12)]
    for name in names:
        if parts.read_statistics().flow.breaker == "closed":
            fails(parts, name)
    found = problems(parts)
    assert [problem.what for problem in found if problem.level == "bad" and "posting" in problem.what] != []
    assert about_attempts(parts) == []
    parts.client.hdel(parts.keys.posting, "breaker", "refused")
    succeeds(parts)
    assert [problem.what for problem in problems(parts)] == ["No worker is alive"]


def test_rejections_count_although_every_call_is_answered(parts: Parts) -> None:
    parts.begin_a_minute()
    for number in range(12):
        if number % 3:
            succeeds(parts)
        else:
            claim = parts.claimed(parts.accept())
            outcome = Failed(ErrorCode.REJECTED, "no", Clear())
            parts.settle(claim, outcome, answered=True, taken=True, calls="gpg")
    [problem] = about_attempts(parts)
    assert problem.what == "33% of the attempts fail"
    assert problem.hint == "the posting service answers, and says no: they end as failed. txn failed says why"


@pytest.mark.parametrize(("minutes", "told"), [(0, True), (2, False)])
def test_what_was_minutes_ago_is_not_now(parts: Parts, minutes: int, told: bool) -> None:
    parts.begin_a_minute()
    mixed(parts)
    parts.clock.forward(minutes * 60_000)
    for _ in range(10):
        succeeds(parts)
    parts.client.hset(parts.keys.posting, "posts", "abc" * 8 + "..." * 12)
    assert bool(about_attempts(parts)) is told


@pytest.mark.parametrize(("minutes", "told"), [(1, True), (2, False)])
def test_where_little_goes_on_five_minutes_count_if_the_last_two_have_a_failure(
    parts: Parts, minutes: int, told: bool
) -> None:
    parts.begin_a_minute()
    for _ in range(12):
        claim = parts.claimed(parts.accept())
        parts.settle(claim, Failed(ErrorCode.REJECTED, "no", Clear()), answered=True, taken=True, calls="gpg")
    parts.clock.forward(minutes * 60_000)
    succeeds(parts)
    assert bool(about_attempts(parts)) is told


def test_a_redis_that_lost_data_is_named(parts: Parts) -> None:
    parts.claimed(parts.accept())
    parts.client.delete(parts.keys.epoch)
    parts.claim(parts.accept())
    [problem] = [problem for problem in problems(parts) if problem.what == "Redis has lost data"]
    assert problem.level == "bad"


@pytest.mark.parametrize(
    ("reason", "what", "advice"),
    [
        ("POST: no answer within 5 s", "The posting service does not answer POSTs", "It takes connections and hangs"),
        ("POST: answered 403: check it", "The posting service takes no POSTs", ""),
        ("POST: answered 503", "The posting service takes no POSTs", "It answers with errors: ask those who run it"),
    ],
)
def test_an_outage_says_why_what_it_costs_and_what_to_do(parts: Parts, reason: str, what: str, advice: str) -> None:
    for name in ("a", "b", "c"):
        parts.accept(name)
    for _ in range(4):
        for name in ("a", "b", "c"):
            if claim := parts.claim(name):
                retry = Retry(Cause.UNCERTAIN, reason, Maybe(0), 0)
                parts.settle(claim, retry, answered=True, outage=reason, calls="gPg")
        parts.clock.forward(1)
    parts.clock.forward(276_000)
    [problem] = [problem for problem in problems(parts) if problem.what == what]
    assert problem.hint.startswith(f"{reason}. Deliveries go on by themselves when it does, and no attempt is used up.")
    assert "3 wait, the oldest for 4 min; only probes go out" in problem.hint
    assert advice in problem.hint
    assert "libcurl" not in problem.hint


@pytest.mark.parametrize("held_up", ["outage", "pause", "return"])
def test_while_deliveries_are_held_up_it_is_said_how_long_what_waits_will_take(parts: Parts, held_up: str) -> None:
    parts.begin_a_minute()
    for _ in range(10):
        succeeds(parts)
    assert parts.read_statistics().catching_up_ms is None
    for _ in range(30):
        parts.accept()
    if held_up == "pause":
        parts.pauses.pause("ann", "why", None)
    else:
        state = {"breaker": "open" if held_up == "outage" else "half", "kind": "gets", "reason": "refused", "cap": 1}
        parts.client.hset(parts.keys.posting, mapping=state)
    assert parts.read_statistics().catching_up_ms == 180_000
    hints = " ".join(problem.hint for problem in problems(parts))
    assert "hat waits then takes" in hints
    assert "at the pace of the best minute before, or less" in hints
    parts.clock.forward(2 * 3_600_000)
    assert parts.read_statistics().catching_up_ms is None
