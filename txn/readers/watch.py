"""`Watch`: says in the worker's log when Redis or the posting service goes away, and when it is back."""

from collections.abc import Callable

from txn.errors import StoreUnavailable
from txn.logs.state import State
from txn.readers.statistics import Statistics, StatisticsReader

INTERVAL_S = 1.0


class Watch:
    """One look a second. It only reads: why writes are refused, if they are, it is told.

    `tell` gets what it has seen: the numbers (None: Redis is away), what Redis is, and why.
    """

    def __init__(
        self,
        statistics: StatisticsReader,
        refused: Callable[[], str],
        tell: Callable[[Statistics | None, str, str], None],
    ) -> None:
        self._statistics, self._refused, self._tell = statistics, refused, tell
        self._redis = State("Redis", frozenset({"there"}))
        self._posting = State("the posting service", frozenset({"answering", "unknown"}))

    def beat(self) -> float:
        """Look, and return the seconds to the next time."""
        try:
            found = self._statistics.read()
        except StoreUnavailable as error:
            self._redis.is_now("away", str(error))
            self._tell(None, "away", str(error))
        else:
            refused = self._refused()
            state = "refusing writes" if refused else "there"
            self._redis.is_now(state, refused)
            self._posting.is_now(found.posting_state, found.posting_problem)
            self._tell(found, state, refused)
        return INTERVAL_S
