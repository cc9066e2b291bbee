"""What a check has found."""

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """From best to worst."""

    OK = 0
    NOTE = 1  #: nothing is wrong; somebody should know it
    WARN = 2  #: it works, until something happens
    BAD = 3  #: a promise cannot be kept, or nothing goes on


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` names what was looked at, `found` what there is; `do` is what to do about it, empty if nothing."""

    check: str
    level: Level
    found: str
    do: str = ""
