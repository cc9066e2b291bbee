from dataclasses import fields, replace

import pytest

from tests.model.outage import Protections, check


@pytest.mark.parametrize("poison", [False, True])
def test_with_every_protection_no_promise_breaks_and_everything_ends(poison: bool) -> None:
    found = check(poison=poison)
    assert (found.broken, found.story) == (None, ())
    assert found.states > 1_000


@pytest.mark.parametrize("name", [field.name for field in fields(Protections)])
def test_without_a_protection_a_promise_breaks(name: str) -> None:
    found = check(replace(Protections(), **{name: False}), poison=True)
    print(name, found.broken, " | ".join(found.story))
    assert found.broken is not None


def test_without_its_turn_a_transaction_that_always_fails_is_the_only_probe() -> None:
    without = replace(Protections(), probes_in_turn=False)
    assert check(without, poison=True).broken == "never ends"
    assert check(without).broken is None
