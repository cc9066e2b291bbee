"""Four kinds of requests, each from its seed: bytes, HTTP shapes, submits, and the admin site's routes."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, urlencode

from tests.server.odd_requests import odd_request

#: Stands in everything that is sent, and must not stand in a log.
MARK = "hunter2mark"

_TEXTS = [
    *("", "a", "0", "-1", "1e999", "☃", "ü" * 300, "\x00", "\ud800", "<script>alert(1)</script>", "'; DROP", "{{7*7}}"),
    *(
        "../../etc/passwd",
        "%00",
        "\r\nX: y",
        "\x1b[2J",
        "null",
        "0-0",
        "99999999999999999999",
        "a" * 5000,
        "\u202e",
        MARK,
    ),
    *("2026-11-28T00:00:00Z", "2026-99-99", "USD", "€", "1,000.00", "NaN", "Infinity", "true", " ", "a\tb", "txn:due"),
]
_PATHS = [
    "/api/transactions",
    "/api/transactions/",
    "/api/health",
    "/metrics",
    "/",
    "/livez",
    "/readyz",
    "/api/cleanup",
]
_TYPES = ["application/json", "application/json; charset=latin-1", "text/plain", "", "application/json;;", "x" * 300]
_HEADERS = [
    "Idempotency-Key",
    "X-Idempotency-Key",
    "Accept",
    "Origin",
    "Authorization",
    "Cookie",
    "Host",
    "X-Forwarded-For",
]
_METHODS = ["GET", *["POST"] * 9, "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH"]

Source = Callable[[random.Random], bytes]


def raw(dice: random.Random) -> bytes:
    """Bytes, half of them behind what looks like a beginning."""
    noise = dice.randbytes(dice.choice((1, 10, 100, 3000)))
    return dice.choice((b"", b"GET / HTTP/1.1\r\n", b"POST /api/transactions HTTP/1.1\r\nHost: x\r\n")) + noise


def shape(dice: random.Random) -> bytes:
    """See `odd_request`."""
    return odd_request(dice.randrange(2**32))


def submit(dice: random.Random) -> bytes:
    """A request to the API, more or less a submit."""
    body = json.dumps(_document(dice)).encode()
    if dice.random() < 0.3:
        at = dice.randrange(len(body) + 1)
        body = body[:at] + dice.choice((b"", b"\xff", b"\x00", b"}", b'"', b"," * 50)) + body[at + 1 :]
    path = dice.choice(_PATHS)
    if dice.random() < 0.4:
        path += quote(_text(dice), safe="/%", errors="replace")
    headers = {"Content-Type": dice.choice(_TYPES) if dice.random() < 0.3 else _TYPES[0]}
    for name in dice.sample(_HEADERS, dice.randrange(3)):
        headers[name] = _text(dice)
    return _request(dice.choice(_METHODS), path, headers, body)


def admin(routes: Sequence[tuple[str, str]], sessions: Sequence[tuple[str, str]]) -> Source:
    """`routes`: method and path with {names}. `sessions`: cookie and CSRF token of each role."""

    def source(dice: random.Random) -> bytes:
        method, template = dice.choice(routes)
        cookie, token = dice.choice(sessions)
        path = "".join(_text(dice) if part.endswith("}") else part for part in _parts(template))
        path = quote(path[:3000], safe="/", errors="replace")
        fields = [(_name(dice), _text(dice)) for _ in range(dice.randrange(5))]
        asked = urlencode(fields, errors="replace")
        form = urlencode([("csrf", token if dice.random() < 0.7 else _text(dice)), *fields], errors="replace")
        if dice.random() < 0.1:
            method, cookie = dice.choice(_METHODS), _text(dice)
        headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        if method == "POST":
            return _request(method, path, headers, form.encode())
        return _request(method, f"{path}?{asked}" if fields else path, headers, b"")

    return source


def _document(dice: random.Random) -> object:
    found: dict[str, object] = {"amount": 1.5, "currency": "USD", "description": "x", "metadata": {"a": MARK}}
    odd = [*_TEXTS, None, True, -1, 0, 10**30, 0.001, [], {}, {"a": {"b": [1] * 50}}]
    for _ in range(dice.randrange(4)):
        name = dice.choice((*found, "id", "timestamp", "Amount", "__proto__", dice.choice(_TEXTS)))
        found[name] = dice.choice(odd)
    return found if dice.random() < 0.9 else dice.choice(odd)


def _request(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = {"Host": "localhost"} | headers
    text = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return text.encode("utf-8", "replace") + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def _text(dice: random.Random) -> str:
    return dice.choice(_TEXTS)


def _name(dice: random.Random) -> str:
    known = (
        "q",
        "before",
        "next",
        "code",
        "since",
        "until",
        "currency",
        "text",
        "id",
        "why",
        "name",
        "password",
        "what",
    )
    return dice.choice((*known, _text(dice)))


def _parts(template: str) -> list[str]:
    return template.replace("{", "\0{").replace("}", "}\0").split("\0")
