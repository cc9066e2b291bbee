import logging

import pytest

from txn import loop
from txn.loop import Loop


def test_an_error_that_nobody_has_foreseen_does_not_end_the_loop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loop, "UNKNOWN_S", 0.0)
    ticks = []

    def tick() -> float:
        ticks.append(1)
        if len(ticks) == 3:
            one.stop()
            return 0.0
        raise ZeroDivisionError

    one = Loop("rescuer", tick)
    one.run()
    assert len(ticks) == 3
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
