"""Ids in the posting service's list, as the audit keeps them."""

import re

#: Ours are shorter: what is shown of a longer one.
_SHOWN = 80


#: What txn makes of a submit without an id: a random UUID, or one made from its key.
_OURS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[45][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)


def is_like_ours(name: str) -> bool:
    """Whether an id has the shape of those that txn makes. Others may make such ids, too; clients may choose others."""
    return _OURS.fullmatch(name) is not None


def kept_id(found: object) -> str:
    """An id that is no text, or none that can be kept, is nobody's; it is shown as what it is."""
    if not isinstance(found, str):
        return f"({found!r:.{_SHOWN}})"
    if len(found) > _SHOWN:
        return f"({found[:_SHOWN]!a}..., {len(found)} characters)"
    return found if found.isascii() or _is_utf8(found) else f"({found!a})"


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
