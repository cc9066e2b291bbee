"""The posting service's whole list, row by row: however long it is, one row is held at a time.

TxnError
├── Unavailable
│   └── PostingUnavailable   away, or its list could not be read to its end
└── NoList                   this posting service has no list
"""

from collections.abc import Iterator, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import ijson
import requests
import urllib3

from txn.errors import TxnError, Unavailable
from txn.posting.endpoint import Endpoint

#: How long the list may be silent: the service may have to collect all of it before its first byte.
SILENCE_S = 120.0
CONNECT_S = 5.0

_CHUNK_BYTES = 64 * 1024
_NO_LIST = frozenset({404, 405, 501})
#: Whatever reading can raise: the connection's errors and the parser's, ValueError among them.
_FOREIGN = (requests.RequestException, urllib3.exceptions.HTTPError, ijson.JSONError, OSError, ValueError)


class PostingUnavailable(Unavailable):
    """The posting service is away, or its list could not be read to its end: nothing follows from a part of it."""


class NoList(TxnError):
    """GET /transactions is answered with 404, 405 or 501: rows can only be asked for one by one."""


class PostingList:
    """Reads `GET /transactions`.

    `base_url`: http(s)://[user:password@]host[:port][/path]. `ca_file`: PEM; see `Endpoint.parse` for the default.
    Raises: BadSettings.
    """

    def __init__(self, base_url: str, ca_file: str | None = None, silence_s: float = SILENCE_S) -> None:
        self._endpoint, self._silence_s = Endpoint.parse(base_url, ca_file), silence_s

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """Every row, in the service's order; numbers with a point or an exponent are Decimals.

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
                yield from _rows(_Array(answer.raw))
        except _FOREIGN as error:
            raise PostingUnavailable(_sentence(error)) from None

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


class _Array:
    """The answer's body for the parser, which by itself would find no rows in anything but an array."""

    def __init__(self, raw: Any) -> None:
        self._raw, self._begun = raw, False

    def read(self, size: int) -> bytes:
        chunk: bytes = self._raw.read(size, decode_content=True)
        if not self._begun and (begin := chunk.lstrip()):
            if not begin.startswith(b"["):
                raise PostingUnavailable(
                    "the posting service answered GET /transactions with something else than a list"
                )
            self._begun = True
        return chunk


def _rows(body: _Array) -> Iterator[Mapping[str, Any]]:
    for row in ijson.items(body, "item", buf_size=_CHUNK_BYTES):
        if not isinstance(row, dict):
            raise PostingUnavailable("the posting service's list holds something else than transactions")
        yield row


def _sentence(error: BaseException) -> str:
    if isinstance(error, requests.ConnectionError):
        return "the posting service cannot be reached"
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return "the posting service's list did not come in time"
    return f"the posting service's list could not be read to its end ({type(error).__name__})"
