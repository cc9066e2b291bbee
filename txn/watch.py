"""Says in the worker's log when Redis or the posting service goes away, and when it is back."""

from txn.errors import StoreUnavailable
from txn.logs.state import State
from txn.store.statistics import StatisticsReader

INTERVAL_S = 1.0


class Watch:
    """One look a second."""

    def __init__(self, statistics: StatisticsReader) -> None:
        self._statistics = statistics
        self._redis = State("Redis", frozenset({"there"}))
        self._posting = State("the posting service", frozenset({"answering", "unknown"}))

    def beat(self) -> float:
        """Look, and return the seconds to the next time."""
        try:
            found = self._statistics.read()
        except StoreUnavailable as error:
            self._redis.is_now("away", str(error))
        else:
            self._redis.is_now("there")
            well = found.posting_state in ("answering", "unknown")
            self._posting.is_now(found.posting_state, "" if well else found.outage_reason)
        return INTERVAL_S
