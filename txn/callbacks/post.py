"""One POST to a receiver that may be anybody: bounded in time and size, to an address that is looked at first."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pycurl

from txn.posting.curl_words import in_words

#: An answer is not read beyond this: only its status counts.
MAX_ANSWER_BYTES = 16 * 1024
#: A header that is longer is not kept.
_MAX_LINE = 4 * 1024
#: CURLOPT_QUICK_EXIT, nameless in pycurl: closing a handle does not wait for a name server that never answers.
_QUICK_EXIT = 322
#: A connection is not used for longer: its name may lead elsewhere by then.
_CONNECTION_AGE_S = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` and `retry_after` of what came."""

    status: int
    retry_after: str


class NoAnswer(Exception):
    """None came, or none in time; the receiver may have got it all the same. One line for people."""


class Poster:
    """A libcurl handle, for one thread. `may_connect_to` says of an address whether it may be connected to.

    It is asked of the address that the connection is opened to, so that it does not matter what a name led to before,
    or leads to a moment later. Proxies of the environment are not used: they would connect elsewhere.
    """

    def __init__(self, timeout_ms: int, ca_file: str, may_connect_to: Callable[[str], bool]) -> None:
        self._may_connect_to = may_connect_to
        self._refused, self._read, self._retry_after = "", 0, ""
        self._opened: list[socket.socket] = []
        self._curl = pycurl.Curl()
        for option, value in (
            *_OPTIONS,
            (pycurl.TIMEOUT_MS, timeout_ms),
            (pycurl.CAINFO, ca_file),
            (pycurl.OPENSOCKETFUNCTION, self._open),
            (pycurl.HEADERFUNCTION, self._header),
            (pycurl.WRITEFUNCTION, self._write),
        ):
            self._curl.setopt(option, value)

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Raises: NoAnswer."""
        self._refused, self._read, self._retry_after = "", 0, ""
        self._curl.setopt(pycurl.URL, url)
        self._curl.setopt(pycurl.HTTPHEADER, ["Expect:", *(f"{name}: {value}" for name, value in headers.items())])
        self._curl.setopt(pycurl.POSTFIELDS, body)
        try:
            self._curl.perform()
        except pycurl.error as error:
            code, text = error.args
            if code != pycurl.E_WRITE_ERROR or self._read <= MAX_ANSWER_BYTES:
                raise NoAnswer(self._refused or in_words(code, text)) from None
        finally:
            for opened in self._opened:
                opened.close()  # libcurl has its own descriptor of it
            self._opened.clear()
        return Answer(self._curl.getinfo(pycurl.RESPONSE_CODE), self._retry_after)

    def close(self) -> None:
        """Close the handle, and so its connections."""
        self._curl.close()

    def _open(self, _purpose: int, target: Any) -> Any:
        address = target.addr[0] if isinstance(target.addr, tuple) else ""
        if not self._may_connect_to(address):
            self._refused = (
                f"its name leads to {address or 'no address'}, which is not public: TXN_CALLBACK_NETWORKS allows more"
            )
            return pycurl.SOCKET_BAD
        self._opened.append(socket.socket(target.family, target.socktype, target.protocol))
        return self._opened[-1]

    def _header(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"retry-after" and len(line) <= _MAX_LINE:
            self._retry_after = value.decode("latin-1").strip()

    def _write(self, piece: bytes) -> int:
        self._read += len(piece)
        return len(piece) if self._read <= MAX_ANSWER_BYTES else 0


_OPTIONS: tuple[tuple[int, object], ...] = (
    (pycurl.NOSIGNAL, 1),
    (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
    (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
    (pycurl.NOPROXY, "*"),
    (pycurl.FOLLOWLOCATION, 0),
    (pycurl.MAXCONNECTS, 2),
    (pycurl.MAXAGE_CONN, _CONNECTION_AGE_S),
    (pycurl.DNS_CACHE_TIMEOUT, 0),
    (_QUICK_EXIT, 1),
)
