"""The posting service's table."""

from collections import Counter
from itertools import islice
from typing import Any

from ops.mock_posting.kept import Kept
from ops.mock_posting.row import Row


class Ledger:
    """Rows in the order they were written; ids are not unique. With `kept`, they begin with those of the last run."""

    def __init__(self, kept: Kept | None = None) -> None:
        self._rows: list[Row] = []
        self._first: dict[str, Row] = {}
        self._copies: Counter[str] = Counter()  # only of ids with more than one row
        self._visible_at: dict[str, float] = {}
        self._kept = kept
        for row in kept.rows if kept else []:
            self._add(row)

    def write(self, row: Row, visible_at: float | None = None) -> None:
        """Append a row, whether its id is known or not. An id's first write may be hidden until a time in s."""
        if self._kept:
            self._kept.append(row)
        self._add(row, visible_at)

    def emptied(self) -> "Ledger":
        """A new one, without rows."""
        if self._kept:
            self._kept.empty()
        return Ledger(self._kept)

    def _add(self, row: Row, visible_at: float | None = None) -> None:
        self._rows.append(row)
        if self._first.setdefault(row.id, row) is not row:
            self._copies[row.id] += 1
        elif visible_at is not None:
            self._visible_at[row.id] = visible_at

    def find(self, row_id: str, now: float) -> Row | None:
        """The first row with this id, unless it is still hidden at `now`, in s."""
        if self._visible_at and now < self._visible_at.get(row_id, now):
            return None
        return self._first.get(row_id)

    def page(self, offset: int, limit: int | None) -> bytes:
        """`limit` rows from `offset` on, as a JSON array; hidden ones too."""
        end = None if limit is None else offset + limit
        return b"[" + b",".join(row.json for row in islice(self._rows, offset, end)) + b"]"

    def statistics(self) -> dict[str, Any]:
        """{rows, distinct, duplicates: rows beyond the first of their id, duplicate_ids: the first 20}."""
        return {
            "rows": len(self._rows),
            "distinct": len(self._first),
            "duplicates": len(self._rows) - len(self._first),
            "duplicate_ids": list(islice(self._copies, 20)),
        }
