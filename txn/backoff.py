"""How long to wait before the next attempt: exponential, capped, with full jitter."""

from collections.abc import Callable


def backoff_ms(tries: int, minimum_ms: int, maximum_ms: int, random: Callable[[], float]) -> int:
    """Milliseconds to wait after `tries` failures in a row (1 or more).

    Anything from 0 to min(maximum, minimum * 2^(tries-1)), evenly: what failed together does not come back together.
    `random` gives numbers in [0, 1).
    """
    ceiling = min(maximum_ms, minimum_ms << min(max(tries, 1) - 1, 62))
    return round(random() * ceiling)
