"""What goes wrong with which request: by rate, repeatably, or as scripted for an id."""

from collections import Counter
from random import Random
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

PostFault = Literal[
    "ok",
    "fail_before",  # 500, nothing is written
    "fail_after",  # written, then 500
    "hang_write",  # no answer; written after hang_min_ms..hang_max_ms, whether the caller is still there or not
    "hang_until_released",  # no answer; written when the control port says so
    "truncate",  # written, then an answer that breaks off
    "reject",  # 400
    "throttle",  # 429 with Retry-After
    "unavailable",  # 503 with Retry-After, nothing is written
]
GetFault = Literal["ok", "fail", "missing", "hang", "truncate"]

Rate = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[int, Field(ge=0, le=3_600_000)]


class Faults(BaseModel):
    """Rates from 0 to 1 and times in ms. A POST has at most one fault: the rates of POST faults add up to 1 at most."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fail_before: Rate = 0
    fail_after: Rate = 0
    hang_write: Rate = 0
    hang_until_released: Rate = 0
    truncate: Rate = 0
    reject: Rate = 0
    throttle: Rate = 0
    unavailable: Rate = 0

    get_fail: Rate = 0
    get_stale: Rate = 0

    latency_ms: Milliseconds = 0
    hang_min_ms: Milliseconds = 1_000
    hang_max_ms: Milliseconds = 1_000
    stale_ms: Milliseconds = 1_000
    retry_after_s: Annotated[int, Field(ge=0, le=3_600)] = 1


class Script(BaseModel):
    """Faults for the 1st, 2nd, ... POST and GET of one id; after the list: ok."""

    model_config = ConfigDict(extra="forbid")

    post: list[PostFault] = []
    get: list[GetFault] = []


_POST_RATES: tuple[PostFault, ...] = (
    "fail_before",
    "fail_after",
    "hang_write",
    "hang_until_released",
    "truncate",
    "reject",
    "throttle",
    "unavailable",
)


class FaultPlan:
    """Decides from (seed, id, number of the request for that id), so that a run can be repeated."""

    def __init__(self, seed: int, faults: Faults) -> None:
        self._seed, self.faults = seed, faults
        self.scripts: dict[str, Script] = {}
        self._seen: Counter[tuple[str, str]] = Counter()

    def clear(self) -> None:
        """No faults, no scripts, nothing seen."""
        self.faults = Faults()
        self.scripts.clear()
        self._seen.clear()

    def for_post(self, row_id: str) -> PostFault:
        """What happens to the next POST of this id."""
        number = self._number("post", row_id)
        if row_id in self.scripts:
            script = self.scripts[row_id].post
            return script[number] if number < len(script) else "ok"
        drawn = self._draw("post", row_id, number)
        for fault in _POST_RATES:
            rate = getattr(self.faults, fault)
            if drawn < rate:
                return fault
            drawn -= rate
        return "ok"

    def for_get(self, row_id: str) -> GetFault:
        """What happens to the next GET of this id."""
        number = self._number("get", row_id)
        if row_id in self.scripts:
            script = self.scripts[row_id].get
            return script[number] if number < len(script) else "ok"
        return "fail" if self.faults.get_fail and self._draw("get", row_id, number) < self.faults.get_fail else "ok"

    def hang_s(self, row_id: str) -> float:
        """How long this id's hanging POST hangs."""
        low, high = self.faults.hang_min_ms, max(self.faults.hang_min_ms, self.faults.hang_max_ms)
        return (low + (high - low) * self._draw("hang", row_id, 0)) / 1000

    def stale_s(self, row_id: str) -> float:
        """How long after its write this id's GET still says 404."""
        stale = self.faults.get_stale and self._draw("stale", row_id, 0) < self.faults.get_stale
        return self.faults.stale_ms / 1000 if stale else 0.0

    def _number(self, method: str, row_id: str) -> int:
        number = self._seen[method, row_id]
        self._seen[method, row_id] += 1
        return number

    def _draw(self, kind: str, row_id: str, number: int) -> float:
        return Random(f"{self._seed}:{kind}:{row_id}:{number}").random()
