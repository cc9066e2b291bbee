"""What can go wrong with a request, and with which it does: as scripted for its id, or by rate, repeatably."""

from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

PostFault = Literal[
    "ok",
    "fail_before",  # 500, nothing is written
    "fail_after",  # written, then 500
    "hang_write",  # written after hang_ms, whether the caller is still there or not, and answered only then
    "hang_until_released",  # the same, but when the control port says so
    "truncate",  # written, then an answer that breaks off
    "reject",  # 400, nothing is written
    "throttle",  # 429 with Retry-After, nothing is written
    "unavailable",  # 503 with Retry-After, nothing is written
    "page",  # 200 with a firewall's page, nothing is written
    "decline",  # 201 with JSON that says no, nothing is written
    "bare",  # written, then 201 without a body
    "reject_after",  # written, then 400
]
GetFault = Literal[
    "ok",
    "fail",  # 500
    "missing",  # 404, whatever the table holds
    "hang",  # answered when the control port says so
    "truncate",  # an answer that breaks off
    "throttle",  # 429 with Retry-After
    "unavailable",  # 503 with Retry-After
    "other_json",  # 200 with JSON that is no row
    "other_row",  # 200 with somebody else's row of equal content, if there is one of ours
]
#: Faults of a POST that have a rate, in the order in which a draw looks at them.
POST_RATES: tuple[PostFault, ...] = get_args(PostFault)[1:]

Rate = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[int, Field(ge=0, le=3_600_000)]
Checked = TypeVar("Checked", bound=BaseModel)


class BadFaults(ValueError):
    """Names the field that is wrong and the fields there are."""


class Faults(BaseModel):
    """Rates from 0 to 1, and times. A POST has at most one fault, so the rates of POST faults add up to 1 at most."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fail_before: Rate = 0
    fail_after: Rate = 0
    hang_write: Rate = 0
    hang_until_released: Rate = 0
    truncate: Rate = 0
    reject: Rate = 0
    throttle: Rate = 0
    unavailable: Rate = 0
    page: Rate = 0
    decline: Rate = 0
    bare: Rate = 0
    reject_after: Rate = 0

    #: Of GETs by id.
    get_fail: Rate = 0
    #: Of ids: all their GETs hang until released.
    get_hang: Rate = 0
    #: Of ids: after its first write, an id's GET answers 404 for stale_ms.
    get_stale: Rate = 0

    #: Before every answer, and before what a POST writes.
    latency_ms: Milliseconds = 0
    hang_ms: Milliseconds = 1_000
    #: Together they stand in for hang_ms: each hang is drawn between them.
    hang_min_ms: Milliseconds | None = None
    hang_max_ms: Milliseconds | None = None
    stale_ms: Milliseconds = 1_000
    retry_after_s: Annotated[int, Field(ge=0, le=3_600)] = 1

    @model_validator(mode="after")
    def _together(self) -> Self:
        if (total := sum(getattr(self, name) for name in POST_RATES)) > 1 + 1e-9:
            raise ValueError(f"{' + '.join(POST_RATES)} is {total:g}, more than 1")
        low, high = self.hang_range_ms()
        if (self.hang_min_ms is None) != (self.hang_max_ms is None) or low > high:
            raise ValueError("hang_min_ms and hang_max_ms go together, the smaller one first")
        return self

    def hang_range_ms(self) -> tuple[int, int]:
        """The shortest and the longest hang."""
        if self.hang_min_ms is None or self.hang_max_ms is None:
            return self.hang_ms, self.hang_ms
        return self.hang_min_ms, self.hang_max_ms


class Script(BaseModel):
    """Faults for the next POSTs and GETs of one id, one each; after the lists: ok."""

    model_config = ConfigDict(extra="forbid")

    post: list[PostFault] = []
    get: list[GetFault] = []


def checked(model: type[Checked], value: Any) -> Checked:
    """What comes from outside: taken, or refused in words. Raises: BadFaults."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        wrong = "; ".join(_sentence(one["loc"], one["msg"]) for one in error.errors())
        raise BadFaults(f"{wrong} (known: {', '.join(model.model_fields)})") from None


def parse_faults(text: str) -> Faults:
    """`fail_before=0.1, latency_ms=100`. Raises: BadFaults."""
    return checked(Faults, dict(part.strip().partition("=")[::2] for part in text.split(",") if part.strip()))


class FaultPlan:
    """Draws from (seed, id, number of the id's request), so that a run can be repeated, whatever its order."""

    def __init__(self, seed: int = 0, faults: Faults | None = None) -> None:
        self._seed, self.faults = seed, faults or Faults()
        self._scripts: dict[str, tuple[Iterator[PostFault], Iterator[GetFault]]] = {}
        self._posts: Counter[str] = Counter()
        self._gets: Counter[str] = Counter()

    def clear(self) -> None:
        """No faults, no scripts, nothing seen; the seed stays."""
        self.faults = Faults()
        self._scripts.clear()
        self._posts.clear()
        self._gets.clear()

    def script(self, row_id: str, script: Script) -> None:
        """From now on this id follows the script and no rate."""
        self._scripts[row_id] = iter(script.post), iter(script.get)

    def forget_scripts(self) -> None:
        """Rates decide about every id."""
        self._scripts.clear()

    def for_post(self, row_id: str) -> PostFault:
        """What happens to the next POST of this id."""
        self._posts[row_id] += 1
        if row_id in self._scripts:
            return next(self._scripts[row_id][0], "ok")
        drawn = self._draw("post", row_id, self._posts[row_id])
        for fault in POST_RATES:
            drawn -= getattr(self.faults, fault)
            if drawn < 0:
                return fault
        return "ok"

    def for_get(self, row_id: str) -> GetFault:
        """What happens to the next GET of this id."""
        self._gets[row_id] += 1
        if row_id in self._scripts:
            return next(self._scripts[row_id][1], "ok")
        if self.faults.get_hang and self._draw("get_hang", row_id, 0) < self.faults.get_hang:
            return "hang"
        return "fail" if self._draw("get", row_id, self._gets[row_id]) < self.faults.get_fail else "ok"

    def hang_s(self, row_id: str) -> float:
        """For how long this id's latest POST hangs."""
        low, high = self.faults.hang_range_ms()
        return (low + (high - low) * self._draw("hang", row_id, self._posts[row_id])) / 1000

    def stale_s(self, row_id: str) -> float | None:
        """For how long after its first write this id's GET answers 404, if it does."""
        if self.faults.get_stale and self._draw("stale", row_id, 0) < self.faults.get_stale:
            return self.faults.stale_ms / 1000
        return None

    def _draw(self, kind: str, row_id: str, number: int) -> float:
        """From 0 to just under 1."""
        text = f"{self._seed}:{kind}:{number}:{row_id}".encode("utf-8", "surrogatepass")
        return (int.from_bytes(blake2b(text, digest_size=8).digest()) >> 11) / 2**53


def _sentence(where: tuple[str | int, ...], message: str) -> str:
    message = {"Extra inputs are not permitted": "unknown"}.get(message, message.removeprefix("Value error, "))
    name = ".".join(map(str, where))
    return f"{name}: {message}" if name else message
