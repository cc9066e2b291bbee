"""What may stand in a URL that somebody sets: looked at when a process starts, not when it first calls."""

import re
from urllib.parse import SplitResult, urlsplit

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
#: [user[:password]@]host[:port]; the host is a name, or an address, that of IPv6 in brackets.
AUTHORITY = re.compile(rf"(?:.*@)?(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+(?:%25[\w.~-]+)?\])(?::[0-9]*)?")
#: Visible ASCII but ? and #: there is no query and no fragment.
_CHARACTERS = re.compile(r"[!\"$->@-~]+")


def split_posting_url(url: str) -> SplitResult:
    """`http(s)://[user[:password]@]host[:port][/path]`, taken apart.

    Raises: ValueError, which shows nothing of the URL: it may hold a password.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.port != 0
        valid = valid and bool(AUTHORITY.fullmatch(parts.netloc) and _CHARACTERS.fullmatch(url))
    except ValueError:
        valid = False
    if not valid:
        raise ValueError(
            "TXN_POSTING_URL must be http:// or https://, a host, and nothing behind it but a port and a path; "
            "what is special in a password is written as %40 (@), %2F (/), %3F (?), %23 (#)"
        )
    return parts
