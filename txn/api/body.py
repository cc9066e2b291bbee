"""A request's body: how much of it, and in which form."""

from collections.abc import Collection
from functools import lru_cache

import falcon

from txn.errors import Invalid
from txn.server.problem import Malformed

#: Names of UTF-8 and of a part of it; JSON between systems is in no other (RFC 8259).
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


def read_body(request: falcon.Request, most: int, media_types: Collection[str] = (falcon.MEDIA_JSON,)) -> bytes:
    """A body of at most `most` bytes, of one of these types.

    Raises: Invalid.
    """
    _check_media_type(request, media_types)
    length = request.content_length
    if length is not None and length > most:
        raise _too_large(most)
    # Without a length the body is chunked: the server's stream ends by itself.
    try:
        body: bytes = request.stream.read(most + 1 if length is None else length)
    except Malformed as error:
        raise Invalid("body", error.detail, code=error.code) from None
    except Exception as error:  # noqa: BLE001 - another server calls it otherwise
        raise Invalid("body", f"could not be read: {type(error).__name__}", code="invalid_body") from None
    if len(body) > most:
        raise _too_large(most)
    return body


def media_type_of(request: falcon.Request) -> str:
    """In lower case, without parameters."""
    return _parsed(request.content_type or "")[0].lower()


@lru_cache(maxsize=64)
def _parsed(content_type: str) -> tuple[str, dict[str, str]]:
    return falcon.parse_header(content_type)


def _check_media_type(request: falcon.Request, media_types: Collection[str]) -> None:
    media_type, parameters = _parsed(request.content_type or "")
    if media_type.lower() not in media_types:
        raise _unsupported("Content-Type", f"must be {' or '.join(media_types)}")
    if parameters.get("charset", "utf-8").lower() not in _CHARSETS:
        raise _unsupported("Content-Type", "must not name a charset other than UTF-8")
    codings = {coding.strip().lower() for coding in request.get_header("Content-Encoding", default="").split(",")}
    if codings - {"", "identity"}:
        raise _unsupported("Content-Encoding", "must be left out: send the JSON as it is, not compressed")


def _unsupported(header: str, message: str) -> Invalid:
    return Invalid(header, message, code="unsupported_media_type")


def _too_large(most: int) -> Invalid:
    return Invalid("body", f"must be at most {most} bytes", code="body_too_large")
