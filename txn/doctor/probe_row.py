"""One row posted for real, only when somebody asks for it: does it come back as it went, and is it there once."""

import time
import uuid
from collections.abc import Iterator
from decimal import Decimal

from txn.doctor.finding import Finding, Level
from txn.errors import TxnError
from txn.model.content import dumps
from txn.model.submission import DECIMALS, parse_submission
from txn.posting.listing import NoList, PostingList
from txn.posting.service import Absent, Found, Posted, PostingService, Unknown

#: The list can be long: it is read for so long, and no longer.
LIST_PATIENCE_S = 10.0


def payload_in(currency: str) -> bytes:
    """The smallest amount that there is, and whatever else may not come back as it went.

    Raises: Invalid, if there is no such currency.
    """
    content = {
        "amount": Decimal(1).scaleb(-DECIMALS.get(currency, 2)),
        "currency": currency,
        "description": "A row of txn doctor, to see that contents come back as they went: delete it",
        "metadata": {"text": 'quotes " \\ and ünicode', "number": Decimal("1.50"), "nested": {"empty": []}},
    }
    return parse_submission(dumps(content)).payload


def check(service: PostingService, listing: PostingList, payload: bytes) -> Iterator[Finding]:
    """Post it and look for it."""
    row_id = f"txn-doctor-{uuid.uuid4()}"
    result = service.post(row_id, payload, time.time_ns() // 1_000_000, lambda: True)
    if not isinstance(result, Posted):
        detail = getattr(result, "detail", type(result).__name__).removeprefix("POST: ")
        do = f"see why it does not take this row; look for {row_id} there, it may have been written"
        yield Finding("posting POST", Level.BAD, detail, do)
        return
    yield Finding("posting POST", Level.NOTE, f"answered {result.status}", f"delete the row {row_id} there")
    yield _read_back(service, row_id, payload)
    yield from _listed(listing, row_id)


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


def _listed(listing: PostingList, row_id: str) -> Iterator[Finding]:
    try:
        times = _times(listing, row_id)
    except NoList:  # said already
        return
    except TxnError as error:
        yield Finding("posting rows", Level.WARN, str(error), "run this again")
        return
    if times is None:
        yield Finding(
            "posting rows", Level.NOTE, f"the list is longer than {LIST_PATIENCE_S:.0f} s", "look for it there"
        )
    elif times == 1:
        yield Finding("posting rows", Level.OK, "the list holds the row once")
    elif times:
        do = "find out what repeats POSTs on the way there, a proxy perhaps: every transaction can be doubled by it"
        yield Finding("posting rows", Level.BAD, f"one POST, and the list holds the row {times} times", do)
    else:
        do = "see how late its list is: the audit would call transactions missing"
        yield Finding("posting rows", Level.WARN, "the list does not hold the row", do)


def _times(listing: PostingList, row_id: str) -> int | None:
    """How often the list holds the row; None if its end is too far."""
    ends, times = time.monotonic() + LIST_PATIENCE_S, 0
    for row in listing.rows():
        times += row.get("id") == row_id
        if time.monotonic() > ends:
            return None
    return times
