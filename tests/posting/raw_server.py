"""A server that knows just enough HTTP to tell requests apart, says exactly the bytes it is told to, and keeps books.

A turn is what happens once a request has arrived completely: a function of the `Peer`. Turns are taken in the order in
which requests arrive, on whichever connection; when none are left, requests are answered with `echo`.
"""

import contextlib
import queue
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

#: Certificate and key of 127.0.0.1, valid for a hundred years, trusted by nobody but these tests.
CERTIFICATE = str(Path(__file__).with_name("localhost.pem"))
#: How long anything may take that is bound to happen.
PATIENCE_S = 60.0
_RESET = struct.pack("ii", 1, 0)

Turn = Callable[["Peer"], None]


class RawServer:
    """`requests` holds every request of which at least one byte arrived, in order, as far as it arrived.

    `cut_after`: reset a connection once so many bytes of one request are there. `receive_buffer`: bytes that the kernel
    takes in for a connection that nobody reads. `accepting=False`: connections wait in the backlog until `accept` is
    called. `handshake=False`: a TLS handshake that begins is dropped. `reading`: nothing is read before this is set.
    """

    def __init__(
        self,
        *turns: Turn,
        tls: bool = False,
        handshake: bool = True,
        accepting: bool = True,
        cut_after: int | None = None,
        receive_buffer: int | None = None,
        reading: threading.Event | None = None,
        port: int = 0,
    ) -> None:
        self.turns, self.cut_after, self.handshake, self.reading = list(turns), cut_after, handshake, reading
        self.requests: list[bytes] = []
        self.peers: list[Peer] = []
        self.stopping = threading.Event()
        self.context = _tls_context() if tls else None
        self.lock = threading.Lock()
        self.ready: queue.SimpleQueue[Peer] = queue.SimpleQueue()
        self._listener = socket.socket()
        if receive_buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        # So that another server can take the port over while this one's connections stay.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", port))
        self._listener.listen(16)
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        if accepting:
            self.accept()

    def accept(self) -> None:
        self._acceptor.start()

    def peer(self) -> "Peer":
        """The next connection that is ready for requests, or failed to get ready."""
        return self.ready.get(timeout=PATIENCE_S)

    def refuse(self) -> None:
        """From now on nobody can connect."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the acceptor, which would keep a closed listener alive
        self._listener.close()

    def stop(self) -> list[bytes]:
        """Take in what still waits in the backlog, wait until every connection has ended, and return `requests`."""
        self.stopping.set()
        if self._acceptor.is_alive():
            with contextlib.suppress(ConnectionError):
                self._knock()
        self.refuse()
        for thread in (self._acceptor, *self.peers):
            if thread.ident is not None:
                thread.join(PATIENCE_S)
                assert not thread.is_alive(), "the other side left a connection open"
        return self.requests

    def _knock(self) -> None:
        """Connections are accepted in the order in which they came: wait for one that came after all others."""
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            address = last.getsockname()
        while self.peer().address != address:
            pass

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer = Peer(self, *self._listener.accept())
                self.peers.append(peer)
                peer.start()


class Peer(threading.Thread):
    """One accepted connection. `ended_by`: how its reading ended, "end" or the name of an exception."""

    def __init__(self, server: RawServer, sock: socket.socket, address: tuple[str, int]) -> None:
        super().__init__(daemon=True)
        self.server, self.sock, self.address, self.ended_by = server, sock, address, "end"
        self._buffer = b""
        self._resetting = False

    def run(self) -> None:
        try:
            self._handshake()
            if self.server.reading is not None:
                self.server.reading.wait(PATIENCE_S)
            while not self._resetting and (request := self._request()):
                self._turn(request)(self)
        except OSError as error:
            self.ended_by = type(error).__name__
        finally:
            if self._resetting:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.sock.close()

    def say(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.sock.sendall(piece)

    def drip(self, data: bytes) -> None:
        """A byte every 20 ms, until the other side is gone."""
        for byte in data:
            self.say([bytes([byte])])
            self.server.stopping.wait(0.02)

    def hang_up(self) -> None:
        """Close in an orderly way; callable from any thread."""
        socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def reset(self) -> None:
        """Close with a reset; callable from any thread, done when it returns to another one."""
        self._resetting = True
        if threading.current_thread() is not self:
            socket.socket.shutdown(self.sock, socket.SHUT_RD)  # wakes the reader, unseen by the other side
            self.join(PATIENCE_S)

    def _handshake(self) -> None:
        try:
            if not self.server.handshake:
                self.sock.recv(1)
                self.reset()
            elif self.server.context is not None:
                self.sock = self.server.context.wrap_socket(self.sock, server_side=True)
        finally:
            self.server.ready.put(self)

    def _request(self) -> bytes:
        """Read on to the end of the next request; empty if the connection ends, or is to be cut, before."""
        entry = -1
        while True:
            if self._buffer:
                entry = self._record(entry, self._buffer)
            if (size := _size(self._buffer)) is not None:
                request, self._buffer = self._buffer[:size], self._buffer[size:]
                self._record(entry, request)
                return request
            if self.server.cut_after is not None and len(self._buffer) >= self.server.cut_after:
                self.reset()
                return b""
            piece = self.sock.recv(65536)
            if not piece:
                return b""
            self._buffer += piece

    def _record(self, entry: int, data: bytes) -> int:
        with self.server.lock:
            if entry < 0:
                self.server.requests.append(b"")
                entry = len(self.server.requests) - 1
            self.server.requests[entry] = data
            return entry

    def _turn(self, request: bytes) -> Turn:
        with self.server.lock:
            return self.server.turns.pop(0) if self.server.turns else echo(request)


def echo(request: bytes) -> Turn:
    """200 with the path of the request as its body, which is said to be JSON: the connection is kept."""
    return saying(answer(200, request.split(b" ")[1], "Content-Type: application/json"))


def saying(*pieces: bytes) -> Turn:
    return lambda peer: peer.say(pieces)


def dripping(data: bytes) -> Turn:
    return lambda peer: peer.drip(data)


def hanging(peer: Peer) -> None:
    """Says nothing until the other side gives up."""
    assert not peer.sock.recv(1)


def answer(status: int, body: bytes = b"{}", *headers: str) -> bytes:
    """A complete answer."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """The port of a server whose kernel answers no more attempts to connect."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def _size(data: bytes) -> int | None:
    """How many of these bytes are the first request. None if it is not complete."""
    head, end, rest = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    size = int(length[1]) if length else 0
    return len(head) + len(end) + size if end and len(rest) >= size else None


def _tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    context.set_alpn_protocols(["h2", "http/1.1"])  # whoever offers HTTP/2 gets it, and is not understood
    return context
