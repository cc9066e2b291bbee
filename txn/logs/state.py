"""Something that is well or not, said once each time it changes."""

import logging
import time
from collections.abc import Callable

log = logging.getLogger("txn.state")


class State:
    """What `what` (Redis, say) is like now, by name; `well` are the names that nobody needs to worry about."""

    def __init__(self, what: str, well: frozenset[str], monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._what, self._well, self._monotonic_s = what, well, monotonic_s
        self._name, self._since_s = "", 0.0

    def is_now(self, name: str, reason: str = "") -> None:
        """Say it, if it was another before. That it is well from the start is not said."""
        before, since_s = self._name, self._since_s
        if name == before:
            return
        self._name, self._since_s = name, self._monotonic_s()
        if name in self._well and (not before or before in self._well):
            return
        extra: dict[str, object] = {"state": name}
        if before:
            extra |= {"before": before, "for_s": round(self._since_s - since_s, 1)}
        if reason:
            extra["detail"] = reason
        level = logging.INFO if name in self._well else logging.WARNING
        log.log(level, "%s is %s", self._what, name, extra=extra)
