"""The loop that looks at every record, slowly, and says what it finds that no script should have left behind.

All workers share one round: whoever comes when a step is due makes it. The looking is in txn/store/integrity.py.
"""

import logging

from txn.store.integrity import LEFT_ALONE, PACE_MS, Integrity

log = logging.getLogger(__name__)


class Sweep:
    """One worker process's share."""

    def __init__(self, integrity: Integrity) -> None:
        self._integrity = integrity

    def beat(self) -> float:
        """The next step, if nobody else has made it, and the seconds to the one after.

        Raises: StoreUnavailable.
        """
        for flaw in self._integrity.step():
            level = logging.ERROR if flaw.what in LEFT_ALONE else logging.WARNING
            log.log(level, "an index or counter did not agree with a record", extra={"detail": flaw.sentence})
        return PACE_MS / 1000
