"""The JSON of a request's body, and where it is none."""

import re
from collections.abc import Callable
from typing import Any

from txn.errors import Invalid
from txn.model.content import loads
from txn.model.unheld import loads_marked

#: Where jiter stopped, and what a key of ours looks like.
_PLACE = re.compile(r"line (\d+) column (\d+)")
#: What jiter says of an exponent that Python's decimals cannot hold.
_INTERNAL = re.compile(r'Internal error: "InvalidOperation.*?"')
#: Numbers at which parsing can fail although they are JSON.
_TOO_LONG = re.compile(rb"[0-9]{4000}|[eE][+-]?[0-9]{10}")
_JSON_KEY = re.compile(rb'"([a-z]{1,20})"\s*:')


def parse_json(body: bytes, check: Callable[[Any], object] | None = None) -> Any:
    """The value that a request's body is. `check` looks at one in which only a number is too large to be parsed.

    Raises: Invalid, saying where it is no JSON.
    """
    try:
        return loads(body)
    except ValueError as error:
        if check and _TOO_LONG.search(body):
            _check_numbers(body, check)
        why = _INTERNAL.sub("number too large", str(error))
        raise Invalid(_field_near(body, str(error)), f"is not valid JSON: {why}", code="invalid_json") from None


def _check_numbers(body: bytes, check: Callable[[Any], object]) -> None:
    """Where only a number is too large to be parsed, say of its field what is wrong with it. Raises: Invalid."""
    try:
        value = loads_marked(body)
    except ValueError:
        return
    check(value)


def _field_near(body: bytes, message: str) -> str:
    """The last key before the place where parsing stopped, or `body`."""
    place = _PLACE.search(message)
    if not place or message.startswith("trailing"):
        return "body"
    line, column = int(place[1]), int(place[2])
    lines = body.split(b"\n")[:line]
    lines[-1] = lines[-1][:column]
    keys: list[bytes] = _JSON_KEY.findall(b"\n".join(lines))
    return keys[-1].decode() if keys else "body"
