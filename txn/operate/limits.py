"""How much goes out at a time, and how fast, as an operator sets it for all workers while they run."""

import logging
import re
from dataclasses import dataclass

from txn.errors import Invalid
from txn.model.content import dumps
from txn.operate.operations import reason
from txn.store.database import Database

#: One line a deed, beside those of the dead letters.
log = logging.getLogger("txn.journal")

MOST_IN_FLIGHT = 1_000_000
MOST_A_SECOND = 100_000
_RATE = re.compile(r"([0-9]{1,9})/(s|min|h)")
_UNITS_US = {"s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000}
_AS_IT_IS = "as it is"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many deliveries a second, minute or hour, as `text` says; `pace_us`: from one to the next."""

    text: str
    pace_us: float


def parse_rate(text: str) -> Rate:
    """`200/s`, `90/min` or `1000/h`. Raises: Invalid."""
    found = _RATE.fullmatch(text)
    if found is None or not int(found[1]):
        raise Invalid("rate", "give a whole number above 0 and a unit: 200/s, 90/min or 1000/h")
    pace_us = _UNITS_US[found[2]] / int(found[1])
    if pace_us < 1_000_000 / MOST_A_SECOND:
        raise Invalid("rate", f"at most {MOST_A_SECOND}/s")
    return Rate(f"{int(found[1])}/{found[2]}", pace_us)


class Limits:
    """Decided in every claim and fetch; kept when workers, or Redis, restart. Raises: StoreUnavailable, Invalid."""

    def __init__(self, database: Database, lease_ms: int) -> None:
        """`lease_ms`: the workers' lease."""
        self._database, self._lease_ms = database, lease_ms

    def set(self, who: str, why: str = "", *, in_flight: int | None = None, rate: Rate | None = None) -> bool:
        """Set one limit or both; None: as it is. Whether anything changed."""
        if in_flight is not None and not 0 < in_flight <= MOST_IN_FLIGHT:
            raise Invalid("in-flight", f"give a whole number from 1 to {MOST_IN_FLIGHT}; txn pause lets nothing out")
        if in_flight is None and rate is None:
            raise Invalid("limit", "say which limit: how many in flight, or a rate")
        named = (None if in_flight is None else f"{in_flight} in flight", None if rate is None else rate.text)
        most: str | int = _AS_IT_IS if in_flight is None else in_flight
        pace, text = (_AS_IT_IS, "") if rate is None else (f"{rate.pace_us:.3f}", rate.text)
        return self._set(who, why, most, pace, text, f"limit: {', '.join(filter(None, named))}")

    def remove(self, who: str, why: str = "") -> bool:
        """No limit any more: whether there was one."""
        return self._set(who, why, "", "", "", "limit: none")

    def _set(self, who: str, why: str, most: str | int, pace: str, text: str, what: str) -> bool:
        why = reason(why)
        changed = self.write(who, why, most, pace, text, what)
        if changed:
            log.info("%s: %s, why %r", who, what, why)
        return changed

    def write(self, who: str, why: str, most: str | int, pace: str, text: str, what: str) -> bool:
        """Whether anything changed, with one call to Redis; nothing is checked and nothing logged. See limit.lua."""
        keys, line = self._database.keys, dumps({"by": who, "why": why})
        arguments = [who, why, line, most, pace, text, what, self._lease_ms, self._database.shift_ms()]
        changed: bool = self._database.run("limit", [keys.posting, keys.journal], arguments) == b"done"
        return changed
