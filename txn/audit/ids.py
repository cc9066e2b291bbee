"""Ids in the posting service's list, as the audit keeps them."""

#: Ours are shorter: what is shown of a longer one.
_SHOWN = 80


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
