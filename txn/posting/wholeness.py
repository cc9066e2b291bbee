"""Whether a list of rows is whole, or a page of it: what the object around it says.

A page that is taken for the whole list hides doubles. So what speaks of pages and cannot be understood counts as more.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum, auto
from typing import Any

from txn.model.content import dumps

#: Names are split into words: nextPage, next_page, NEXT-PAGE, and (by the second one) nextpage.
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_PIECE = re.compile(
    r"next|has|is|more|total|count|pages|page|per|size|number|no|token|url|link|cursor|items|rows|results|records|last"
)
_NUMBER = re.compile(r"[0-9]{1,18}")

#: Words in a name whose value says, unless it is empty, that there is more.
_FURTHER = frozenset({"next", "more", "continuation", "truncated", "partial", "incomplete", "evaluated"})
_PAGES = frozenset({"page", "pages"})
#: ... that the list comes in pages, however many there are.
_PAGING = _PAGES | {"paging", "pagination", "pageable", "pager", "cursor", "offset", "limit", "skip", "marker"}


class Says(Enum):
    """What one member says of the list."""

    MORE = auto()
    WHOLE = auto()
    PAGED = auto()
    NOTHING = auto()


def why_not_whole(envelope: Mapping[str, Any], rows: int) -> str | None:
    """Why `rows` rows may not be all, by what stands around them; None if nothing speaks against it.

    The message goes on from "the posting service's list".
    """
    said = {_says(name, value, rows): _shown(name, value) for name, value in _members(envelope)}
    if Says.MORE in said:
        return f"is incomplete: {said[Says.MORE]} beside its rows ({rows}) says that there are more"
    if Says.PAGED in said and Says.WHOLE not in said:
        return f"may be incomplete: {said[Says.PAGED]} mentions pages, and nothing says that this is the last one"
    return None


def lists(value: Any) -> int:
    """How many arrays there are in an object; what is in an array does not count."""
    if isinstance(value, dict):
        return sum(map(lists, value.values()))
    return int(isinstance(value, list))


def _members(envelope: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in envelope.items():
        yield name, value
        if isinstance(value, dict):
            yield from _members(value)


def _says(name: str, value: Any, rows: int) -> Says:
    words, number = _words(name), _number(value)
    if isinstance(value, list):
        return Says.NOTHING
    if words & _FURTHER:
        return Says.MORE if _is_there(value) and number != 0 else Says.WHOLE
    if "last" in words and isinstance(value, bool):
        return Says.WHOLE if value else Says.MORE
    if number is not None and _counts(words):
        return Says.MORE if number > (1 if words & _PAGES else rows) else Says.WHOLE
    if (words & _PAGING or words == {"last"}) and _is_there(value):
        return Says.PAGED
    return Says.NOTHING


def _counts(words: frozenset[str]) -> bool:
    """Rows, or pages: total, count, totalPages, lastPage, pages."""
    return bool(words & {"total", "count"}) or words in ({"pages"}, {"last", "page"})


def _words(name: str) -> frozenset[str]:
    found: list[str] = []
    for word in map(str.lower, _WORD.findall(name)):
        pieces = _PIECE.findall(word)
        found += pieces if "".join(pieces) == word else [word]
    return frozenset(found)


def _is_there(value: Any) -> bool:
    """Not null, false, "", or an object of such."""
    if isinstance(value, dict):
        return any(map(_is_there, value.values()))
    return value is not None and value is not False and value != ""


def _number(value: Any) -> int | None:
    if isinstance(value, Decimal):
        return int(value) if abs(value) < 10**18 and value == value.to_integral_value() else None
    if isinstance(value, str):
        return int(value) if _NUMBER.fullmatch(value) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _shown(name: str, value: Any) -> str:
    """As it stands there, cut."""
    return f'"{name[:40]}": {dumps(value).decode()[:60]}'
