"""What is under way and what has been."""

from collections import Counter


class Traffic:
    """Counts requests; for POSTs also how many of one id were under way at once.

    None at once is missed. One too many may be counted, if a caller goes away and posts again in the same millisecond:
    which of its two connections is heard first is chance.
    """

    def __init__(self) -> None:
        self.posts = self.gets = self.most_of_one_id = 0
        self._in_flight: Counter[str] = Counter()

    def post(self, row_id: str) -> "Flight":
        """A POST was read."""
        self.posts += 1
        self._in_flight[row_id] += 1
        self.most_of_one_id = max(self.most_of_one_id, self._in_flight[row_id])
        return Flight(self._in_flight, row_id)

    def in_flight(self) -> int:
        """POSTs that were read and not answered, and whose callers are still there."""
        return self._in_flight.total()


class Flight:
    """One POST, from when it is read until it is answered or its caller has gone."""

    def __init__(self, in_flight: Counter[str], row_id: str) -> None:
        self._in_flight, self._row_id, self._ended = in_flight, row_id, False

    def end(self) -> None:
        """Call it before the answer leaves, lest it meets the caller's next POST. Only the first call counts."""
        if self._ended:
            return
        self._ended = True
        self._in_flight[self._row_id] -= 1
        if not self._in_flight[self._row_id]:
            del self._in_flight[self._row_id]
