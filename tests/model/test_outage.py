from dataclasses import fields, replace

import pytest

from tests.model.outage import Protections, check


@pytest.mark.parametrize("poison", [False, True])
@pytest.mark.parametrize("deliveries", [3, pytest.param(4, marks=pytest.mark.long)])
def test_with_every_protection_no_promise_breaks_and_everything_ends(poison: bool, deliveries: int) -> None:
    found = check(poison=poison, deliveries=deliveries)
    assert (found.broken, found.story) == (None, ())
    assert found.states > 1_000


#: One that failed, one that went well after it, and two that open the breaker.
NEEDS_FOUR = ("no_probe_counts",)


@pytest.mark.parametrize("name", [field.name for field in fields(Protections)])
def test_without_a_protection_a_promise_breaks(name: str) -> None:
    found = check(replace(Protections(), **{name: False}), poison=True, deliveries=3 + (name in NEEDS_FOUR))
    print(name, found.broken, " | ".join(found.story))
    assert found.broken is not None


def test_without_its_turn_a_transaction_that_always_fails_is_the_only_probe() -> None:
    without = replace(Protections(), probes_in_turn=False)
    assert check(without, poison=True).broken == "never ends"
    assert check(without).broken is None
