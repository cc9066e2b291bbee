"""What a client sends, a piece at a time: whoever waits for it lets the others go first."""

from typing import Any

import gevent

from txn.server.head import check_incomplete
from txn.server.problem import Malformed

_PIECE = 16 * 1024


class Stream:
    """The bytes of a connection in their order. Raises OSError where the connection fails."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._hub = socket, gevent.get_hub()
        self._readable = self._hub.loop.io(socket.fileno(), 1)
        self._buffer = b""

    @property
    def is_empty(self) -> bool:
        """Whether nothing has come that nobody asked for yet."""
        return not self._buffer

    def wait(self) -> bool:
        """Whether another request begins; not, if the client has closed. Others go first in either case: a client that
        sends many requests at once is no more important than one that sends one."""
        if self._buffer:
            gevent.sleep(0)
        else:
            self._buffer = self._receive()
        return bool(self._buffer)

    def head(self) -> bytes:
        """A request's head with its empty line; empty if the client closes before its end. Raises: Malformed."""
        seen = 0
        while (end := self._buffer.find(b"\r\n\r\n", max(0, seen - 3))) < 0:
            check_incomplete(self._buffer, seen)
            seen = len(self._buffer)
            piece = self._receive()
            if not piece:
                return b""
            self._buffer += piece
        found, self._buffer = self._buffer[: end + 4], self._buffer[end + 4 :]
        return found.removeprefix(b"\r\n")  # one empty line before a request is none of it (RFC 9112 2.2)

    def take(self, most: int) -> bytes:
        """Some bytes of a body, up to `most`. Raises: Malformed, if the client has closed before."""
        self._fill()
        found, self._buffer = self._buffer[:most], self._buffer[most:]
        return found

    def line(self, most: int) -> bytes:
        """A line of a body without its CR LF. Raises: Malformed, also if it is longer than `most`."""
        self._fill()
        while (end := self._buffer.find(b"\r\n", 0, most + 2)) < 0:
            if len(self._buffer) > most + 1:
                raise malformed(f"a line between chunks must be at most {most} bytes, and end with CR LF")
            self._buffer += self._piece()
        found, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return found

    def drop(self, most: int) -> bool:
        """Read up to so many bytes for nobody; whether the client has still not closed."""
        while most > 0:
            piece = self._receive()
            if not piece:
                return False
            most -= len(piece)
        return True

    def close(self) -> None:
        """Nothing more is read; the socket stays open."""
        self._readable.close()

    def _fill(self) -> None:
        if not self._buffer:
            self._buffer = self._piece()

    def _piece(self) -> bytes:
        piece = self._receive()
        if not piece:
            raise malformed("ended before all of it had come")
        return piece

    def _receive(self) -> bytes:
        self._hub.wait(self._readable)
        piece: bytes = self._socket.recv(_PIECE)
        return piece


def malformed(what: str) -> Malformed:
    """A body that cannot be read."""
    return Malformed(400, "invalid_body", what)
