"""Many transactions that a client hands in together: each is checked by itself."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from txn.errors import Invalid
from txn.model.json_body import parse_json
from txn.model.submission import Submission, submission_of

#: So many transactions at most: Redis serves nobody else while it stores them.
MAX_TRANSACTIONS = 500
#: Others are served after so many were checked.
_A_TURN = 25

#: In a batch the key of each transaction stands beside its content.
KEY_FIELD = "idempotencyKey"
_FIELDS = frozenset({"transactions", "atomic"})

#: Raises Invalid.
ReadKey = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Batch:
    """What was handed in, in its order: what can be stored, and what is wrong with the others.

    `atomic`: all of them or none are to be stored.
    """

    items: list[Submission | Invalid]
    atomic: bool = False


def parse_batch(body: bytes, unquoted: ReadKey, client: str = "") -> Batch:
    """A JSON array of transactions, or `{"transactions": [...], "atomic": true}`. `unquoted` is the key that a text is.

    Raises: Invalid, if it is neither.
    """
    found, atomic = parse_json(body), False
    if isinstance(found, dict):
        found, atomic = _members(found)
    if not isinstance(found, list):
        raise Invalid("body", 'must be a JSON array of transactions, or {"transactions": [...]}')
    _check_length(len(found))
    items: list[Submission | Invalid] = []
    for number, value in enumerate(found):
        _let_others(number)
        items.append(_item(value, unquoted, client))
    return Batch(items, atomic)


def parse_lines(body: bytes, unquoted: ReadKey, client: str = "") -> Batch:
    """One JSON object a line (NDJSON); empty lines do not count.

    Raises: Invalid, if there are none, or too many.
    """
    lines = [line for line in body.split(b"\n") if line.strip()]
    _check_length(len(lines))
    items: list[Submission | Invalid] = []
    for number, line in enumerate(lines):
        _let_others(number)
        try:
            items.append(_item(parse_json(line), unquoted, client))
        except Invalid as error:
            items.append(error)
    return Batch(items)


def _members(found: Mapping[str, Any]) -> tuple[Any, bool]:
    if unknown := sorted(set(found) - _FIELDS):
        raise Invalid(unknown[0][:100], 'is not known here: a batch has "transactions" and "atomic"')
    atomic = found.get("atomic", False)
    if not isinstance(atomic, bool):
        raise Invalid("atomic", "must be true or false")
    return found.get("transactions"), atomic


def _check_length(length: int) -> None:
    if not 1 <= length <= MAX_TRANSACTIONS:
        raise Invalid("transactions", f"must be 1 to {MAX_TRANSACTIONS} transactions, and are {length}")


def _item(value: Any, unquoted: ReadKey, client: str) -> Submission | Invalid:
    if not isinstance(value, dict):
        return Invalid("body", "must be a JSON object")
    content = dict(value)
    key = content.pop(KEY_FIELD, None)
    if key is not None and not isinstance(key, str):
        return Invalid(KEY_FIELD, "must be a string")
    try:
        return submission_of(content, None if key is None else unquoted(key), client)
    except Invalid as error:
        return _named_as_here(error)


def _named_as_here(error: Invalid) -> Invalid:
    """A single submit has its key in a header."""
    (field, sentence), *others = [
        (KEY_FIELD if field == "Idempotency-Key" else field, sentence) for field, sentence in error.errors
    ]
    return Invalid(field, sentence, code=error.code, others=others)


def _let_others(number: int) -> None:
    if number % _A_TURN == _A_TURN - 1:
        time.sleep(0)  # of gevent, where that serves
