"""The transport of the hot path: libcurl, one reused handle and connection per thread.

libcurl repeats a request by itself when a reused connection dies without an answer. `PREREQFUNCTION` runs before each
sending, so the gate stands there.
"""

import re
import select
import threading
from collections.abc import Callable, Mapping

import pycurl

from txn.posting.curl_callbacks import Decoding, Exchange, reset_on_close
from txn.posting.endpoint import Endpoint
from txn.posting.gate import Gate
from txn.posting.lifetime import MAX_AGE_MS, Lifetime
from txn.posting.transport import MAX_ANSWER_BYTES, Answer, NotSent, always

#: CURLOPT_QUICK_EXIT, nameless in pycurl: closing a handle does not wait for a name server that never answers.
_QUICK_EXIT = 322
_LINE_BREAK = re.compile(r"[\r\n]").search


class CurlTransport:
    """A `Transport` over libcurl, for GET and POST. Make it after a fork, not before.

    `base_url`: http(s)://[user:password@]host[:port][/path]. `ca_file`: PEM; see `Endpoint.parse` for the default.
    No connection is used for longer than `max_age_ms`.
    Raises: BadSettings.
    """

    def __init__(self, base_url: str, ca_file: str | None = None, max_age_ms: int = MAX_AGE_MS) -> None:
        self._endpoint, self._max_age_ms = Endpoint.parse(base_url, ca_file), max_age_ms
        self._decoding = Decoding()
        self._thread = threading.local()

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str],
        timeout_ms: int,
        may_send: Callable[[], bool] = always,
    ) -> Answer:
        """See `Transport.request`."""
        handle = self._handle()
        handle.prepare(method, path, body, headers, timeout_ms)
        answer = handle.perform(Gate(may_send, timeout_ms))
        handle.lifetime.saw(method, answer)
        return answer

    def close(self) -> None:
        """Close the calling thread's connection."""
        handle: _Handle | None = self._thread.__dict__.pop("handle", None)
        if handle is not None:
            handle.close()

    def _handle(self) -> "_Handle":
        handle: _Handle | None = getattr(self._thread, "handle", None)
        if handle is not None and (handle.lifetime.is_over() or handle.has_lost_its_connection()):
            self.close()
            handle = None
        if handle is None:
            handle = self._thread.handle = _Handle(self._endpoint, self._decoding, Lifetime(self._max_age_ms))
        return handle


class _Handle:
    """One thread's libcurl handle. What never changes is set once.

    It outlives a failure: by then libcurl has closed, and so reset, the connection that failed. It is older than its
    connection, so that the connection does not outlive its `lifetime`.
    """

    def __init__(self, endpoint: Endpoint, decoding: Decoding, lifetime: Lifetime) -> None:
        self.lifetime = lifetime
        self._url, self._decoding = endpoint.url, decoding
        # Without these libcurl adds `Expect: 100-continue`, a form's content type, and asks for every coding it knows.
        self._headers = ["Expect:", "Content-Type:", "Accept-Encoding: identity", *_lines(endpoint.headers)]
        self._exchange = Exchange()
        self._curl = pycurl.Curl()
        for option, value in (*_OPTIONS, *self._exchange.options(), (pycurl.CAINFO, endpoint.ca_file)):
            self._curl.setopt(option, value)
        self._timeout_ms, self._decodes = 0, False
        self._poll, self._polled = select.poll(), -1

    def has_lost_its_connection(self) -> bool:
        """Whether the idle connection was closed, or holds something that no request asked for.

        libcurl looks at most once a second. In between it would send into the void, which leaves a doubt, or take a
        stray answer for the answer to the next request.
        """
        descriptor: int = self._curl.getinfo(pycurl.ACTIVESOCKET)
        if descriptor != self._polled:
            if self._polled >= 0:
                self._poll.unregister(self._polled)
            if descriptor >= 0:
                self._poll.register(descriptor, select.POLLIN)
            self._polled = descriptor
        return descriptor >= 0 and bool(self._poll.poll(0))

    def prepare(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout_ms: int) -> None:
        """Set what this call needs. Raises: NotSent if libcurl cannot take it; ValueError if not GET or POST."""
        if method not in ("GET", "POST"):
            raise ValueError(f"method {method}")
        setopt, lines = self._curl.setopt, _lines(headers)
        try:
            setopt(pycurl.URL, self._url + path)
            setopt(pycurl.HTTPHEADER, self._headers + lines)
        except (pycurl.error, ValueError) as error:
            raise NotSent(f"{type(error).__name__} in path or headers") from None
        if method == "GET":
            setopt(pycurl.HTTPGET, 1)
        else:
            setopt(pycurl.POSTFIELDS, body or b"")
        if timeout_ms != self._timeout_ms:
            setopt(pycurl.TIMEOUT_MS, timeout_ms)
            self._timeout_ms = timeout_ms

    def perform(self, gate: Gate) -> Answer:
        """Send what was prepared. Raises: NotSent, Withheld, MaybeSent, and what the gate's last check raised."""
        self._exchange.begin(gate)
        decoded = self._decoding.on
        if decoded != self._decodes:
            self._curl.setopt(pycurl.HTTP_CONTENT_DECODING, int(decoded))
            self._decodes = decoded
        try:
            self._curl.perform()
        except pycurl.error as error:
            self._decoding.failed_with(error.args[0])
            reason = f"{error.args[-1]} (libcurl {error.args[0]})"
        else:
            return self._exchange.answer(self._curl.getinfo(pycurl.RESPONSE_CODE), None if decoded else self._decoding)
        raise gate.failure(reason, sent=self._curl.getinfo(pycurl.REQUEST_SIZE) > 0)

    def close(self) -> None:
        self._curl.close()


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
