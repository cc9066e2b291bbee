"""One row posted for real, only when somebody asks for it: does it come back as it went, and is it there once."""

import time
import uuid
from collections.abc import Iterator
from decimal import Decimal

from txn.doctor.finding import Finding, Level
from txn.errors import TxnError
from txn.model.content import dumps
from txn.model.money import DECIMALS
from txn.model.submission import parse_submission
from txn.posting.listing import NoList, PostingList
from txn.posting.results import Absent, Found, Lookup, Posted, PostResult, Rejected, Uncertain, Unknown
from txn.posting.service import PostingService

#: The list can be long: it is read for so long, and no longer.
LIST_PATIENCE_S = 10.0
#: A row may show late: it is asked for again for so long.
LATE_PATIENCE_S = 5.0
_AGAIN_S = 0.2

#: As long as a description may be, with what gets trimmed, folded, escaped or turned into `?` on the way to a table.
_DESCRIPTION = (
    " A row of txn doctor: delete it.  It holds what may not come back unchanged \N{EM DASH} caf\u00e9 and cafe\u0301,"
    " \ufb01, \N{LATIN CAPITAL LETTER I WITH DOT ABOVE}, \N{RECEIPT}\N{ZERO WIDTH JOINER}\N{EURO SIGN},"
    " \"quotes\", 'quotes', <b>&amp;</b>, \\n, 100%, a tab\t, two\r\nlines"
)
_LENGTH = 255
#: What serializers leave out, rename, round, sort, or take for something else.
_METADATA = {
    "text": 'quotes " \\ \u00fcnicode \N{RECEIPT} cafe\u0301',
    "spaces": "  two  ",
    "digits": "007",
    "date": "2026-01-02T03:04:05.000Z",
    "yes": "true",
    "number": Decimal("1.50"),
    "large": 2**53 + 1,
    "negative": Decimal("-0.01"),
    "zero": 0,
    "false": False,
    "null": None,
    "empty": "",
    "nested": {"empty": [], "none": {}, "list": [3, "3", None, 1], "deeper": {"still": {"deeper": 1}}},
    "camelCase": 1,
    "CamelCase": 2,
    "snake_case": 3,
    "dotted.and-dashed key": 4,
    "\u00e9": 5,
    "": 6,
}
_HOLDS = "a description of 255 characters, accents in two forms, emoji, spaces at both ends, and metadata of every kind"


def payload_in(currency: str) -> bytes:
    """The smallest amount that there is, and whatever else may not come back as it went.

    Raises: Invalid, if there is no such currency.
    """
    content = {
        "amount": Decimal(1).scaleb(-DECIMALS.get(currency, 2)),
        "currency": currency,
        "description": f"{_DESCRIPTION}{'.' * (_LENGTH - len(_DESCRIPTION) - 1)} ",
        "metadata": _METADATA,
    }
    return parse_submission(dumps(content)).payload


def check(service: PostingService, listing: PostingList, payload: bytes) -> Iterator[Finding]:
    """Post it and look for it."""
    row_id = f"txn-doctor-{str(uuid.uuid4()).upper()}"
    result = service.post(row_id, payload, time.time_ns() // 1_000_000, lambda: True)
    yield _answered(result, row_id)
    if isinstance(result, Rejected):
        yield from _refused_and_there(service, row_id, payload)
    elif isinstance(result, Posted | Uncertain):
        yield _read_back(service, row_id, payload)
        yield from _listed(listing, row_id)


def _answered(result: PostResult, row_id: str) -> Finding:
    if isinstance(result, Posted):
        return Finding("posting POST", Level.NOTE, f"answered {result.status}", f"delete the row {row_id} there")
    detail = getattr(result, "detail", type(result).__name__).removeprefix("POST: ")
    do = f"see why it does not take this row; look for {row_id} there, it may have been written"
    if isinstance(result, Uncertain) and result.status in (200, 201):
        do = f"let it answer with the row and its id: nothing else proves a write; look for {row_id} there"
    return Finding("posting POST", Level.BAD, detail, do)


def _refused_and_there(service: PostingService, row_id: str, payload: bytes) -> Iterator[Finding]:
    if isinstance(service.find(row_id, payload), Found):
        do = "let it refuse before it writes: nobody expects a row after a refusal"
        yield Finding("posting content", Level.BAD, "it has refused the row, and holds it", do)


def _read_back(service: PostingService, row_id: str, payload: bytes) -> Finding:
    lookup, waited_s = _looked_up(service, row_id, payload)
    match lookup:
        case Found(same=True) if waited_s:
            do = "set TXN_DOUBT_WINDOW_MS above how late its GET is, and leave TXN_ANSWER_IS_FINAL unset"
            return Finding("posting content", Level.WARN, f"a GET sees the row {waited_s:.1f} s after the POST", do)
        case Found(same=True):
            return Finding("posting content", Level.OK, "comes back unchanged")
        case Found():
            do = f"see what it does to {_HOLDS}: a transaction that is there would look like another"
            return Finding("posting content", Level.BAD, f"comes back changed: {', '.join(lookup.differs)}", do)
        case Absent():
            do = "find out whether it wrote the row, and how late its GET is: TXN_DOUBT_WINDOW_MS must be above that"
            return Finding("posting content", Level.BAD, f"the row is not there after {waited_s:.0f} s", do)
        case Unknown(detail):
            return Finding("posting content", Level.BAD, detail.removeprefix("GET: "), _without_a_row(lookup))


def _without_a_row(lookup: Unknown) -> str:
    if lookup.status == 200:
        return "find out what it does to ids: a row counts only if it carries the id with which it was posted"
    return "run this again"


def _looked_up(service: PostingService, row_id: str, payload: bytes) -> tuple[Lookup, float]:
    """What a GET finds, and after how many seconds: 0 at the first look."""
    began, lookup = time.monotonic(), service.find(row_id, payload)
    waited_s = 0.0
    while isinstance(lookup, Absent) and waited_s < LATE_PATIENCE_S:
        time.sleep(_AGAIN_S)
        lookup, waited_s = service.find(row_id, payload), time.monotonic() - began
    return lookup, waited_s


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
        do = "find out how late its list is: the audit would report transactions as missing"
        yield Finding("posting rows", Level.WARN, "the list does not hold the row", do)


def _times(listing: PostingList, row_id: str) -> int | None:
    """How often the list holds the row; None if its end is too far."""
    ends, times = time.monotonic() + LIST_PATIENCE_S, 0
    for row in listing.rows():
        times += row.get("id") == row_id
        if time.monotonic() > ends:
            return None
    return times
