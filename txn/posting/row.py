"""The JSON object in an answer of the posting service. What does not count cannot hurt.

Strict JSON is parsed as it is. Of anything else only the fields that count are parsed, each by itself: of the others it
is enough to see where they end, whatever numbers, texts or depths they hold.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from txn.model.content import CONTENT, loads

_COUNT = frozenset({"id", *CONTENT})

#: What JSON calls white space.
_SPACE = re.compile(rb"[ \t\r\n]*+")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR = re.compile(rb'[^ \t\r\n,:"{}\[\]]++')
#: Strings as a whole, so that brackets in them do not count, or a run of the same bracket.
_BRACKETS = re.compile(rb'[^"{}\[\]]*+("[^"\\]*+(?:\\.[^"\\]*+)*+"|\{++|\[++|\}++|\]++)', re.DOTALL)
_CHARSET = re.compile(r'charset="?(iso-8859-1|latin-?1|windows-1252|cp1252)\b', re.IGNORECASE)


class Unreadable:
    """The value of a field that counts and is no JSON, or is there twice: equal to nothing."""


def read_object(body: bytes, content_type: str = "") -> Mapping[str, Any] | None:
    """The object's fields, of an odd one only those that count; None if the body is no JSON object."""
    try:
        found = loads(body)
    except ValueError:
        return _read_odd(body, content_type)
    return found if isinstance(found, dict) else None


def _read_odd(body: bytes, content_type: str) -> Mapping[str, Any] | None:
    try:
        return _counting(_Scan(_utf8(body, content_type)))
    except ValueError:
        return None


def _counting(scan: "_Scan") -> Mapping[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in scan.fields():
        name = _value(key)
        if isinstance(name, str) and name in _COUNT:
            fields[name] = Unreadable() if name in fields else _value(value)
    return fields


def _value(text: bytes) -> Any:
    try:
        return loads(text)
    except ValueError:
        return Unreadable()


def _utf8(body: bytes, content_type: str) -> bytes:
    """UTF-16 and UTF-32 show themselves; a byte order mark is skipped; Latin-1 has to be said. Raises: ValueError."""
    encoding: str = json.detect_encoding(body)
    if encoding.startswith("utf-8"):
        if (charset := _CHARSET.search(content_type)) is None:
            return body.removeprefix(b"\xef\xbb\xbf")
        encoding = charset[1]
    return body.decode(encoding, "surrogatepass").encode("utf-8", "surrogatepass")


class _Scan:
    """Looks for the ends of an object's fields. Time: linear in the body, however it is nested."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def fields(self) -> Iterator[tuple[bytes, bytes]]:
        """Raw (key, value) of one object that is the whole body. Raises: ValueError."""
        self._sign(b"{")
        if self._next() != b"}":
            yield self._field()
            while self._next() == b",":
                self._sign(b",")
                yield self._field()
        self._sign(b"}")
        if self._next():
            raise ValueError("something after the object")

    def _field(self) -> tuple[bytes, bytes]:
        self._space()
        key = self._match(_STRING)
        self._sign(b":")
        return key, self._skipped()

    def _skipped(self) -> bytes:
        sign = self._next()
        if sign == b'"':
            return self._match(_STRING)
        return self._nested() if sign in (b"{", b"[") else self._match(_SCALAR)

    def _nested(self) -> bytes:
        began, depth = self._at, 0
        while True:
            found = _BRACKETS.match(self._body, self._at)
            if found is None:
                raise ValueError("a bracket is not closed")
            self._at = found.end()
            run = found[1]
            if run[0] in b"{[":
                depth += len(run)
            elif run[0] in b"}]":
                if len(run) >= depth:
                    self._at -= len(run) - depth
                    return self._body[began : self._at]
                depth -= len(run)

    def _next(self) -> bytes:
        self._space()
        return self._body[self._at : self._at + 1]

    def _space(self) -> None:
        self._match(_SPACE)

    def _sign(self, sign: bytes) -> None:
        if self._next() != sign:
            raise ValueError(f"no {sign.decode()}")
        self._at += 1

    def _match(self, pattern: re.Pattern[bytes]) -> bytes:
        found = pattern.match(self._body, self._at)
        if found is None:
            raise ValueError("no JSON")
        self._at = found.end()
        return found[0]
