"""What may stand in a URL that somebody sets: looked at when a process starts, not when it first calls."""

import re
from urllib.parse import SplitResult, urlsplit

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
#: [user[:password]@]host[:port]; the host is a name, or an address, that of IPv6 in brackets.
AUTHORITY = re.compile(rf"(?:.*@)?(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+(?:%25[\w.~-]+)?\])(?::[0-9]*)?")
#: Visible ASCII but ? and #: there is no query and no fragment.
_CHARACTERS = re.compile(r"[!\"$->@-~]+")
#: An origin as browsers send it: lower case, no path, no port that goes without saying.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:]+\])(?::[1-9][0-9]{0,4})?")
_UNSAID = re.compile(r"http://.*:80|https://.*:443")


def split_origins(text: str) -> list[str]:
    """`https://a.example, http://localhost:3000`, or `*` alone.

    Raises: ValueError, naming the one that no browser would send.
    """
    origins = [part.strip() for part in text.split(",") if part.strip()]
    for origin in origins if origins != ["*"] else []:
        if not _ORIGIN.fullmatch(origin) or _UNSAID.fullmatch(origin):
            raise ValueError(
                f"TXN_CORS_ORIGINS: {origin[:100]!r} is not an origin as browsers send it: use https://shop.example or "
                "http://localhost:3000, in lower case, without a path and without :80 or :443; or * alone for everybody"
            )
    return origins


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
            "TXN_POSTING_URL must be http:// or https:// and a host, and after it at most a port and a path; "
            "write special characters in a password as %40 (@), %2F (/), %3F (?), %23 (#)"
        )
    return parts
