"""What the posting service holds: rows in the order they were written, ids not unique."""

from collections import Counter
from typing import Any


class Ledger:
    """Rows as dicts {id, amount, currency, description, timestamp, metadata}; amounts are Decimals with two places."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything, also what was counted."""
        self.rows: list[dict[str, Any]] = []
        self._first: dict[str, dict[str, Any]] = {}
        self._copies: Counter[str] = Counter()
        self._in_flight: Counter[str] = Counter()
        self.posts = self.gets = self.late_writes = self.max_in_flight = 0

    def write(self, row: dict[str, Any]) -> None:
        """Append a row, whether its id is known or not."""
        self.rows.append(row)
        self._first.setdefault(row["id"], row)
        self._copies[row["id"]] += 1

    def find(self, row_id: str) -> dict[str, Any] | None:
        """The first row with this id."""
        return self._first.get(row_id)

    def post_begins(self, row_id: str) -> None:
        """A POST was read."""
        self.posts += 1
        self._in_flight[row_id] += 1
        self.max_in_flight = max(self.max_in_flight, self._in_flight[row_id])

    def post_ends(self, row_id: str) -> None:
        """It was answered, or its caller has gone."""
        self._in_flight[row_id] -= 1
        if self._in_flight[row_id] <= 0:
            del self._in_flight[row_id]

    def statistics(self) -> dict[str, Any]:
        """What the control port shows."""
        doubled = [row_id for row_id, copies in self._copies.items() if copies > 1]
        return {
            "rows": len(self.rows),
            "distinct": len(self._first),
            "duplicates": len(self.rows) - len(self._first),
            "duplicate_ids": doubled[:20],
            "posts": self.posts,
            "gets": self.gets,
            "in_flight": sum(self._in_flight.values()),
            "max_posts_in_flight_of_one_id": self.max_in_flight,
            "pending_late_writes": self.late_writes,
        }
