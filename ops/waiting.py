"""Waiting for what cannot be waited for otherwise."""

import time
from collections.abc import Callable


def pause_s(waited_s: float) -> float:
    """Before the next look: soon at first; who has waited for long can wait a little longer. Each look costs CPU."""
    return min(0.1, 0.01 + waited_s / 20)


def until(
    true: Callable[[], object], what: str = "it became true", seconds: float = 60, more: Callable[[], str] = str
) -> float:
    """Wait for a condition: how long it took, in s. Raises: TimeoutError, with what `more` says then."""
    began_s = time.monotonic()
    while not true():
        waited_s = time.monotonic() - began_s
        if waited_s > seconds:
            raise TimeoutError(f"not within {seconds:g} s: {what}\n{more()}".rstrip())
        time.sleep(pause_s(waited_s))
    return time.monotonic() - began_s
