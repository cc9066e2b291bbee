"""The posting service's table: its rows, and the file that keeps them."""

from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import jiter
import simplejson

_TEXTS = ("id", "currency", "description", "timestamp")
_CENT = Decimal("0.01")
_LIMIT = Decimal(10) ** 8  # DECIMAL(10,2)


class BadRow(ValueError):
    """Says why a body is not a row."""


class Row(NamedTuple):
    """`json`: {id, amount, currency, description, timestamp, metadata}, the amount as a number with two decimals."""

    id: str
    json: bytes


def read_row(body: bytes) -> Row:
    """The row in the body of a POST; other fields are left out, metadata may be missing.

    Raises: BadRow.
    """
    try:
        found = jiter.from_json(body, float_mode="decimal", allow_inf_nan=False)
    except ValueError as error:
        raise BadRow(f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadRow("a row is a JSON object")
    for name in _TEXTS:
        if not isinstance(found.get(name), str):
            raise BadRow(f"{name} must be there, as a string")
    if not found["id"]:
        raise BadRow("id must not be empty")
    return Row(found["id"], _json(found, _amount(found.get("amount"))))


def dumps(value: Any) -> bytes:
    """JSON without spaces, Decimals as numbers."""
    text: str = simplejson.dumps(value, use_decimal=True, separators=(",", ":"))
    return text.encode()


def _json(found: dict[str, Any], amount: Decimal) -> bytes:
    return dumps(
        {
            "id": found["id"],
            "amount": amount,
            "currency": found["currency"],
            "description": found["description"],
            "timestamp": found["timestamp"],
            "metadata": found.get("metadata"),
        }
    )


def _amount(value: Any) -> Decimal:
    """Rounded to cents as databases do it, a string read as a number."""
    if not isinstance(value, (int, Decimal, str)) or isinstance(value, bool):
        raise BadRow("amount must be there, as a number")
    try:
        amount = Decimal(value).quantize(_CENT, ROUND_HALF_UP)
        if abs(amount) < _LIMIT:
            return amount
    except ArithmeticError:  # not a number, or one with far too many digits
        pass
    raise BadRow("amount must fit DECIMAL(10,2)")


class CannotKeep(Exception):
    """Names the file, and says why not."""


class Kept:
    """The rows of `path`, which is made if it is not there.

    A row is with the operating system before it is answered: it survives a kill, not a power cut.
    Raises: CannotKeep.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.rows = _whole_rows(path)
            self._file = path.open("ab", buffering=0)
        except (OSError, ValueError) as error:
            raise CannotKeep(f"the rows in {path} cannot be kept: {error}") from None

    def close(self) -> None:
        """Nothing is lost by leaving it out."""
        self._file.close()

    def append(self, row: Row) -> None:
        """Raises: OSError; the row then counts as not written."""
        self._file.write(row.json + b"\n")

    def empty(self) -> None:
        """As at the very first start."""
        self._file.truncate(0)
        self.rows = []


def _whole_rows(path: Path) -> list[Row]:
    with path.open("a+b") as file:
        file.seek(0)
        *whole, cut = file.read().split(b"\n")
        rows = [Row(_id(line), line) for line in whole]
        if cut:  # killed in the middle of a row, which nobody saw
            file.truncate(file.tell() - len(cut))
    return rows


def _id(line: bytes) -> str:
    found = jiter.from_json(line)
    if not isinstance(found, dict) or not isinstance(found.get("id"), str):
        raise ValueError(f"this line is no row: {line[:60]!r}")
    return str(found["id"])


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
