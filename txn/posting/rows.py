"""A JSON array of objects as it comes in, cut into its objects: one is held at a time, whatever stands in it.

The array may be in an object, as in {"data": [...]}: then what stands around it is held too.
Only brackets and strings are looked at here; each object is parsed for itself. A parser of streams (ijson) dies of an
integer of 5,000 digits, and takes all memory for 100,000 brackets.
"""

import re
from collections.abc import Mapping
from typing import Any

import jiter

from txn.model.content import loads
from txn.model.unheld import loads_marked
from txn.posting.wholeness import lists

#: A longer row is somebody else's, and would fill the memory.
MAX_ROW_BYTES = 8 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
#: Up to the next bracket outside a string, or (group 2) to the quote of a string whose end is not there yet.
_NEXT = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+(?:([\[{])|([\]}])|("))', re.DOTALL)
_FIRST = re.compile(rb"[ \t\r\n]*+(?:\{|(\]))")
_FURTHER = re.compile(rb"[ \t\r\n]*+(?:,[ \t\r\n]*+\{|(\]))")
#: The name before a value, at the end of a text.
_NAME = re.compile(rb'"((?:[^"\\]|\\.)*+)"[ \t\r\n]*:[ \t\r\n]*\Z', re.DOTALL)
_NAME_BYTES = 200
_MORE_TO_COME = re.compile(rb"[ \t\r\n]*+,?[ \t\r\n]*+")


class NotRows(ValueError):
    """What came is no whole array of objects. The message goes on from "the posting service's list"."""


class NoRows(NotRows):
    """What came is an object without exactly one array of objects in it. The message goes on from "an object that"."""


def parse(row: bytes, number: int) -> Mapping[str, Any]:
    """One object. Numbers with a point or an exponent are Decimals; of equal keys the last counts.

    A number that no decimal can hold is an `Unheld`: so is NaN, which some write. Raises: NotRows.
    """
    try:
        found: Mapping[str, Any] = jiter.from_json(row, float_mode="decimal", allow_inf_nan=False)
    except ValueError:
        try:
            found = loads_marked(row)
        except ValueError:
            raise NotRows(f"holds something that cannot be read as JSON, in row {number}") from None
    return found


def _name(head: bytes) -> str:
    found = _NAME.search(head[-_NAME_BYTES:])
    return found[1].decode(errors="replace")[:40] if found else "..."


class Splitter:
    """Is fed with chunks of the array's text, and gives the objects that each completes, as they are written."""

    def __init__(self) -> None:
        #: What is not cut yet: a row, from its bracket on, or what stands before one.
        self._text = b""
        #: What stands before the array, if it is in an object, and the array's name there.
        self._head = b""
        self.name: str | None = None
        #: How deep in the row, and up to where, the text was looked at.
        self._depth = self._scanned = 0
        self._begun = self._ended = False
        self._gap = _FIRST

    def feed(self, chunk: bytes) -> list[bytes]:
        """The next chunk. Raises: NotRows."""
        self._text += chunk
        if not self._begun:
            self._begin()
        rows, at = [], 0
        while self._begun and not self._ended:
            if not self._depth:
                begin = self._enter(at)
                if begin is None:
                    break
                at = begin
            end = self._row_end()
            if end is None:
                break
            rows.append(self._text[at:end])
            at = end
        self._forget(0 if self._ended else at)
        return rows

    def end(self) -> Mapping[str, Any]:
        """There are no more chunks. What stood around the array, which is empty there. Raises: NotRows."""
        if not self._ended:
            raise NotRows("could not be read to the end")
        if not self._head:
            return {}
        try:
            around: Mapping[str, Any] = loads(self._head + b"[]" + self._text)
        except ValueError:
            raise NotRows("could not be read to the end, or is not JSON") from None
        if (number := lists(around)) != 1:
            raise NoRows(f"holds {number} arrays")
        return around

    def _begin(self) -> None:
        if _BOM.startswith(self._text[:3]) and len(self._text) < len(_BOM):
            return
        begin = self._text.removeprefix(_BOM).lstrip(_SPACE)
        if not begin:
            self._text = b""
        elif begin.startswith(b"["):
            self._begun, self._text = True, begin[1:]
        elif begin.startswith(b"{"):
            self._text = begin
            self._seek()
        else:
            raise NotRows("is not a list")

    def _seek(self) -> None:
        """Up to the first array in the object."""
        while (found := _NEXT.match(self._text, self._scanned)) and not found[3]:
            self._scanned = found.end()
            if found[1] == b"[":
                self._head, self._text = self._text[: self._scanned - 1], self._text[self._scanned :]
                self._begun, self._depth, self._scanned = True, 0, 0
                self.name = _name(self._head)
                return
            self._depth += 1 if found[1] else -1
            if not self._depth:
                raise NoRows("holds no array")
        if len(self._text) > MAX_ROW_BYTES:
            raise NoRows("holds no array at its beginning")

    def _enter(self, at: int) -> int | None:
        """Where the next row begins, if there is one in the text. Notes the array's end."""
        found = self._gap.match(self._text, at)
        if found is None:
            if not _MORE_TO_COME.fullmatch(self._text, at):
                if self._head and self._gap is _FIRST:
                    raise NoRows("holds an array of something else")
                raise NotRows("holds something other than transactions")
            return None
        if found[1]:
            self._ended, self._text = True, self._text[found.end() :]
            return None
        self._gap, self._depth, self._scanned = _FURTHER, 1, found.end()
        return found.end() - 1

    def _row_end(self) -> int | None:
        """Where the row ends, if that is in the text."""
        while found := _NEXT.match(self._text, self._scanned):
            if found[3]:
                self._scanned = found.start(3)
                return None
            self._scanned = found.end()
            self._depth += 1 if found[1] else -1
            if self._depth == 0:
                return self._scanned
        return None

    def _forget(self, at: int) -> None:
        self._text = self._text[at:]
        self._scanned -= at
        if self._ended:
            if self._head:
                if len(self._text) > MAX_ROW_BYTES:
                    raise NotRows(f"is followed by more than {MAX_ROW_BYTES // 1024**2} MiB of something else")
            elif self._text.strip(_SPACE):
                raise NotRows("continues after its end")
            else:
                self._text = b""
        elif not self._depth and self._begun:
            self._text = self._text.strip(_SPACE)
        elif len(self._text) > MAX_ROW_BYTES:
            raise NotRows(f"holds a row of more than {MAX_ROW_BYTES // 1024**2} MiB")
