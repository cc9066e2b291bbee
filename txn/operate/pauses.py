"""Nothing goes out for a while, because an operator says so. Submits are accepted; what is in flight ends."""

import logging

from txn.errors import Invalid
from txn.model.content import dumps
from txn.operate.operations import MAX_WHY, reason
from txn.store.database import Database

#: One line a deed, beside those of the dead letters.
log = logging.getLogger("txn.journal")

#: A pause that is longer is one that was forgotten.
MAX_PAUSE_MS = 7 * 86_400_000


class Pauses:
    """Seen by all workers within a second; kept when they, or Redis, restart. Raises: StoreUnavailable, Invalid."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pause(self, who: str, why: str, until_ms: int | None = None) -> None:
        """Begin one, or change its reason and its end. `until_ms` is on Redis's clock; None: until it is resumed."""
        why = reason(why)
        if not why:
            raise Invalid("why", f"say why in 1 to {MAX_WHY} characters: whoever finds it paused will want to know")
        now_ms = self._database.now_ms()
        if until_ms is not None and not now_ms < until_ms <= now_ms + MAX_PAUSE_MS:
            raise Invalid("until", "the end of a pause is in the next seven days")
        self.write("pause", who, why, until_ms)
        log.info("%s: pause, why %r", who, why)

    def resume(self, who: str) -> bool:
        """End it: whether there was one. What was held back goes out now, the oldest first."""
        resumed = self.write("resume", who, "", None) == b"done"
        if resumed:
            log.info("%s: resume", who)
        return resumed

    def write(self, what: str, who: str, why: str, until_ms: int | None) -> bytes:
        """With one call to Redis; nothing is checked and nothing logged."""
        keys, end = self._database.keys, "" if until_ms is None else until_ms
        line = dumps({"by": who, "why": why})
        arguments = [what, who, why, end, line, self._database.shift_ms()]
        found: bytes = self._database.run("pause", [keys.posting, keys.journal], arguments)
        return found
