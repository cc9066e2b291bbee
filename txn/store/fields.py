"""Numbers in Redis, as people's pages read them: one that a hand or another version wrote must not take a page away."""

#: The last millisecond of the year 9999.
_LARGEST = 253_402_300_799_999


def whole(text: str | bytes | None) -> int | None:
    """The number, or None if it is none, or a larger one than any of ours."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    if not text or len(text) > 16 or not text.isascii() or not text.removeprefix("-").isdecimal():
        return None
    return found if abs(found := int(text)) <= _LARGEST else None
