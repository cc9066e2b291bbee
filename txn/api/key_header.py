"""The Idempotency-Key of a request: one key, in one header line, under its one name; anything else is refused.

A key that is overlooked, or read in another way the next time, makes another transaction of the same intention.
"""

import re
from difflib import get_close_matches
from functools import lru_cache
from urllib.parse import unquote_plus

import falcon

from txn.errors import Invalid

NAME = "Idempotency-Key"
#: As in Settings: a name so like this one must be meant for it.
LIKENESS = 0.88

_LETTERS = re.compile(r"[^a-z0-9]+")
#: What is put before a header's name to say that it is not a standard one.
_PREFIXES = ("http", "x", "request", "txn")
_MEANT = ("idempotencykey", "idempotentkey")
#: A string as structured header fields have it (RFC 9651): quotes and backslashes in it have a backslash before them.
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*+)"')
_WORDS = re.compile(r".*idempotenc[ey]|.*idempoten(t|cy|ce).*(key|id|token|header)")


def key_of(request: falcon.Request) -> str | None:
    """The key, without the quotes that it may stand in, or None. `parse_submission` looks at its characters.

    Raises: Invalid, if there is more than one, or one under another name.
    """
    for name in request.env:
        if name.startswith("HTTP_") and name != "HTTP_IDEMPOTENCY_KEY" and is_meant_for_the_key(name[5:]):
            raise Invalid(NAME, f"is the name of the header: {_shown(name[5:])} is not read, and nothing was stored")
    if request.query_string:
        _check_query(request.query_string)
    if "HTTP_TRAILER" in request.env:
        _check_trailers(request.env["HTTP_TRAILER"])
    key: str | None = request.env.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and _is_repeated(key):
        raise Invalid(NAME, "was sent more than once: send one key, in one header line")
    return None if key is None else unquoted(key)


def unquoted(key: str) -> str:
    """`"k"` is `k`. Raises: Invalid, if it begins with a quote and is no string in quotes."""
    if not key.startswith('"'):
        return key
    if not (found := _QUOTED.fullmatch(key)):
        raise Invalid(NAME, 'begins with a quote: end it with one, and write \\" for one within')
    return re.sub(r"\\(.)", r"\1", found[1])


@lru_cache(maxsize=1024)
def is_meant_for_the_key(name: str) -> bool:
    """Whether a header of this name, which is not its own, can only be meant for the key."""
    letters = _LETTERS.sub("", name.lower())
    for prefix in _PREFIXES:
        letters = letters.removeprefix(prefix)
    return bool(_WORDS.fullmatch(letters) or get_close_matches(letters, _MEANT, n=1, cutoff=LIKENESS))


def _check_query(query: str) -> None:
    for part in query.split("&"):
        name = unquote_plus(part.partition("=")[0])
        if is_meant_for_the_key(name):
            raise Invalid(NAME, "must be sent as a header, not in the URL: nothing was stored")


def _check_trailers(names: str) -> None:
    for name in names.split(","):
        if name.strip().lower() == NAME.lower() or is_meant_for_the_key(name):
            raise Invalid(NAME, "must be sent before the body, not after it: nothing was stored")


def _is_repeated(key: str) -> bool:
    """Lines that somebody on the way has joined: with a space, which no key holds, or the same again and again."""
    parts = [part.strip() for part in key.split(",")]
    return len(parts) > 1 and (", " in key or len(set(parts)) == 1)


def _shown(variable: str) -> str:
    """A WSGI variable as the header that it was; the server puts dots for underscores (`txn/server/head.py`)."""
    return "-".join(word.capitalize() for word in variable.split("_")).replace(".", "_")[:100]
