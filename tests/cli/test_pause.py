from datetime import datetime

import pytest

from tests.cli.terminal import Commands
from tests.parts import Parts
from txn.cli.pause import _end


def test_it_is_paused_and_resumed_and_status_says_so(txn: Commands, parts: Parts) -> None:
    parts.accept("a")
    done = txn("pause", "--why", "moved", "--as", "ann")
    assert (done.code, done.out) == (0, "Paused until somebody resumes it.\n")
    assert parts.claim("a") is None
    status = txn("status", "--json").json
    assert status["paused"]
    assert any("ann: moved" in finding["hint"] for finding in status["findings"])
    assert (txn("resume").out, txn("resume").out) == ("Resumed.\n", "Nothing was paused.\n")
    assert parts.claim("a") is not None


@pytest.mark.parametrize(
    ("now", "text", "end"),
    [("2026-11-28T05:00", "06:00", "2026-11-28T06:00"), ("2026-11-28T18:30", "06:00", "2026-11-29T06:00")],
)
def test_a_time_of_day_is_the_next_one(now: str, text: str, end: str) -> None:
    found = _end(text, datetime.fromisoformat(now).astimezone())
    assert found == datetime.fromisoformat(end).timestamp() * 1000


def test_a_span_is_from_now(txn: Commands, parts: Parts) -> None:
    assert txn("pause", "--why", "moved", "--until", "2h").code == 0
    statistics = parts.read_statistics()
    assert statistics.flow.paused is not None
    assert abs((statistics.flow.paused.until_ms or 0) - statistics.now_ms - 7_200_000) < 600_000


@pytest.mark.parametrize("until", ["soon", "25:00", "2026", "9d"])
def test_an_end_that_is_none_is_refused(txn: Commands, parts: Parts, until: str) -> None:
    done = txn("pause", "--why", "moved", "--until", until)
    assert (done.code, done.out) == (2, "")
    assert parts.read_statistics().flow.paused is None
