"""One libcurl handle with one connection of its own, whoever drives it: a thread, or an event loop.

libcurl repeats a request by itself when a reused connection dies without an answer. `PREREQFUNCTION` runs before each
sending, so the gate stands there.
"""

import re
import select
from collections.abc import Mapping

import pycurl

from txn.posting.curl_callbacks import Decoding, Exchange, reset_on_close
from txn.posting.curl_words import in_words
from txn.posting.endpoint import Endpoint
from txn.posting.gate import Gate
from txn.posting.lifetime import Lifetime
from txn.posting.transport import MAX_ANSWER_BYTES, Answer, NotSent, Request

#: CURLOPT_QUICK_EXIT, nameless in pycurl: closing a handle does not wait for a name server that never answers.
_QUICK_EXIT = 322
_LINE_BREAK = re.compile(r"[\r\n]").search


class Handle:
    """A libcurl handle. What never changes is set once.

    It outlives a failure: by then libcurl has closed, and so reset, the connection that failed. It is older than its
    connection, so that the connection does not outlive its `lifetime`. `share`: for a handle that is driven together
    with others, which would else share their connections: nobody could tell which one is used next, and whether it has
    died.
    """

    def __init__(
        self, endpoint: Endpoint, decoding: Decoding, lifetime: Lifetime, share: pycurl.CurlShare | None = None
    ) -> None:
        self.lifetime, self._share = lifetime, share
        self._url, self._decoding = endpoint.url, decoding
        # Without these libcurl adds `Expect: 100-continue`, a form's content type, and asks for every coding it knows.
        self._headers = ["Expect:", "Content-Type:", "Accept-Encoding: identity", *_lines(endpoint.headers)]
        self._exchange = Exchange()
        self.curl = pycurl.Curl()
        for option, value in (*_OPTIONS, *self._exchange.options(), (pycurl.CAINFO, endpoint.ca_file)):
            self.curl.setopt(option, value)
        if share is not None:
            share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_CONNECT)
            self.curl.setopt(pycurl.SHARE, share)
        self._timeout_ms, self._decodes = 0, False
        #: Those of the last request: nobody changes the headers of a request.
        self._sent_headers: Mapping[str, str] | None = None
        self._poll, self._polled = select.poll(), -1

    def has_lost_its_connection(self) -> bool:
        """Whether the idle connection was closed, or holds something that no request asked for.

        libcurl looks at most once a second. In between it would send into the void, which leaves a doubt, or take a
        stray answer for the answer to the next request.
        """
        descriptor: int = self.curl.getinfo(pycurl.ACTIVESOCKET)
        if descriptor != self._polled:
            if self._polled >= 0:
                self._poll.unregister(self._polled)
            if descriptor >= 0:
                self._poll.register(descriptor, select.POLLIN)
            self._polled = descriptor
        return descriptor >= 0 and bool(self._poll.poll(0))

    def prepare(self, request: Request) -> None:
        """Set what this call needs. Raises: NotSent if libcurl cannot take it; ValueError if not GET or POST."""
        method, path, headers, timeout_ms, body = request
        if method not in ("GET", "POST"):
            raise ValueError(f"method {method}")
        setopt = self.curl.setopt
        try:
            setopt(pycurl.URL, self._url + path)
            if headers is not self._sent_headers:
                self._sent_headers = None
                setopt(pycurl.HTTPHEADER, self._headers + _lines(headers))
                self._sent_headers = headers
        except (pycurl.error, ValueError) as error:
            raise NotSent(f"{type(error).__name__} in path or headers") from None
        if method == "GET":
            setopt(pycurl.HTTPGET, 1)
        else:
            setopt(pycurl.POSTFIELDS, body or b"")
        if timeout_ms != self._timeout_ms:
            setopt(pycurl.TIMEOUT_MS, timeout_ms)
            self._timeout_ms = timeout_ms

    def begin(self, gate: Gate) -> None:
        """What was prepared is sent next, if the gate opens."""
        self._exchange.begin(gate)
        decoded = self._decoding.on
        if decoded != self._decodes:
            self.curl.setopt(pycurl.HTTP_CONTENT_DECODING, int(decoded))
            self._decodes = decoded

    def answer(self) -> Answer:
        """What came, when libcurl says that all went well. Raises: MaybeSent, if it did not."""
        status = self.curl.getinfo(pycurl.RESPONSE_CODE)
        return self._exchange.answer(status, None if self._decodes else self._decoding)

    def failure(self, gate: Gate, code: int, text: str) -> BaseException:
        """What a call that libcurl ends with this error must raise: NotSent, Withheld, MaybeSent, or what the gate's
        last check raised.
        """
        self._decoding.failed_with(code)
        return gate.failure(in_words(code, text), sent=self.curl.getinfo(pycurl.REQUEST_SIZE) > 0)

    def close(self) -> None:
        """Close the handle, and so its connection."""
        self.curl.close()
        if self._share is not None:
            self._share.close()


def _lines(headers: Mapping[str, str]) -> list[str]:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if _LINE_BREAK("".join(lines)):
        raise NotSent("line break in a header")
    return lines


_OPTIONS: tuple[tuple[int, object], ...] = (
    (pycurl.NOSIGNAL, 1),
    (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
    (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
    (pycurl.NOPROXY, "*"),
    (pycurl.FOLLOWLOCATION, 0),
    (pycurl.PATH_AS_IS, 1),
    (pycurl.MAXFILESIZE_LARGE, MAX_ANSWER_BYTES),  # of decoded bytes as well
    (pycurl.ACCEPT_ENCODING, ""),  # whatever it can decode, once it shall: what is asked for says the header
    (pycurl.HTTP_CONTENT_DECODING, 0),
    (pycurl.MAXCONNECTS, 1),
    # Whoever connects asks where to: what the name led to a minute ago may be what has just failed.
    (pycurl.DNS_CACHE_TIMEOUT, 0),
    (pycurl.SOCKOPTFUNCTION, reset_on_close),
    (_QUICK_EXIT, 1),
)
