from dataclasses import fields, replace

import pytest

from tests.model.protocol import WITHOUT, WORLDS, Protections, World, bound, check, smallest_safe_window

FOR_SPEED = {"lease_refuses", "verifying_get"}


def test_with_every_protection_no_promise_breaks_and_everything_ends() -> None:
    found = check()
    assert (found.broken, found.story) == (None, ())
    assert found.states > 1_000


@pytest.mark.parametrize(
    ("name", "promise", "told"),
    [
        ("id_in_the_answer", "completed, but not there", "gets 200 without the id, the request lives on"),
        ("get_before_rejecting", "failed, but there", "gets 400 after the write"),
        ("rejection_leaves_doubt", "two rows", "an operator replays"),
        ("cancel_only_unposted", "failed, but there", "its client cancels"),
        ("clear_is_of_one_claim", "failed, but there", "its client cancels"),
    ],
)
def test_what_an_answer_means_is_a_protection(name: str, promise: str, told: str) -> None:
    found = check(WITHOUT.get(name), replace(Protections(), **{name: False}))
    assert found.broken == promise
    assert told in " | ".join(found.story)


@pytest.mark.parametrize(
    ("name", "promise"),
    [
        ("expires_only_without_doubt", "failed, but there"),
        ("get_before_expiring", "failed, but there"),
        ("expiry_at_last_check", "begins to POST although it has expired"),
    ],
)
def test_what_expires_is_known_not_to_be_there_and_is_not_posted(name: str, promise: str) -> None:
    assert check(WITHOUT[name]).broken is None
    assert check(WITHOUT[name], replace(Protections(), **{name: False})).broken == promise


def test_where_rejected_rows_are_hidden_nothing_is_doubled() -> None:
    world = World(hides_rejected=True)
    assert check(world).broken is None
    assert smallest_safe_window(world) == bound(world) + 1


@pytest.mark.parametrize("name", [field.name for field in fields(Protections)])
def test_without_a_protection_a_promise_breaks(name: str) -> None:
    found = check(WITHOUT.get(name), replace(Protections(), **{name: False}))
    print(name, found.broken, " | ".join(found.story))
    assert (found.broken is None) == (name in FOR_SPEED)


@pytest.mark.parametrize(
    "world",
    # Each value of each dimension, and all of them together in `make test-crash`.
    [
        world if number % 5 == 0 else pytest.param(world, marks=[pytest.mark.long, pytest.mark.slow])
        for number, world in enumerate(WORLDS)
    ],
    ids=str,
)
def test_the_published_bound_is_exact(world: World) -> None:
    assert smallest_safe_window(world) == bound(world) + 1
