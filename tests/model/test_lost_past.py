from dataclasses import fields, replace

import pytest

from tests.model.lost_past import Protections, check


def test_with_every_protection_no_promise_breaks_and_everything_ends() -> None:
    found = check()
    assert (found.broken, found.story) == (None, ())
    assert found.states > 50


@pytest.mark.parametrize("name", [field.name for field in fields(Protections)])
def test_without_a_protection_a_promise_breaks(name: str) -> None:
    found = check(replace(Protections(), **{name: False}))
    print(name, found.broken, " | ".join(found.story))
    assert found.broken == "two rows"
