"""The local clock for spans: it goes on while the host sleeps, and nobody sets it."""

import time


def boot_ms() -> int:
    """Milliseconds since boot, asleep or not (CLOCK_BOOTTIME; where there is none, the monotonic clock)."""
    return time.clock_gettime_ns(_CLOCK) // 1_000_000


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
