import pytest

from tests.parts import Parts
from txn.model.outcome import Cause, Clear, Completed, Keep, Mode, Retry
from txn.model.transaction import Evidence


def in_doubt(parts: Parts) -> tuple[int, str]:
    """As counted, and as the record says."""
    return parts.read_statistics().totals.in_doubt, parts.record("a").get("uncertain", "0")


def die(parts: Parts, mode: Mode) -> None:
    """A worker claims it, and is never seen again."""
    assert parts.claimed("a").mode is mode
    parts.clock.forward(parts.settings.lease_ms + 1)


def lose_data(parts: Parts) -> None:
    """Redis is behind what this worker remembers: nobody may post for a while."""
    parts.claimed(parts.accept("other"))
    parts.client.hset(parts.keys.epoch, "claims", 0)


def test_a_dead_worker_that_could_post_leaves_a_doubt(parts: Parts) -> None:
    parts.accept("a")
    die(parts, Mode.POST)
    assert parts.claimed("a").mode is Mode.CONFIRM
    assert in_doubt(parts) == (1, "1")


def test_a_dead_worker_that_could_only_look_leaves_none(parts: Parts) -> None:
    parts.accept("a")
    lose_data(parts)
    die(parts, Mode.CONFIRM)
    parts.claimed("a")
    assert in_doubt(parts) == (0, "0")


def test_the_doubt_of_a_dead_worker_outlives_one_that_could_only_look(parts: Parts) -> None:
    parts.accept("a")
    die(parts, Mode.POST)
    doubt = parts.record("a")["doubt"]
    die(parts, Mode.CONFIRM)
    assert in_doubt(parts) == (1, "1")
    assert parts.record("a")["doubt"] == doubt
    parts.claimed("a")
    assert in_doubt(parts) == (1, "1")


def test_a_dead_worker_whose_last_look_it_was_leaves_none(parts: Parts) -> None:
    parts.accept("a")
    for _ in range(parts.settings.max_attempts):
        parts.settle(parts.claimed("a"), Retry(Cause.NOT_WRITTEN, "500", Clear(), 0), answered=True)
        parts.let_another_in()
        parts.clock.forward(1)
    die(parts, Mode.FINAL)
    parts.claimed("a")
    assert in_doubt(parts) == (0, "0")


def test_a_post_of_a_dead_worker_that_can_no_longer_turn_up_is_no_doubt(parts: Parts) -> None:
    parts.accept("a")
    die(parts, Mode.POST)
    parts.clock.forward(parts.settings.doubt_window_ms)
    assert parts.claimed("a").mode is Mode.POST
    assert in_doubt(parts) == (0, "0")


@pytest.mark.parametrize("late_ms", [0, 60_000])
def test_what_is_in_doubt_is_so_no_more_when_it_ends(parts: Parts, late_ms: int) -> None:
    parts.accept("a")
    die(parts, Mode.POST)
    parts.clock.forward(late_ms)
    claim = parts.claimed("a")
    parts.settle(claim, Completed(Evidence.FOUND))
    assert in_doubt(parts) == (0, "0")


def test_a_look_that_came_too_early_keeps_the_doubt_counted_once(parts: Parts) -> None:
    parts.accept("a")
    die(parts, Mode.POST)
    parts.settle(parts.claimed("a"), Retry(Cause.IN_DOUBT, "too early", Keep(), 0))
    assert in_doubt(parts) == (1, "1")
