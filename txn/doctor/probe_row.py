"""One row posted for real, only when somebody asks for it: does the content come back as it went."""

import time
import uuid
from collections.abc import Iterator
from decimal import Decimal

from txn.doctor.finding import Finding, Level
from txn.model.content import dumps
from txn.model.submission import parse_submission
from txn.posting.service import Absent, Found, Posted, PostingService, Unknown


def check(service: PostingService, currency: str) -> Iterator[Finding]:
    """Post it and look for it. Raises: Invalid, if there is no such currency."""
    row_id = f"txn-doctor-{uuid.uuid4()}"
    content = {
        "amount": Decimal("0.01"),
        "currency": currency,
        "description": "A row of txn doctor, to see that contents come back as they went: delete it",
        "metadata": {"text": 'quotes " \\ and ünicode', "number": Decimal("1.50"), "nested": {"empty": []}},
    }
    payload = parse_submission(dumps(content)).payload
    result = service.post(row_id, payload, time.time_ns() // 1_000_000, lambda: True)
    if not isinstance(result, Posted):
        detail = getattr(result, "detail", type(result).__name__).removeprefix("POST: ")
        do = f"see why it does not take this row; look for {row_id} there, it may have been written"
        yield Finding("posting POST", Level.BAD, detail, do)
        return
    yield Finding("posting POST", Level.NOTE, f"answered {result.status}", f"delete the row {row_id} there")
    yield _read_back(service, row_id, payload)


def _read_back(service: PostingService, row_id: str, payload: bytes) -> Finding:
    match service.find(row_id, payload):
        case Found(same=True):
            return Finding("posting content", Level.OK, "comes back as it went")
        case Found():
            do = "see what it does to amounts, texts and metadata: a transaction that is there would look like another"
            return Finding("posting content", Level.BAD, "comes back changed", do)
        case Absent():
            do = "set TXN_DOUBT_WINDOW_MS above how late its GET is, and leave TXN_ANSWER_IS_FINAL unset"
            return Finding("posting content", Level.WARN, "a GET right after the POST does not see the row", do)
        case Unknown(detail):
            return Finding("posting content", Level.WARN, detail, "run this again")
