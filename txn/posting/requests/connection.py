"""urllib3 connections that keep a call's total deadline and send once per call: what `RequestsTransport` stands on.

urllib3 limits the time of a single read, which a peer that drips stretches for ever. Here every operation of the socket
gets what is left of the call.
"""

import http.client
import io
import logging
import queue
import socket
import ssl
import threading
from contextvars import ContextVar
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

from txn.posting.gate import RESET_ON_CLOSE, Gate

#: The gate of the call this thread is in. A connection serves one thread, and one call at a time.
CALL: ContextVar[Gate] = ContextVar("CALL")


class _TimedSocket(socket.socket):
    """Reads and writes end at the deadline of the call. Raises: TimeoutError."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(CALL.get().left_s())
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(CALL.get().left_s())
        return super().send(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self.settimeout(CALL.get().left_s())
        super().sendall(*args, **kwargs)


class TimedTLSSocket(_TimedSocket, ssl.SSLSocket):
    """The same over TLS; to be set as a context's `sslsocket_class`."""


class _WholeLines(io.BufferedReader):
    """http.client takes a connection that closes within the headers for their end. Here that is an error."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line.endswith(b"\n") and len(line) != size:
            raise ConnectionAbortedError("closed within the answer")
        return line


class _WholeAnswer(http.client.HTTPResponse):
    """http.client takes an interim answer (103) for the answer, and would read the real one as the next call's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fp = _WholeLines(self.fp.detach())

    def begin(self) -> None:
        super().begin()
        if self.status < 200:
            raise ConnectionAbortedError(f"interim answer {self.status}")


class _OneLine(logging.Filter):
    """urllib3 answers header lines that it cannot read with a traceback, which quotes them and the URL."""

    def filter(self, record: logging.LogRecord) -> bool:
        if str(record.msg).startswith("Failed to parse headers"):
            record.msg, record.args = "the posting service has sent header lines that cannot be read", ()
            record.exc_info = record.exc_text = None
        return True


logging.getLogger("urllib3.connection").addFilter(_OneLine())


class GuardedConnection(HTTPConnection):
    """One thread's connection. The gate opens between connecting and the first byte, once per call."""

    response_class = _WholeAnswer

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        if self.sock is None:
            self._connect()
        if not CALL.get().opens():
            raise ConnectionAbortedError("not sent")
        super().endheaders(message_body, encode_chunked=encode_chunked)

    def _connect(self) -> None:
        try:
            self.connect()
        except OSError as error:  # urllib3 would take a reset for one while sending, and go on to read the answer
            raise NewConnectionError(self, "not connected") from error

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers; resolving and connecting share the call's deadline."""
        gate = CALL.get()
        failure = OSError("no address")
        for family, kind, protocol, _, address in _addresses(self._dns_host, self.port, gate.left_s()):
            sock = _TimedSocket(family, kind, protocol)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                sock.settimeout(gate.left_s())
                sock.connect(address)
                sock.settimeout(gate.left_s())  # for the TLS handshake
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise failure


class GuardedTLSConnection(GuardedConnection, HTTPSConnection):
    """The same over TLS."""


def _addresses(host: str, port: int, timeout_s: float) -> list[Any]:
    """`getaddrinfo`, which knows no time limit, in a thread that is left behind if it takes too long.

    Raises: OSError, UnicodeError.
    """
    found: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found.put(socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.put(error)

    threading.Thread(target=look_up, name="txn-resolve", daemon=True).start()
    try:
        answer = found.get(timeout=timeout_s)
    except queue.Empty:
        raise TimeoutError("deadline passed while resolving the name") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
