"""A transport that holds the calling thread: libcurl, one reused handle and connection per thread.

Operators' commands use it; workers send from their event loop (`curl_multi.py`).
"""

import threading
from collections.abc import Callable

import pycurl

from txn.posting.curl_callbacks import Decoding
from txn.posting.curl_handle import Handle
from txn.posting.endpoint import Endpoint
from txn.posting.gate import Gate
from txn.posting.lifetime import MAX_AGE_MS, Lifetime
from txn.posting.transport import Answer, Request, always


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

    def send(self, request: Request, may_send: Callable[[], bool] = always) -> Answer:
        """See `Transport.send`."""
        handle = self._handle()
        handle.prepare(request)
        gate = Gate(may_send, request.timeout_ms)
        handle.begin(gate)
        failed: tuple[int, str] | None = None
        try:
            handle.curl.perform()
        except pycurl.error as error:
            failed = error.args[0], error.args[-1]
        if failed:
            raise handle.failure(gate, *failed)
        answer = handle.answer()
        handle.lifetime.saw(request.method, answer)
        return answer

    def close(self) -> None:
        """Close the calling thread's connection."""
        handle: Handle | None = self._thread.__dict__.pop("handle", None)
        if handle is not None:
            handle.close()

    def _handle(self) -> Handle:
        handle: Handle | None = getattr(self._thread, "handle", None)
        if handle is not None and (handle.lifetime.is_over() or handle.has_lost_its_connection()):
            self.close()
            handle = None
        if handle is None:
            handle = self._thread.handle = Handle(self._endpoint, self._decoding, Lifetime(self._max_age_ms))
        return handle
