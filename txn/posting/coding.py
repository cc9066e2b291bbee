"""Compressed bodies, though nobody asked for any: unpacked by what they are, as headers promise all sorts."""

import zlib

from txn.posting.transport import MAX_ANSWER_BYTES, MaybeSent

#: A body may be packed so often: by the service, and once more by a proxy.
_LAYERS = 3
_GZIP, _ZLIB, _RAW = 31, 15, -15


def unpacked(body: bytes, coding: str = "") -> bytes:
    """`body` without gzip and deflate, or as it came if that cannot be undone.

    `coding`: the answer's Content-Encoding. Only bare deflate needs it: gzip and zlib begin as no JSON does.
    Raises: MaybeSent if it is too large then: it is not unpacked any further.
    """
    for _ in range(_LAYERS):
        kind = _kind(body, coding)
        if kind is None:
            break
        try:
            body, coding = _inflated(body, kind), ""
        except zlib.error:
            break
    return body


def _kind(body: bytes, coding: str) -> int | None:
    if body.startswith(b"\x1f\x8b"):
        return _GZIP
    if body.startswith(b"x"):
        return _ZLIB
    return _RAW if "deflate" in coding.lower() and not body.lstrip().startswith((b"{", b"[")) else None


def _inflated(body: bytes, kind: int) -> bytes:
    """Gzip may come in several members, one behind the other."""
    found = bytearray()
    while body:
        unpacker = zlib.decompressobj(kind)
        found += unpacker.decompress(body, MAX_ANSWER_BYTES + 1 - len(found))
        if len(found) > MAX_ANSWER_BYTES:
            raise MaybeSent(f"answer of more than {MAX_ANSWER_BYTES} bytes")
        body = unpacker.unused_data if kind == _GZIP and unpacker.unused_data.startswith(b"\x1f\x8b") else b""
    return bytes(found)
