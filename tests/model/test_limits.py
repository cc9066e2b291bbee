from dataclasses import fields, replace

import pytest

from tests.model.limits import Protections, check

MORE = "more in flight than the limit allows"
BROKEN = {
    "until_the_lease_ends": "never ends",
    "not_before": MORE,
    "kept_for_a_message": "fetched in vain",
    "kept_for_a_while": "never ends",
    "longest_counts": MORE,
    "counts_those_before": MORE,
}


def test_with_every_protection_the_limit_holds_and_everything_ends() -> None:
    found = check()
    assert (found.broken, found.story) == (None, ())
    assert found.states > 1_000


@pytest.mark.parametrize("name", [field.name for field in fields(Protections)])
def test_without_a_protection_a_promise_breaks(name: str) -> None:
    found = check(replace(Protections(), **{name: False}))
    print(name, found.broken, " | ".join(found.story))
    assert found.broken == BROKEN[name]
