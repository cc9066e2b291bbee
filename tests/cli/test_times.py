from datetime import UTC, datetime, timedelta

import pytest

from txn.cli.times import length_ms, past
from txn.errors import Invalid

NOW = datetime(2026, 11, 28, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "ms"),
    [("30m", 1_800_000), ("1h30m", 5_400_000), ("2d", 172_800_000), ("90s", 90_000), ("1d1s", 86_401_000)],
)
def test_a_length_has_one_or_more_units(text: str, ms: int) -> None:
    assert length_ms(text) == ms


@pytest.mark.parametrize("text", ["", "h", "1", "30m1h", "1.5h", "-1h", "1h30", "x"])
def test_what_is_no_length(text: str) -> None:
    assert length_ms(text) is None


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("1h30m", "2026-11-28T00:00:00.000", None),
        ("1h 30m ago", "2026-11-28T00:00:00.000", None),
        ("01:15", "2026-11-28T01:15", None),
        ("02:00", "2026-11-27T02:00", None),
        ("2:00:05", "2026-11-27T02:00:05", None),
        ("today", "2026-11-28T00:00:00.000", "2026-11-28T23:59:59.999"),
        ("yesterday", "2026-11-27T00:00:00.000", "2026-11-27T23:59:59.999"),
        ("yesterday 18:00", "2026-11-27T18:00", None),
        ("2026-11-23", "2026-11-23T00:00:00.000", "2026-11-23T23:59:59.999"),
        ("2026-11-23T18:15Z", "2026-11-23T18:15", None),
        ("", "", None),
    ],
)
def test_a_time_that_is_over(text: str, since: str, until: str | None) -> None:
    assert past("--since", text, NOW) == since
    assert past("--until", text, NOW, until=True) == (since if until is None else until)


def test_longer_ago_than_there_was_time_is_the_beginning() -> None:
    assert past("--since", "99999d", NOW) == "1970-01-01T00:00:00.000"


@pytest.mark.parametrize("text", ["tomorrow", "25:00", "02:60", "yesterday x", "2026-13-01", "soon", "1h30"])
def test_what_is_no_time_is_refused_with_all_forms(text: str) -> None:
    with pytest.raises(Invalid, match=f"--since {text}: give a time ago .*1h30m.*02:00, yesterday.*2026-11-23T18:15"):
        past("--since", text, NOW)


def test_a_time_of_day_is_never_ahead() -> None:
    for minutes in range(0, 1440, 7):
        now = NOW + timedelta(minutes=minutes)
        found = datetime.fromisoformat(past("--since", "02:00", now) + "+00:00")
        assert timedelta(0) <= now - found < timedelta(days=1)
