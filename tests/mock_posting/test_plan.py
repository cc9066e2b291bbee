from collections import Counter
from random import Random

import pytest

from ops.mock_posting.faults import POST_RATES, BadFaults, FaultPlan, Faults, Script, checked

EVERYTHING = Faults.model_validate(
    dict.fromkeys(POST_RATES, 0.08) | {"get_fail": 0.2, "get_stale": 0.3, "hang_min_ms": 100, "hang_max_ms": 900}
)


def decisions(plan: FaultPlan, ids: list[str]) -> dict[str, list[object]]:
    seen: dict[str, list[object]] = {name: [] for name in ids}
    for name in ids:
        seen[name] += [plan.for_post(name), plan.hang_s(name), plan.for_get(name), plan.stale_s(name)]
    return seen


def test_the_same_seed_decides_the_same_in_whatever_order_the_ids_come() -> None:
    ids = [f"n{number}" for number in range(50)] * 3
    shuffled = Random(1).sample(ids, len(ids))
    assert decisions(FaultPlan(7, EVERYTHING), ids) == decisions(FaultPlan(7, EVERYTHING), shuffled)
    assert decisions(FaultPlan(7, EVERYTHING), ids) != decisions(FaultPlan(8, EVERYTHING), ids)


def test_each_request_of_an_id_is_decided_anew() -> None:
    plan = FaultPlan(0, Faults(fail_before=0.5))
    assert {plan.for_post("a") for _ in range(50)} == {"ok", "fail_before"}


def test_rates_are_kept() -> None:
    plan = FaultPlan(0, EVERYTHING)
    posts = Counter(plan.for_post(f"n{number}") for number in range(10_000))
    assert set(posts) == {"ok", *POST_RATES}
    assert all(670 < posts[fault] < 930 for fault in POST_RATES)
    gets = Counter(plan.for_get(f"n{number}") for number in range(10_000))
    assert 1850 < gets["fail"] < 2150
    stale = sum(plan.stale_s(f"n{number}") is not None for number in range(10_000))
    assert 2800 < stale < 3200


def test_an_id_whose_gets_hang_hangs_every_time() -> None:
    plan = FaultPlan(0, Faults(get_hang=0.1))
    hanging = [name for name in map(str, range(10_000)) if plan.for_get(name) == "hang"]
    assert 900 < len(hanging) < 1_100
    assert {plan.for_get(name) for name in hanging} == {"hang"}


def test_a_rate_of_1_is_always_and_of_0_is_never() -> None:
    always, never = FaultPlan(0, Faults(truncate=1, get_fail=1)), FaultPlan(0, Faults())
    assert {always.for_post(str(n)) for n in range(1000)} == {"truncate"}
    assert {always.for_get(str(n)) for n in range(1000)} == {"fail"}
    assert {never.for_post(str(n)) for n in range(1000)} == {never.for_get(str(n)) for n in range(1000)} == {"ok"}


def test_hangs_are_drawn_between_their_bounds_and_differ_from_one_post_to_the_next() -> None:
    plan = FaultPlan(0, EVERYTHING)
    drawn = set()
    for _ in range(100):
        plan.for_post("a")
        drawn.add(plan.hang_s("a"))
    assert len(drawn) == 100
    assert 0.1 <= min(drawn) < 0.3
    assert 0.7 < max(drawn) <= 0.9
    assert FaultPlan(0, Faults(hang_ms=250)).hang_s("a") == 0.25


def test_a_script_counts_from_when_it_is_set() -> None:
    plan = FaultPlan(0, Faults())
    plan.for_post("a")
    plan.script("a", Script(post=["fail_after", "reject"], get=["missing"]))
    assert [plan.for_post("a") for _ in range(3)] == ["fail_after", "reject", "ok"]
    assert [plan.for_get("a") for _ in range(2)] == ["missing", "ok"]
    plan.script("a", Script(post=["throttle"]))
    assert [plan.for_post("a"), plan.for_post("b")] == ["throttle", "ok"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"fail_befor": 0.1}, "fail_befor: unknown"),
        ({"fail_before": 1.1}, "fail_before: "),
        ({"fail_before": -0.1}, "fail_before: "),
        ({"fail_before": "often"}, "fail_before: "),
        ({"latency_ms": -1}, "latency_ms: "),
        ({"latency_ms": 0.5}, "latency_ms: "),
        ({"fail_before": 0.6, "reject": 0.6}, "is 1.2, more than 1"),
        ({"hang_min_ms": 5}, "hang_min_ms and hang_max_ms"),
        ({"hang_min_ms": 5, "hang_max_ms": 4}, "hang_min_ms and hang_max_ms"),
        ([], "valid dictionary"),
    ],
)
def test_wrong_faults_are_named_with_those_there_are(wrong: object, named: str) -> None:
    with pytest.raises(BadFaults) as caught:
        checked(Faults, wrong)
    assert named in str(caught.value)
    assert all(name in str(caught.value) for name in Faults.model_fields)


def test_rates_that_add_up_to_1_are_taken() -> None:
    assert checked(Faults, {"fail_before": 0.1, "fail_after": 0.2, "truncate": 0.7}).truncate == 0.7
