"""Numbers that are JSON and that no decimal of ours can hold: 5,000 digits, or an exponent beyond all exponents."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any

#: Python makes no integer of more digits.
_MAX_INTEGER_DIGITS = 4_000


class Unheld:
    """Stands where such a number stood, or NaN, which is none. It is equal to nothing else."""


def loads_marked(data: bytes) -> Any:
    """Parse JSON that `loads` has refused, with an `Unheld` in place of each such number.

    Of equal keys the last counts: for what is refused anyway, or only looked at.
    Raises: ValueError, if it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(data.decode(), parse_int=_integer, parse_float=_decimal, parse_constant=_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _integer(digits: str) -> int | Unheld:
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else Unheld()


def _decimal(digits: str) -> Decimal | Unheld:
    try:
        return Decimal(digits)
    except InvalidOperation:
        return Unheld()


def _constant(_name: str) -> Unheld:
    return Unheld()
