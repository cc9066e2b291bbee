"""`Watch`: says in the worker's log when Redis or the posting service goes away, and when it is back."""

from collections.abc import Callable

from txn.errors import StoreUnavailable
from txn.logs.state import State
from txn.readers.statistics import StatisticsReader

INTERVAL_S = 1.0


class Watch:
    """One look a second. It only reads: why writes are refused, if they are, it is told."""

    def __init__(self, statistics: StatisticsReader, refused: Callable[[], str]) -> None:
        self._statistics, self._refused = statistics, refused
        self._redis = State("Redis", frozenset({"there"}))
        self._posting = State("the posting service", frozenset({"answering", "unknown"}))

    def beat(self) -> float:
        """Look, and return the seconds to the next time."""
        try:
            found = self._statistics.read()
        except StoreUnavailable as error:
            self._redis.is_now("away", str(error))
        else:
            refused = self._refused()
            self._redis.is_now("refusing writes" if refused else "there", refused)
            self._posting.is_now(found.posting_state, found.posting_problem)
        return INTERVAL_S
