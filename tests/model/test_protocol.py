from dataclasses import fields, replace

import pytest

from tests.model.protocol import WORLDS, Protections, World, bound, check, smallest_safe_window

FOR_SPEED = {"lease_refuses", "verifying_get"}


def test_with_every_protection_no_promise_breaks_and_everything_ends() -> None:
    verdict = check()
    assert (verdict.broken, verdict.story) == (None, ())
    assert verdict.states > 1_000


@pytest.mark.parametrize("name", [field.name for field in fields(Protections)])
def test_without_a_protection_a_promise_breaks(name: str) -> None:
    verdict = check(protections=replace(Protections(), **{name: False}))
    print(name, verdict.broken, " | ".join(verdict.story))
    assert (verdict.broken is None) == (name in FOR_SPEED)


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_the_published_bound_is_exact(world: World) -> None:
    assert smallest_safe_window(world) == bound(world) + 1
