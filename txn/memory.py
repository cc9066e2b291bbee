"""Amounts of memory, as redis.conf writes them, or as a share."""

import re

_BYTES = re.compile(r"(\d{1,15})(b|kb?|mb?|gb?)?", re.IGNORECASE)
_SHARE = re.compile(r"(\d{1,3})%")
_UNITS = {"": 1, "b": 1, "k": 1000, "kb": 1024, "m": 1000**2, "mb": 1024**2, "g": 1000**3, "gb": 1024**3}


def limit_of(text: str, most: int) -> int:
    """Bytes of `900mb` or of `90%`, a share of `most`; 0 if that share is of nothing.

    Raises: ValueError, for what is neither.
    """
    if share := _SHARE.fullmatch(text):
        if not 1 <= int(share[1]) <= 100:
            raise ValueError("a share must be from 1% to 100%")
        return most * int(share[1]) // 100
    found = _BYTES.fullmatch(text)
    if found is None or not int(found[1]):
        raise ValueError("must be a share such as 90%, or bytes such as 900mb or 6gb")
    return int(found[1]) * _UNITS[(found[2] or "").lower()]
