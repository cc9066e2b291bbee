"""The posting service: does it keep to the contract that deliveries rely on."""

import ipaddress
import time
import uuid
from collections.abc import Iterator, Sequence
from itertools import islice
from statistics import median
from urllib.parse import urlsplit

from txn.doctor.finding import Finding, Level
from txn.errors import TxnError
from txn.posting.listing import NoList, PostingList
from txn.posting.service import Absent, Found, PostingService, Unknown
from txn.posting.transport import Answer, Transport, TransportError
from txn.settings import Settings

_TIMES = 5
#: Rows of the list that are looked at: its end may be far.
_ROWS = 100
_LIST_SILENCE_S = 10.0
_NOTHING = b'{"amount":0,"currency":"USD","description":"","metadata":{}}'
_HEADERS = {"Accept": "application/json", "Cache-Control": "no-cache"}


def check(settings: Settings, transport: Transport, took_ms: Sequence[float]) -> Iterator[Finding]:
    """Once `absent` is as it must be; otherwise this would say nothing. Only GETs."""
    yield _quick(settings, took_ms)
    yield from _private(settings)
    yield _fresh(transport)
    yield _list(settings)


def absent(service: PostingService) -> Finding:
    """Whether an unknown id is answered as such."""
    found = service.find(f"txn-doctor-{uuid.uuid4()}", _NOTHING)
    match found:
        case Absent():
            return Finding("posting GET", Level.OK, "an unknown id is answered with its own 404")
        case Found():
            do = "check TXN_POSTING_URL: whatever answers there says yes to everything, so nothing would be posted"
            return Finding("posting GET", Level.BAD, "an id that nobody has posted is found", do)
        case Unknown(detail):
            do = "check TXN_POSTING_URL and its credentials" if found.status else "start it, or check TXN_POSTING_URL"
            return Finding("posting GET", Level.BAD, detail.removeprefix("GET: "), do)


def took_ms(service: PostingService) -> list[float]:
    """How long some GETs took."""
    took = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        service.find(f"txn-doctor-{uuid.uuid4()}", _NOTHING)
        took.append((time.perf_counter() - began) * 1000)
    return took


def _quick(settings: Settings, took: Sequence[float]) -> Finding:
    found = f"a GET takes {median(took):.0f} ms, at worst {max(took):.0f} ms of {len(took)}"
    if max(took) > settings.posting_timeout_ms / 2:
        do = "raise TXN_POSTING_TIMEOUT_MS: calls that end at the deadline leave doubts, and doubts take time"
        return Finding("posting speed", Level.WARN, found, do)
    return Finding("posting speed", Level.OK, found)


def _fresh(transport: Transport) -> Finding:
    """Whether a cache stands in between: it would go on saying 404 about what was posted meanwhile."""
    path = f"/transactions/txn-doctor-{uuid.uuid4()}"
    try:
        answers = [transport.request("GET", path, headers=_HEADERS, timeout_ms=5_000) for _ in range(2)]
    except TransportError as error:
        return Finding("posting cache", Level.WARN, f"not known: {error}", "run this again")
    if any(_cached(answer) for answer in answers):
        do = "let nothing cache GETs of the posting service: an old 404 is how a transaction is posted twice"
        return Finding("posting cache", Level.BAD, "a GET is answered from a cache", do)
    return Finding("posting cache", Level.OK, "a GET is not answered from a cache")


def _cached(answer: Answer) -> bool:
    age = answer.headers.get("age", "0").strip()
    return (age.isdigit() and int(age) > 0) or "hit" in answer.headers.get("x-cache", "").lower()


def _list(settings: Settings) -> Finding:
    try:
        rows = sum(1 for _ in islice(PostingList(settings.posting_url, silence_s=_LIST_SILENCE_S).rows(), _ROWS))
    except NoList:
        do = "nothing has to be done, but the audit asks for each transaction then, and cannot see doubles"
        return Finding("posting list", Level.NOTE, "there is none", do)
    except TxnError as error:
        return Finding("posting list", Level.WARN, str(error), "without its list, the audit cannot see doubles")
    return Finding("posting list", Level.OK, f"can be read; rows: {rows}{' or more' if rows == _ROWS else ''}")


def _private(settings: Settings) -> Iterator[Finding]:
    parts = urlsplit(settings.posting_url)
    if parts.scheme == "http" and not _is_local(parts.hostname or ""):
        do = "use https, unless the network in between is yours alone"
        yield Finding("posting URL", Level.WARN, "transactions travel without encryption", do)


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
