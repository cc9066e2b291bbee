"""What is sent: transactions as JSON, and many of them in as few requests as can hold them."""

import json
import re
import uuid
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from txn.client.answers import Submission

#: What one request of a batch may hold, as the API has it.
MAX_TRANSACTIONS, MAX_BYTES = 500, 1024 * 1024


def encoded(value: Any) -> bytes:
    """As JSON. A Decimal becomes a number with all its digits, which `json` cannot write: it is put in afterwards."""
    mark, digits = uuid.uuid4().hex, list[str]()

    def marked(one: Any) -> str:
        if not isinstance(one, Decimal) or not one.is_finite():
            raise TypeError(f"metadata holds a {type(one).__name__} that JSON has not: {one!r}")
        digits.append(str(one))
        return f"{mark}{len(digits) - 1}"

    text = json.dumps(value, allow_nan=False, separators=(",", ":"), default=marked)
    if digits:
        text = re.sub(f'"{mark}([0-9]+)"', lambda found: digits[int(found[1])], text)
    return text.encode()


def of_a_batch(submission: Submission) -> bytes:
    keyed = {} if submission.key is None else {"idempotencyKey": submission.key}
    return encoded(submission.to_json() | keyed)


def divided(submissions: Sequence[Submission]) -> Iterator[tuple[list[Submission], list[bytes]]]:
    """In parts that one request can hold."""
    some: list[Submission] = []
    texts: list[bytes] = []
    size = 2
    for submission in submissions:
        text = of_a_batch(submission)
        if some and (len(some) == MAX_TRANSACTIONS or size + len(text) + 1 > MAX_BYTES):
            yield some, texts
            some, texts, size = [], [], 2
        some.append(submission)
        texts.append(text)
        size += len(text) + 1
    if some:
        yield some, texts
