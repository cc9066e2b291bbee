"""Every `code` that a problem document of the API can have. docs/use/api.md lists them, and a test holds that list."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """`retryable`: the same request, sent again as it is, may succeed. With a key or an id that is always safe."""

    statuses: tuple[int, ...]
    retryable: bool
    meaning: str


def _final(meaning: str, *statuses: int) -> Code:
    return Code(statuses, retryable=False, meaning=meaning)


def _passing(meaning: str, *statuses: int) -> Code:
    return Code(statuses, retryable=True, meaning=meaning)


CODES: Mapping[str, Code] = {
    "invalid": _final("a field, a header or the URL is wrong; `field` and `errors` say which", 400),
    "invalid_json": _final("the body is not JSON", 400),
    "invalid_body": _final("the body ended too early, or its chunks are wrong", 400),
    "bad_request": _final("the request is not HTTP as it should be", 400),
    "not_found": _final("there is no such transaction or run, or no such address", 404),
    "method_not_allowed": _final("the address does not have this method; `Allow` names those it has", 405),
    "content_conflict": _final("the id (409) or the key (422) was used before, with other content", 409, 422),
    "not_cancellable": _final("the transaction may have been posted already, or has ended; it goes on as it is", 409),
    "batch_refused": _final("an atomic batch was not stored; `results` says because of which transactions", 422),
    "cursor_expired": _final("what came behind this cursor of the feed is not kept any more", 410),
    "unauthorized": _final("the credential is missing or not valid", 401),
    "forbidden": _final("the credential does not allow this", 403),
    "cleanup_forbidden": _final("cleanup is off, or was not asked for by a local name", 403),
    "body_too_large": _final("the body is too large", 413),
    "uri_too_long": _final("the URL is too long", 414),
    "unsupported_media_type": _final("the body must be plain JSON in UTF-8", 415),
    "expectation_failed": _final("`Expect` may only be `100-continue`", 417),
    "request_header_fields_too_large": _final("too many headers, or too long ones", 431),
    "not_implemented": _final("`Transfer-Encoding` may only be `chunked`", 501),
    "http_version_not_supported": _final("this server speaks HTTP/1.1 and HTTP/1.0", 505),
    "request_timeout": _passing("the request did not come to its end in time", 408),
    "internal": _passing("an unexpected error, which was logged; the transaction may have been stored", 500),
    "too_many_submits": _passing("this client sends more submits than it may", 429),
    "overloaded": _passing("too much is unfinished or stored; this request was refused before it was read", 503),
    "redis_unavailable": _passing("Redis is away, or refuses writes; the transaction may have been stored", 503),
    "redis_not_durable": _passing("Redis could lose what it is given, so nothing is accepted", 503),
    "record_unreadable": _passing("this version cannot read the record: it is a newer version's, or damaged", 503),
    "unavailable": _passing("not possible now", 503),
}

#: What the errors of the framework are called.
_OF_STATUS = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    503: "unavailable",
}


def code_of(status: int) -> str:
    """The code of an error of which only the status is known."""
    return _OF_STATUS.get(status) or ("bad_request" if status < 500 else "internal")


def is_retryable(status: int, code: str) -> bool:
    """As the list says; of what is not in it, as the status is usually understood."""
    known = CODES.get(code)
    return known.retryable if known else status in (408, 425, 429) or status >= 500
