"""The transport of the hot path: libcurl on the worker's event loop, thousands of requests at once on one thread.

Every handle has one connection of its own, so that it is known before a request whether it has died meanwhile: of a
cache that all handles share, libcurl would choose one by itself.
"""

from collections import deque
from collections.abc import Callable

import pycurl

from txn.errors import BadSettings
from txn.posting.curl_callbacks import Decoding
from txn.posting.curl_handle import Handle
from txn.posting.curl_loop import Transfers
from txn.posting.endpoint import Endpoint
from txn.posting.gate import Gate
from txn.posting.lifetime import MAX_AGE_MS, Lifetime
from txn.posting.transport import Answer, Request, always

#: CURL_VERSION_ASYNCHDNS: on threads of libcurl's own, or with c-ares.
_LOOKS_NAMES_UP_ASIDE = 1 << 7


class MultiTransport:
    """An `AsyncTransport` over libcurl, for GET and POST. Its first request binds it to the running loop.

    `base_url`: http(s)://[user:password@]host[:port][/path]. `ca_file`: PEM; see `Endpoint.parse` for the default.
    No connection is used for longer than `max_age_ms`.
    Raises: BadSettings.
    """

    def __init__(self, base_url: str, ca_file: str | None = None, max_age_ms: int = MAX_AGE_MS) -> None:
        if not pycurl.version_info()[4] & _LOOKS_NAMES_UP_ASIDE:
            raise BadSettings("this libcurl looks names up while all else waits: install pycurl's wheel from PyPI")
        self._endpoint, self._max_age_ms = Endpoint.parse(base_url, ca_file), max_age_ms
        self._decoding = Decoding()
        self._idle: deque[Handle] = deque()
        self._transfers: Transfers | None = None

    async def send(self, request: Request, may_send: Callable[[], bool] = always) -> Answer:
        """See `AsyncTransport.send`."""
        transfers, handle = self._running(), self._take()
        kept = False
        try:
            handle.prepare(request)
            gate = Gate(may_send, request.timeout_ms)
            handle.begin(gate)
            try:
                failed = await transfers.begin(handle.curl)
            finally:
                transfers.end(handle.curl)
            kept = True
        finally:
            if kept:
                self._idle.append(handle)
            else:
                handle.close()
        if failed:
            raise handle.failure(gate, *failed)
        answer = handle.answer()
        handle.lifetime.saw(request.method, answer)
        return answer

    def close(self) -> None:
        """See `AsyncTransport.close`."""
        while self._idle:
            self._idle.pop().close()
        if self._transfers is not None and self._transfers.close():
            self._transfers = None

    def _take(self) -> Handle:
        """The handle that was used last: the others' connections grow old, and are closed."""
        while self._idle and self._idle[0].lifetime.is_over():
            self._idle.popleft().close()
        while self._idle:
            handle = self._idle.pop()
            if not (handle.lifetime.is_over() or handle.has_lost_its_connection()):
                return handle
            handle.close()
        return Handle(self._endpoint, self._decoding, Lifetime(self._max_age_ms), pycurl.CurlShare())

    def _running(self) -> Transfers:
        if self._transfers is None:
            self._transfers = Transfers()
        return self._transfers
