"""What libcurl calls back into while it performs one request."""

import socket
from functools import lru_cache

import pycurl

from txn.posting.coding import unpacked
from txn.posting.gate import RESET_ON_CLOSE, Gate
from txn.posting.transport import Answer, MaybeSent


class Decoding:
    """Whether libcurl decodes contents: only for a service that sends brotli, which nothing else here can undo.

    Of gzip it can less than `unpacked`, and a header such as `Content-Encoding: utf-8` costs it the whole answer. So it
    begins after the first answer in brotli, which is lost, and ends for good when it has failed.
    """

    def __init__(self) -> None:
        self.on = self._tried = False

    def saw(self, coding: str) -> None:
        """An answer that libcurl left as it was had this Content-Encoding."""
        if "br" in coding.lower() and not self._tried:
            self.on = self._tried = True

    def failed_with(self, code: int) -> None:
        """A call ended with this error of libcurl."""
        if code in (pycurl.E_BAD_CONTENT_ENCODING, pycurl.E_WRITE_ERROR):
            self.on = False


class Exchange:
    """One request and its answer. Knows no handle: without a cycle, a handle is closed as soon as it is dropped."""

    def __init__(self) -> None:
        self._head: list[bytes] = []
        self._body: list[bytes] = []

    def options(self) -> tuple[tuple[int, object], ...]:
        """The callbacks. The lists are written from C, without running a line of Python per piece."""
        return (
            (pycurl.PREREQFUNCTION, self._last_check),
            (pycurl.HEADERFUNCTION, self._head.append),
            (pycurl.WRITEFUNCTION, self._body.append),
        )

    def begin(self, gate: Gate) -> None:
        """Forget the last call."""
        self._gate = gate
        self._head.clear()
        self._body.clear()

    def answer(self, status: int, decoding: Decoding | None) -> Answer:
        """`decoding`: is told what libcurl left as it was; None if it left nothing.

        Raises: MaybeSent if the headers were cut short, which libcurl takes for a complete answer, or it is too large.
        """
        headers, ended = _final_headers(self._head)
        if not ended:
            raise MaybeSent("closed within the headers of the answer")
        coding = headers.get("content-encoding", "") if decoding else ""
        if coding and decoding:
            decoding.saw(coding)
        return Answer(status, headers, unpacked(b"".join(self._body), coding))

    def _last_check(self, *_addresses: object) -> int:
        return int(pycurl.PREREQFUNC_OK if self._gate.opens() else pycurl.PREREQFUNC_ABORT)


def _final_headers(lines: list[bytes]) -> tuple[dict[str, str], bool]:
    """The headers of the last answer (not of interim ones, not its trailers), and whether their end arrived."""
    headers: dict[str, str] = {}
    ended = False
    for line in lines:
        name, value = _field(line)
        if name == _STATUS_LINE:
            headers, ended = {}, False
        elif name == _LAST_LINE:
            ended = True
        elif not ended:
            headers[name] = value
    return headers, ended


#: In place of a header's name; none has capitals or line breaks.
_STATUS_LINE, _LAST_LINE = "HTTP/", "\n"


@lru_cache(maxsize=64)  # most lines are those of the answer before; one of libcurl's is at most 100 KiB
def _field(line: bytes) -> tuple[str, str]:
    """The name, in lower case, and the value of a header."""
    if line.startswith(b"HTTP/"):
        return _STATUS_LINE, ""
    if not line.strip():
        return _LAST_LINE, ""
    name, _, value = line.decode("latin-1").partition(":")
    return name.lower(), value.strip()


def reset_on_close(descriptor: int, _purpose: int) -> int:
    """libcurl's SOCKOPTFUNCTION: whenever this socket is closed, the other side gets a reset."""
    sock = socket.socket(fileno=descriptor)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    finally:
        sock.detach()
    return int(pycurl.SOCKOPT_OK)
