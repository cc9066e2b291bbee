"""A request's head: request line and header lines, in one strict grammar (RFC 9112), and what WSGI calls them."""

import re
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from txn.server.problem import Malformed

#: Request line and header lines together, and the trailers of a body.
MAX_HEAD_BYTES = 32 * 1024
MAX_TARGET_BYTES = 8190
MAX_FIELDS = 100

#: `++` and `*+` never go back: no line costs more than one look at each of its characters.
_LINE = re.compile(r"([A-Z][A-Z-]{2,19}) ([!-~]++) HTTP/(\d\.\d)\r\n")
_FIELD = re.compile(r"^([!#$%&'*+\-.^_`|~0-9A-Za-z]++):[ \t]*+([\t -~\x80-\xff]*+)\r\n", re.MULTILINE)
#: No complete head can come of this: a line that ends without CR, a control character (TLS begins with one).
_HOPELESS = re.compile(rb"(?<!\r)\n|\r(?=[^\n])|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ONCE = frozenset({"HTTP_HOST", "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_EXPECT"})
_NOT_IN_TRAILERS = frozenset(
    {*_ONCE, "HTTP_TRAILER", "HTTP_AUTHORIZATION", "HTTP_TE", "HTTP_CONNECTION", "HTTP_COOKIE", "HTTP_SET_COOKIE"}
)


def check_incomplete(head: bytes, seen: int) -> None:
    """What has come so far of a head without an end; its first `seen` bytes are checked. Raises: Malformed."""
    if _HOPELESS.search(head, max(0, seen - 1)):
        raise Malformed(400, "bad_request", "the request's head must be lines of text, each ended by CR LF")
    if len(head) > MAX_TARGET_BYTES + 30 and b"\r\n" not in head:
        raise Malformed(414, "uri_too_long", f"the request's URL must be at most {MAX_TARGET_BYTES} bytes")
    if len(head) > MAX_HEAD_BYTES:
        raise _too_large()


def parse(head: bytes) -> dict[str, Any]:
    """The WSGI variables of a complete head, its empty line included.

    A header's name with an underscore, which WSGI cannot tell from a hyphen, keeps it as a dot: nobody reads it by
    accident. Lines of the same name are joined with ", ". `txn.version` is the HTTP version.
    Raises: Malformed.
    """
    if len(head) > MAX_HEAD_BYTES:
        raise _too_large()
    text = head.decode("latin-1")
    line = _LINE.match(text)
    if line is None:
        raise Malformed(400, "bad_request", "the request line must be METHOD URL HTTP/1.1")
    method, target, version = line.groups()
    if version[0] != "1":
        raise Malformed(505, "http_version_not_supported", "this server speaks HTTP/1.1 and HTTP/1.0")
    variables = _fields(text, line.end(), text.count("\n") - 2)
    path, query = _split(method, target)
    variables["REQUEST_METHOD"], variables["RAW_URI"], variables["SERVER_PROTOCOL"] = method, target, f"HTTP/{version}"
    variables["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
    variables["QUERY_STRING"] = query
    return variables


def check_trailers(lines: bytes) -> None:
    """Header lines behind a body; they are dropped. Raises: Malformed."""
    text = lines.decode("latin-1")
    if _NOT_IN_TRAILERS & _fields(text, 0, text.count("\n")).keys():
        raise Malformed(400, "bad_request", "a header that stands behind the body must stand before it")


def body_length(variables: dict[str, Any]) -> int | None:
    """How many bytes the body has; None if it comes in chunks. Raises: Malformed."""
    coding, length = variables.get("HTTP_TRANSFER_ENCODING"), variables.get("CONTENT_LENGTH")
    if coding is not None:
        if length is not None or variables["SERVER_PROTOCOL"] == "HTTP/1.0":
            raise Malformed(400, "bad_request", "Transfer-Encoding is for HTTP/1.1, and without a Content-Length")
        if coding.lower() != "chunked":
            raise Malformed(501, "not_implemented", "Transfer-Encoding must be chunked, and nothing else")
        return None
    if length is None:
        return 0
    if not (length.isascii() and length.isdigit() and len(length) < 19):
        raise Malformed(400, "bad_request", "Content-Length must be one number, in digits")
    return int(length)


def keeps_alive(variables: dict[str, Any]) -> bool:
    """Whether the client wants to use the connection again."""
    said = variables.get("HTTP_CONNECTION", "").lower()
    if "close" in said or variables["REQUEST_METHOD"] == "CONNECT":
        return False
    return variables["SERVER_PROTOCOL"] != "HTTP/1.0" or "keep-alive" in said


def _fields(text: str, begin: int, lines: int) -> dict[str, Any]:
    found = _FIELD.findall(text, begin)
    if len(found) != lines:
        raise Malformed(400, "bad_request", "a header line must be Name: value, and not continue on the next line")
    if lines > MAX_FIELDS:
        raise _too_large()
    variables: dict[str, Any] = {}
    for name, value in found:
        variable, value = _variable(name), value.rstrip(" \t")
        if variable not in variables:
            variables[variable] = value
        elif variable in _ONCE:
            raise Malformed(400, "bad_request", f"the header {_shown(variable)} must come once")
        else:
            variables[variable] += f", {value}"
    return variables


@lru_cache(maxsize=512)
def _variable(name: str) -> str:
    variable = name.upper().replace("_", ".").replace("-", "_")
    return variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}"


def _split(method: str, target: str) -> tuple[str, str]:
    if len(target) > MAX_TARGET_BYTES:
        raise Malformed(414, "uri_too_long", f"the request's URL must be at most {MAX_TARGET_BYTES} bytes")
    if target.startswith("/"):
        path, _, query = target.partition("#")[0].partition("?")
        return path, query
    if method == "CONNECT" or (target == "*" and method == "OPTIONS"):
        return target, ""
    try:
        parts = urlsplit(target)
    except ValueError:
        parts = None
    if parts is None or not (parts.scheme and "://" in target):
        raise Malformed(400, "bad_request", "the request's URL must begin with /")
    return parts.path, parts.query


def _shown(variable: str) -> str:
    return "-".join(word.capitalize() for word in variable.removeprefix("HTTP_").split("_"))


def _too_large() -> Malformed:
    return Malformed(
        431,
        "request_header_fields_too_large",
        f"the header lines must be at most {MAX_FIELDS}, and {MAX_HEAD_BYTES} bytes together",
    )
