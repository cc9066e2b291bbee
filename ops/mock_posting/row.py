"""A row of the posting service's table."""

from decimal import ROUND_HALF_UP, Decimal
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
