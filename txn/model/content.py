"""JSON whose numbers stay decimal, and contents compared as values."""

import hashlib
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import jiter
import simplejson

#: The fields that make two transactions the same. Never the timestamp.
CONTENT = ("amount", "currency", "description", "metadata")

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def loads(data: bytes) -> Any:
    """Parse JSON: numbers with a point or an exponent become Decimals, a repeated key is an error.

    Raises: ValueError, saying what is wrong and where.
    """
    return jiter.from_json(data, float_mode="decimal", catch_duplicate_keys=True, allow_inf_nan=False)


def dumps(value: Any) -> bytes:
    """Compact JSON; Decimals are written as numbers, digit by digit.

    Raises: ValueError for what JSON or UTF-8 cannot hold (a lone surrogate, an integer of thousands of digits).
    """
    text: str = _encoder.encode(value)
    return text.encode()


def fingerprint(content: Mapping[str, Any]) -> str:
    """32 hex digits that are equal exactly if the contents are equal as values."""
    return hashlib.blake2b(_sorted.encode(_canonical_content(content)).encode(), digest_size=16).hexdigest()


def same_id(ours: str, theirs: object) -> bool:
    """Whether a row's `id` is ours: the same text. Only a UUID may come back in another case.

    A look-up that ignores case, or a proxy that mixes answers up, brings somebody else's row, perhaps of equal content.
    """
    if ours == theirs:
        return True
    return isinstance(theirs, str) and bool(_UUID.fullmatch(ours)) and ours.lower() == theirs.lower()


def differing(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields of `CONTENT` in which a row of the posting service is not the transaction that we hold.

    100.5 is 100.50, an amount may be a string, metadata may come back as a JSON string, unknown fields do not count.
    """
    one, other = _canonical_content(ours), _canonical_content(theirs)
    return tuple(name for name in CONTENT if one[name] != other[name])


def _canonical_content(content: Mapping[str, Any]) -> dict[str, Any]:
    metadata = content.get("metadata")
    if isinstance(metadata, str):
        metadata = _json_or_text(metadata)
    return {
        "amount": _amount(content.get("amount")),
        "currency": _canonical(content.get("currency")),
        "description": _canonical(content.get("description")),
        "metadata": _canonical(metadata or {}),
    }


def _amount(value: Any) -> Any:
    if isinstance(value, str):
        try:
            number = Decimal(value)
        except ArithmeticError:
            return value
        value = number if number.is_finite() else value
    return _canonical(value)


def _json_or_text(text: str) -> Any:
    try:
        return loads(text.encode())
    except ValueError:
        return text


def _canonical(value: Any) -> Any:
    """Numbers as their shortest digits; numbers and texts tagged, so that 1 and "1" differ."""
    if isinstance(value, str):
        return f"text {value}"
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return f"number {_digits(Decimal(value))}"
    return value


def _digits(number: Decimal) -> str:
    """`number` without its trailing zeros, exactly (Decimal.normalize would round to the context's precision)."""
    mantissa, _, power = f"{number:E}".partition("E")
    digits = mantissa.lstrip("-").replace(".", "").rstrip("0")
    if not digits:
        return "0"
    return f"{'-' if mantissa[0] == '-' else ''}{digits}e{int(power) - len(digits) + 1}"


_encoder = simplejson.JSONEncoder(use_decimal=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
#: Of what has no decimals in it any more; simplejson writes the same, and takes twice as long.
_sorted = json.JSONEncoder(sort_keys=True, ensure_ascii=False)
