"""Requests as nobody sends them by accident, each from its seed."""

import random

_METHODS = [b"GET", b"POST", b"PUT", b"OPTIONS", b"DELETE", b"get", b"GET ", b"G", b"PO ST", b"M-SEARCH", b"X" * 30]
_TARGETS = [
    *(b"/", b"/a", b"/a?b=c", b"/a%20b", b"/%zz", b"//x/y"),
    *(b"/a#b", b"/a?b?c#d", b"*", b"a", b"", b"/\xe9", b"/a\tb"),
    *(b"http://h/p?q", b"http://h", b"h:1", b"/" + b"a" * 8200),
    *(b"/%E2%98%83", b"/..", b"/;a", b"/unread", b"http://[/x"),
]
_VERSIONS = [*[b"HTTP/1.1"] * 3, b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b""]
_ENDS = [*[b"\r\n"] * 6, b"\n", b"\r", b"\r\r\n", b" \r\n"]
_FIELDS = [
    *(b"Host: x", b"Host: y", b"Accept: */*", b"X-A: 1", b"X-A: 2"),
    *(b"X_A: 3", b"x-a:4", b"X-B :1", b" X-C: 1", b"X-D"),
    *(b": x", b"X-E:", b"X-F: a\x00b", b"X-G: \xe9", b"X-H: a\rb"),
    *(b"X-I: a\nb", b"\tX: 1", b"X-J: a\x7f", b"X\xe9: 1"),
    *(b"Connection: close", b"Connection: keep-alive"),
    *(b"Connection: x, close", b"Expect: 100-continue", b"Expect: x"),
    *(b"Content-Length: 5", b"Content-Length: 05", b"Content-Length: +5"),
    *(b"Content-Length: 5, 5", b"Content-Length: -1"),
    *(b"Content-Length: 0", b"Content-Length: 5 ", b"Content-Length: 0x5", b"Content-Length:", b"content_length: 5"),
    *(b"Content-Length: 5_0", b"Content-Length: \xb25", b"Content-Length: " + b"9" * 30, b"Content-Length: 4"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked", b"Transfer-Encoding: gzip, chunked"),
    *(b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: identity", b"Transfer-Encoding: x"),
    *(b"Transfer-Encoding : chunked", b"Transfer-Encoding: \x0bchunked", b"Transfer_Encoding: chunked"),
    *(b"Content-Type: application/json", b"Content-Type: a"),
    *(b"Upgrade: h2c", b"X-Long: " + b"v" * 3000, b"Cookie: a=b"),
]
_BODIES = [
    *(b"", b"hello", b"hell", b"hello world", b"5\r\nhello\r\n0\r\n\r\n"),
    *(b"5;a=b\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n"),
    *(b"5\r\nhelloX\r\n0\r\n\r\n", b"5\nhello\n0\n\n", b"zz\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n"),
    b"5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
    *(b"5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n", b"5\r\nhello\r\n0\r\nbad\r\n\r\n"),
    *(b"5 \r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n"),
    *(b"5\r\nhello\r\n", b"5\r\nhel", b"FFFFFFFFFFFFFFFF1\r\nx"),
    *(b"2\r\nab\r\n1\r\nc\r\n000\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\nX"),
    *(b"5;\rx\r\nhello\r\n0\r\n\r\n", b"\r\n5\r\nhello\r\n0\r\n\r\n"),
]
_NEXT = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"


def odd_request(seed: int) -> bytes:
    """One or a few requests behind one another, more or less broken."""
    dice = random.Random(seed)
    found = b"".join(_one(dice) for _ in range(dice.choice((1, 1, 2)))) + _NEXT * dice.choice((0, 1, 1))
    if dice.random() < 0.3:
        found = _broken(dice, found)
    return dice.choice((b"", b"", b"", b"\r\n", b"\r\n\r\n")) + found if dice.random() < 0.2 else found


def _one(dice: random.Random) -> bytes:
    odd = dice.random() < 0.5
    line = [dice.choice(found if odd else found[:2]) for found in (_METHODS, _TARGETS, _VERSIONS)]
    ends = _ENDS if dice.random() < 0.2 else _ENDS[:1]
    fields = [dice.choice(_FIELDS) for _ in range(dice.randrange(5))]
    if dice.random() < 0.5:
        fields.append(dice.choice((b"Transfer-Encoding: chunked", b"Content-Length: 5")))
    head = b"".join(part + dice.choice(ends) for part in (b" ".join(line), *fields, b""))
    return head + dice.choice(_BODIES if dice.random() < 0.7 else _BODIES[:1])


def _broken(dice: random.Random, found: bytes) -> bytes:
    """A byte changed, lost or doubled, a few times; or cut off."""
    if dice.random() < 0.2:
        return found[: dice.randrange(len(found) + 1)]
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(found) + 1)
        new = dice.choice((b"", bytes([dice.randrange(256)]), b"\r\n", b"\x00", b"\r", b"\n", b" ", b":", b"0"))
        found = found[:at] + new + found[at + dice.choice((0, 1)) :]
    return found
