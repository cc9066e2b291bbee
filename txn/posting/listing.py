"""The posting service's whole list, row by row: however long it is, a chunk of it is held at a time.

TxnError
├── Unavailable
│   └── PostingUnavailable   away, or its list could not be read to the end
└── NoList                   this posting service has no list

The list is an array, or an object with exactly one array in it: the original answers {"data": [...]}.
"""

import re
import time
from collections.abc import Iterator, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3

from txn.errors import TxnError, Unavailable
from txn.posting.endpoint import Endpoint
from txn.posting.rows import NoRows, NotRows, Splitter, parse
from txn.posting.wholeness import why_not_whole

#: How long the list may give no row: the service may have to collect all of it before its first byte.
SILENCE_S = 120.0
CONNECT_S = 5.0

_CHUNK_BYTES = 64 * 1024
_NO_LIST = frozenset({404, 405, 501})
#: Whatever reading can raise.
_FOREIGN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)
#: Headers in which services say how many rows there are in all.
_TOTALS = ("X-Total-Count", "X-Total", "Total-Count")
_RANGE = re.compile(r"\S+ (?:[0-9]+-[0-9]+|\*)/([0-9]{1,18})")
_NUMBER = re.compile(r"[0-9]{1,18}")


class PostingUnavailable(Unavailable):
    """The posting service is away, or its list could not be read to the end: nothing follows from a part of it."""


class NoList(TxnError):
    """GET /transactions is answered with 404, 405 or 501, or an object without a list: ask for rows one by one."""


class PostingList:
    """Reads `GET /transactions`.

    `base_url`: http(s)://[user:password@]host[:port][/path]. `ca_file`: PEM; see `Endpoint.parse` for the default.
    Raises: BadSettings.
    """

    def __init__(self, base_url: str, ca_file: str | None = None, silence_s: float = SILENCE_S) -> None:
        self._endpoint, self._silence_s = Endpoint.parse(base_url, ca_file), silence_s
        #: What the last list was in: "data" in {"data": [...]}; None: it was the answer itself.
        self.member: str | None = None

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """Every row, in the service's order; numbers with a point or an exponent are Decimals (see `rows.parse`).

        Raises: NoList, PostingUnavailable.
        """
        try:
            with self._session() as session, self._answer(session) as answer:
                if answer.status_code in _NO_LIST:
                    raise NoList(f"GET /transactions is answered with {answer.status_code}")
                if answer.status_code != 200:
                    raise PostingUnavailable(
                        f"the posting service answered GET /transactions with {answer.status_code}"
                    )
                _check_pages(answer)
                rows = 0
                for row in self._read(answer.raw):
                    rows += 1
                    yield row
                _check_total(answer, rows)
        except NoRows as error:
            raise NoList(f"GET /transactions is answered with an object that {error}") from None
        except _FOREIGN as error:
            raise PostingUnavailable(_sentence(error)) from None

    def _read(self, raw: Any) -> Iterator[Mapping[str, Any]]:
        """Chunks as they come: a drip would never fill one of a fixed size, nor be silent."""
        splitter, waited_s, number = Splitter(), 0.0, 0
        began = time.monotonic()
        while chunk := raw.read1(_CHUNK_BYTES, decode_content=True):
            waited_s += time.monotonic() - began
            found = splitter.feed(chunk)
            self.member = splitter.name
            if not found and waited_s > self._silence_s:
                raise requests.Timeout
            for row in found:
                waited_s, number = 0.0, number + 1
                yield parse(row, number)
            began = time.monotonic()
        if why := why_not_whole(splitter.end(), number):
            raise PostingUnavailable(f"the posting service's list {why}")

    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.headers.update({**self._endpoint.headers, "Accept": "application/json", "Cache-Control": "no-cache"})
        session.verify = self._endpoint.ca_file
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        return session

    def _answer(self, session: requests.Session) -> requests.Response:
        timeout = (min(CONNECT_S, self._silence_s), self._silence_s)
        return session.get(f"{self._endpoint.url}/transactions", stream=True, timeout=timeout, allow_redirects=False)


def _check_pages(answer: requests.Response) -> None:
    """A service that gives its list in pages says where the next one is. Raises: PostingUnavailable."""
    links = requests.utils.parse_header_links(answer.headers.get("Link", ""))
    further = any("next" in link.get("rel", "").lower().split() for link in links)
    if further or answer.headers.get("X-Next-Page", "").strip():
        raise PostingUnavailable("the posting service's list is only a first page: its answer names a next one")


def _check_total(answer: requests.Response, rows: int) -> None:
    """More than that may have been written since. Raises: PostingUnavailable."""
    said = [answer.headers.get(name, "") for name in _TOTALS]
    if found := _RANGE.fullmatch(answer.headers.get("Content-Range", "").strip()):
        said.append(found[1])
    total = max((int(number) for number in said if _NUMBER.fullmatch(number.strip())), default=0)
    if total > rows:
        raise PostingUnavailable(
            f"the posting service's list is incomplete: by its own count it has {total} rows, and it holds {rows}"
        )


def _sentence(error: BaseException) -> str:
    if isinstance(error, NotRows):
        return f"the posting service's list {error}"
    if isinstance(error, requests.ConnectionError):
        return "the posting service cannot be reached"
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return "the posting service's list did not come in time"
    return f"the posting service's list could not be read to the end ({type(error).__name__})"
