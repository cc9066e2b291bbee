"""What libcurl calls back into while it performs one request."""

import socket

import pycurl

from txn.posting.gate import RESET_ON_CLOSE, Gate
from txn.posting.transport import Answer, MaybeSent


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

    def answer(self, status: int) -> Answer:
        """Raises: MaybeSent if the headers were cut short, which libcurl takes for a complete answer."""
        headers, ended = _final_headers(self._head)
        if not ended:
            raise MaybeSent("closed within the headers of the answer")
        return Answer(status, headers, b"".join(self._body))

    def _last_check(self, *_addresses: object) -> int:
        return int(pycurl.PREREQFUNC_OK if self._gate.opens() else pycurl.PREREQFUNC_ABORT)


def _final_headers(lines: list[bytes]) -> tuple[dict[str, str], bool]:
    """The headers of the last answer (not of interim ones, not its trailers), and whether their end arrived."""
    headers: dict[str, str] = {}
    ended = False
    for line in lines:
        if line.startswith(b"HTTP/"):
            headers, ended = {}, False
        elif not line.strip():
            ended = True
        elif not ended:
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
    return headers, ended


def reset_on_close(descriptor: int, _purpose: int) -> int:
    """libcurl's SOCKOPTFUNCTION: whenever this socket is closed, the other side gets a reset."""
    sock = socket.socket(fileno=descriptor)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    finally:
        sock.detach()
    return int(pycurl.SOCKOPT_OK)
