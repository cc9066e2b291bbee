import time

import pytest

from tests.parts import Clock, OwnTime, no_other_clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    no_other_clock(monkeypatch)
    return OwnTime(time.time_ns() // 1_000_000)  # as streams have it, whose ids are Redis's own times
