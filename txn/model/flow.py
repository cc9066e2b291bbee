"""What keeps deliveries from going out, if anything does: a posting service that is away, a pause, a limit."""

from dataclasses import dataclass
from typing import Literal

#: closed: calls go out; open: probes only; half: back, a few at a time. What the docs call half-open.
Breaker = Literal["closed", "open", "half"]


@dataclass(frozen=True, slots=True)
class Paused:
    """`until_ms` is on Redis's clock, None: until somebody resumes."""

    by: str
    why: str
    since_ms: int | None
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Limits:
    """`in_flight`: most at once, of which `in_use` are taken; `rate`: most that begin, as `200/s`. None: no such limit.

    `rate_in_use`: how much of what may begin at once is used up, from 0 to 1.
    """

    in_flight: int | None
    in_use: int
    rate: str | None
    rate_a_second: float
    rate_in_use: float
    by: str
    why: str
    since_ms: int | None


@dataclass(frozen=True, slots=True)
class Flow:
    """`opened_ms`: since when it is not closed. `probe_ms`: no probe before that. `most`: in flight, when half.

    `hold_ms`: until then it wants to be left alone, as its Retry-After says.
    `kind`: gets or posts, which of them failed. `held`: how many wait because of it, beside those in the queue.
    """

    breaker: Breaker = "closed"
    opened_ms: int | None = None
    probe_ms: int | None = None
    most: int | None = None
    kind: str = ""
    held: int = 0
    paused: Paused | None = None
    limits: Limits | None = None
    hold_ms: int | None = None
