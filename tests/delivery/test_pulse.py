import asyncio

import pytest

from txn.delivery.pulse import BEAT_MS, LATE_MS, PATIENCE_MS, Pulse
from txn.store.timings import LAG


class Clock:
    def __init__(self) -> None:
        self.now_ms = 1_000

    def __call__(self) -> int:
        return self.now_ms


def test_a_beat_that_is_overdue_is_seen_before_it_comes() -> None:
    async def main() -> None:
        clock = Clock()
        pulse = Pulse(lambda what, seconds: None, clock)
        assert pulse.lag_ms() <= 0
        clock.now_ms += BEAT_MS + 300
        assert pulse.lag_ms() == 300
        pulse.stop()

    asyncio.run(main())


def test_a_late_beat_is_noted_and_one_in_time_forgives_it() -> None:
    async def main() -> None:
        clock, noted = Clock(), asyncio.Event()
        notes: list[tuple[str, float]] = []

        def note(what: str, seconds: float) -> None:
            notes.append((what, seconds))
            noted.set()

        pulse = Pulse(note, clock)
        clock.now_ms += BEAT_MS + 300
        await asyncio.wait_for(noted.wait(), 60)
        assert notes == [(LAG, 0.3)]
        assert pulse.lag_ms() == 300, "until the next beat"
        clock.now_ms += BEAT_MS
        while pulse.lag_ms() > 0:
            await asyncio.sleep(0.001)
        assert len(notes) == 1
        pulse.stop()

    asyncio.run(main())


def test_a_beat_that_is_hardly_late_costs_no_write() -> None:
    async def main() -> None:
        clock, beats = Clock(), []

        pulse = Pulse(lambda what, seconds: beats.append(what), clock)
        clock.now_ms += BEAT_MS + LATE_MS - 1
        while pulse.lag_ms() == LATE_MS - 1 and pulse._late_ms == 0:
            await asyncio.sleep(0.001)
        assert pulse._late_ms == LATE_MS - 1
        assert beats == []
        pulse.stop()

    asyncio.run(main())


def test_a_process_that_stood_still_as_a_whole_blames_no_delivery(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        clock = Clock()
        pulse = Pulse(lambda what, seconds: None, clock)
        for _ in range(3):  # whenever it goes on, the thread beside the loop wakes before the loop
            clock.now_ms += BEAT_MS + PATIENCE_MS
            pulse.look()
            pulse._timer.cancel()
            pulse._beat()
            pulse.look()
        assert caplog.messages == []
        clock.now_ms += BEAT_MS + PATIENCE_MS
        for _ in range(3):  # the beat does not come, though the thread goes on
            pulse.look()
        assert caplog.messages == ["a delivery does not let the others go on"]
        pulse.stop()

    asyncio.run(main())
