"""Every way in which one delivery can be disturbed: where, how, what the posting service does, who else is there."""

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

#: Before and after each call to Redis and to the posting service; `check` is the last check, between the two.
CALLS = ("accept", "due", "fetch", "claim", "get", "post", "verify", "settle", "ack", "replay")
CUTS = (*(f"{side} {call}" for call in CALLS for side in ("before", "after")), "check")
#: Those within a delivery: what is different on an event loop.
STEPS = tuple(cut for cut in CUTS if cut.split()[-1] in ("claim", "get", "check", "post", "verify", "settle"))

FAULTS = ("dies", "exception", "answer lost", "short pause", "long pause", "redis restarts")
HONEST = ("fine", "fails before", "fails after", "hangs then writes", "404 then visible", "down", "rejects")
#: A page with 200 and nothing written; written, and neither POST nor GET shows it at first; written, then 400.
LYING = ("claims a write", "proves nothing", "rejects after")
POSTING = HONEST + LYING
COMPANY = ("alone", "second runs to quiet")

_AFTER_THE_CHECK = {"after post", *(cut for cut in CUTS if cut.endswith(("verify", "settle", "ack")))}
_VERIFYING = {"fails before", "fails after", "hangs then writes", "404 then visible", "rejects", *LYING}


class Cell(NamedTuple):
    """One disturbance. `str(cell)` is what `CELL=... make test-crash` takes to play it again."""

    cut: str
    fault: str
    posting: str
    company: str

    def __str__(self) -> str:
        return " / ".join(self)

    @classmethod
    def parse(cls, text: str) -> "Cell":
        """What `str` made of it; parts that are missing are empty."""
        parts = [part.strip() for part in text.split("/")]
        return cls(*(parts + [""] * 4)[:4])


@dataclass(frozen=True)
class Excluded:
    """A cell that does not apply, and why."""

    cell: Cell
    reason: str


def why_not(cell: Cell) -> str | None:
    """The reason why a cell does not apply, or None if it does."""
    if cell.fault == "answer lost" and not cell.cut.startswith("after"):
        return "there is no answer yet that could be lost"
    if cell.fault == "long pause" and cell.cut in _AFTER_THE_CHECK:
        return "a pause beyond lease and doubt window matters only up to the last check"
    if cell.fault == "dies" and cell.company != "alone":
        return "who is dead does not go on: the same as alone"
    if cell.cut.endswith("verify") and cell.posting not in _VERIFYING:
        return "no POST is uncertain or rejected, so there is no verifying GET"
    if cell.posting in LYING and cell.fault == "redis restarts":
        return "a lie of the posting service and a restart of Redis do not meet: the honest ones show the restart"
    if cell.posting == "down" and cell.cut in ("check", "before post", "after post"):
        return "the GET cannot connect, so nothing is posted"
    return None


def all_cells() -> tuple[list[Cell], list[Excluded]]:
    """(the cells that apply, those that do not)."""
    cells, excluded = [], []
    for parts in product(CUTS, FAULTS, POSTING, COMPANY):
        cell = Cell(*parts)
        if reason := why_not(cell):
            excluded.append(Excluded(cell, reason))
        else:
            cells.append(cell)
    return cells, excluded
