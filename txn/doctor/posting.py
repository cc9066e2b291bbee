"""The posting service: does it keep to the contract that deliveries rely on."""

import ipaddress
import re
import uuid
from collections.abc import Iterator
from itertools import islice
from urllib.parse import urlsplit

from txn.doctor.finding import Finding, Level
from txn.errors import TxnError
from txn.posting.listing import NoList, PostingList
from txn.posting.results import Absent, Found, Unknown
from txn.posting.service import PostingService
from txn.posting.transport import Answer, Request, Transport, TransportError
from txn.settings import Settings

#: Rows of the list that are looked at: its end may be far.
_ROWS = 1_000
_LIST_SILENCE_S = 10.0
NOTHING = b'{"amount":0,"currency":"USD","description":"","metadata":{}}'
#: How caches say that they have answered themselves.
_CACHES = ("cache-status", "x-cache", "x-cache-status", "cf-cache-status")
_HIT = re.compile(r"(?<![a-z])hit(?![a-z])").search
_HEADERS = {"Accept": "application/json", "Cache-Control": "no-cache"}


def check(settings: Settings, transport: Transport) -> Iterator[Finding]:
    """Once `absent` is as it must be; otherwise this would say nothing. Only GETs."""
    yield from _private(settings)
    yield _fresh(transport, settings.posting_timeout_ms)
    yield _list(settings)


def absent(service: PostingService) -> Finding:
    """Whether an unknown id is answered as such."""
    found = service.find(f"txn-doctor-{uuid.uuid4()}", NOTHING)
    match found:
        case Absent():
            return Finding("posting GET", Level.OK, "an unknown id is answered with its own 404")
        case Found():
            do = "check TXN_POSTING_URL: whatever answers there says yes to everything, so nothing would be posted"
            return Finding("posting GET", Level.BAD, "an id that nobody has posted is found", do)
        case Unknown(detail):
            return Finding("posting GET", Level.BAD, detail.removeprefix("GET: "), _mend(found))


def _mend(found: Unknown) -> str:
    if found.status is None:
        if "SSL" in found.detail or "certificate" in found.detail:
            return "name the file with its CA in SSL_CERT_FILE, or give it a certificate for its own name"
        return "start it, or check TXN_POSTING_URL"
    if 300 <= found.status < 400:
        return "set TXN_POSTING_URL to where it leads: redirects are not followed"
    return "check TXN_POSTING_URL and its credentials"


def _fresh(transport: Transport, timeout_ms: int) -> Finding:
    """Whether a cache stands in between: it would go on saying 404 about what was posted meanwhile."""
    path = f"/transactions/txn-doctor-{uuid.uuid4()}"
    try:
        answers = [transport.send(Request("GET", path, _HEADERS, timeout_ms)) for _ in range(2)]
    except TransportError as error:
        return Finding("posting cache", Level.WARN, f"not known: {error}", "run this again")
    if any(_cached(answer) for answer in answers):
        do = "let nothing cache GETs of the posting service: an old 404 leads to a second POST"
        return Finding("posting cache", Level.BAD, "a GET is answered from a cache", do)
    return Finding("posting cache", Level.OK, "a GET is not answered from a cache")


def _cached(answer: Answer) -> bool:
    age = answer.headers.get("age", "0").strip()
    said = " ".join(answer.headers.get(name, "") for name in _CACHES).lower()
    return (age.isdecimal() and int(age) > 0) or bool(_HIT(said))


def _list(settings: Settings) -> Finding:
    listing = PostingList(settings.posting_url, silence_s=_LIST_SILENCE_S)
    try:
        rows = sum(1 for _ in islice(listing.rows(), _ROWS + 1))
    except NoList as error:
        do = "nothing has to be done, but the audit then asks for each transaction and cannot see doubles"
        return Finding("posting list", Level.NOTE, f"there is none: {error}", do)
    except TxnError as error:
        return Finding("posting list", Level.WARN, str(error), "without its list, the audit cannot see doubles")
    shape = "an array" if listing.member is None else f'an object with its rows in "{listing.member}"'
    return Finding("posting list", Level.OK, f"{shape}; rows: {rows if rows <= _ROWS else f'more than {_ROWS}'}")


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
