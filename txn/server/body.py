"""A request's body, as WSGI's `wsgi.input`: read when the application asks for it, and no further."""

import re
from collections.abc import Callable, Iterator

import gevent

from txn.server.head import MAX_HEAD_BYTES, check_trailers
from txn.server.places import Turn
from txn.server.problem import Malformed
from txn.server.stream import Stream, malformed

#: For an application that asks for all of it.
MAX_BYTES = 1024 * 1024
#: A body that nobody wanted is read to its end if no more is missing; else its connection is closed.
MAX_LEFT_BYTES = 8 * 1024
_MAX_CHUNK_LINE_BYTES = 256
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*+;[\t -~\x80-\xff]*+)?")
#: Tiny chunks that have all come already: others go first after so many.
_CHUNKS_A_TURN = 64


class Body:
    """`length` is None if it comes in chunks. `enter` is told whose turn it is: the client's, or ours again."""

    def __init__(self, stream: Stream, length: int | None, enter: Callable[[Turn], None]) -> None:
        self._stream, self._enter, self._left = stream, enter, length
        self._pieces = self._chunked() if length is None else self._counted()
        self._rest, self._failed = b"", False

    @property
    def left(self) -> int | None:
        """How many bytes were not read; None if nobody knows."""
        return None if self._failed else self._left

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes, fewer only at the body's end; without a size all of it. Raises: Malformed, OSError."""
        if size is None or size < 0:
            found = self.read(MAX_BYTES + 1)
            if len(found) > MAX_BYTES:
                raise Malformed(413, "body_too_large", f"must be at most {MAX_BYTES} bytes")
            return found
        if len(self._rest) < size and self._left != 0:
            self._fill(size)
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def skip(self) -> None:
        """Read what is left for nobody."""
        for _ in self._pieces:
            pass

    def readline(self, size: int | None = -1) -> bytes:
        """Up to and with the next line feed."""
        found = self.read()
        end = found.find(b"\n") + 1 or len(found)
        if size is not None and size >= 0:
            end = min(end, size)
        self._rest = found[end:]
        return found[:end]

    def readlines(self, _hint: int = -1) -> list[bytes]:
        """All lines."""
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _fill(self, size: int) -> None:
        if self._failed:
            raise malformed("could not be read before")
        parts, had = [self._rest], len(self._rest)
        self._enter(Turn.BODY)
        self._failed = True
        for piece in self._pieces:
            parts.append(piece)
            had += len(piece)
            if had >= size:
                break
        self._failed = False
        self._enter(Turn.OURS)
        self._rest = b"".join(parts)

    def _counted(self) -> Iterator[bytes]:
        while self._left:
            piece = self._stream.take(self._left)
            self._left -= len(piece)
            yield piece

    def _chunked(self) -> Iterator[bytes]:
        count = 0
        while size := self._chunk_size():
            while size:
                piece = self._stream.take(size)
                size -= len(piece)
                yield piece
            if self._stream.line(0):
                raise malformed("a chunk must be as long as it says, and end with CR LF")
            if (count := count + 1) % _CHUNKS_A_TURN == 0:
                gevent.sleep(0)
        self._skip_trailers()
        self._left = 0

    def _chunk_size(self) -> int:
        line = _CHUNK.fullmatch(self._stream.line(_MAX_CHUNK_LINE_BYTES))
        if line is None:
            raise malformed("a chunk must begin with its size in hexadecimal digits")
        return int(line[1], 16)

    def _skip_trailers(self) -> None:
        trailers = b""
        while line := self._stream.line(MAX_HEAD_BYTES - len(trailers)):
            trailers += line + b"\r\n"
        check_trailers(trailers)
