import gzip
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from tests.posting.conftest import Wires
from tests.posting.on_a_loop import OnALoop
from tests.posting.raw_server import answer, saying
from txn.posting.coding import unpacked
from txn.posting.curl import CurlTransport
from txn.posting.transport import MAX_ANSWER_BYTES, MaybeSent

ROW = b'{"id": "x", "amount": 100.50}'


def gzipped(data: bytes) -> bytes:
    """The same bytes at any time: they become names of tests, which all processes must agree on."""
    return gzip.compress(data, mtime=0)


def bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def in_brotli(data: bytes) -> bytes:
    """One block that is stored as it is (RFC 7932, 9.2), and an empty last one."""
    return (len(data) - 1 << 4 | 1 << 20).to_bytes(3, "little") + data + b"\x03"


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzipped(ROW)),
        ("x-gzip", gzipped(ROW)),
        ("GZip", gzipped(ROW)),
        ("identity, gzip", gzipped(ROW)),
        ("gzip, gzip", gzipped(gzipped(ROW))),
        ("gzip", gzipped(gzipped(ROW))),
        ("gzip", gzipped(ROW[:9]) + gzipped(ROW[9:])),
        ("identity", gzipped(ROW)),
        ("deflate", zlib.compress(ROW)),
        ("deflate", zlib.compress(ROW, 0)),
        ("deflate", bare_deflate(ROW)),
        ("identity", zlib.compress(ROW)),
        ("identity", ROW),
        ("none", ROW),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)}-bytes",
)
@pytest.mark.parametrize("status", [200, 201, 404, 422])
def test_what_nobody_asked_to_be_packed_is_unpacked(wires: Wires, coding: str, body: bytes, status: int) -> None:
    wire = wires.connect(saying(answer(status, body, f"Content-Encoding: {coding}")))
    found = wire.post()
    assert (found.status, found.body) == (status, ROW)


def test_a_packed_body_without_a_header_that_says_so_is_unpacked(wires: Wires) -> None:
    assert wires.connect(saying(answer(200, gzip.compress(ROW)))).get().body == ROW


def test_a_packed_body_in_chunks_is_unpacked(wires: Wires) -> None:
    packed = gzip.compress(ROW)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (packed[:7], packed[7:]))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert wires.connect(saying(head + chunks + b"0\r\n\r\n")).get().body == ROW


@pytest.mark.parametrize("coding", ["utf-8", "application/json", "gzip", "x-ours", "zstd", "br", "deflate", ""])
def test_a_header_that_names_no_coding_of_the_body_changes_nothing(wires: Wires, coding: str) -> None:
    wire = wires.connect(saying(answer(200, ROW, f"Content-Encoding: {coding}")))
    assert wire.get().body == ROW


@pytest.mark.parametrize("wires", [CurlTransport, OnALoop], indirect=True)
def test_libcurl_decodes_brotli_from_the_second_answer_on(wires: Wires) -> None:
    said = saying(answer(200, in_brotli(ROW), "Content-Encoding: br"))
    wire = wires.connect(said, said, saying(answer(200, gzip.compress(ROW), "Content-Encoding: gzip")), said)
    assert wire.get().body == in_brotli(ROW)
    for _ in range(3):
        assert wire.get().body == ROW


@pytest.mark.parametrize("wires", [CurlTransport, OnALoop], indirect=True)
def test_what_libcurl_cannot_decode_is_not_given_to_it_again(wires: Wires) -> None:
    codings = [
        (in_brotli(ROW), "br"),
        (ROW, "utf-8"),
        (ROW, "utf-8"),
        (in_brotli(ROW), "br"),
        (bare_deflate(ROW), "deflate"),
    ]
    wire = wires.connect(*[saying(answer(200, body, f"Content-Encoding: {coding}")) for body, coding in codings])
    wire.get()
    wire.fails(MaybeSent, wire.get)
    assert wire.get().body == ROW
    assert wire.get().body == in_brotli(ROW)
    assert wire.get().body == ROW


@pytest.mark.parametrize("body", [b"", b"\x1f\x8b", gzipped(ROW)[:-12], b"x", b"xylophone", b"\x1f\x8bjunk"])
def test_what_cannot_be_unpacked_is_no_row_and_no_fault_of_ours(body: bytes) -> None:
    assert not unpacked(body, "gzip").endswith(b"}")


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_body_that_unpacks_to_too_much_is_not_unpacked_to_its_end(wires: Wires, times: int) -> None:
    body = b"0" * 200_000_000
    for _ in range(times):
        body = gzip.compress(body, 1)
    wire = wires.connect(saying(answer(200, body, "Content-Encoding: gzip")))
    began = time.monotonic()
    wire.fails(MaybeSent, wire.get)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, bare_deflate])
def test_no_more_is_unpacked_than_is_allowed(pack: Callable[[bytes], bytes]) -> None:
    body = pack(b"0" * 50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(MaybeSent, match="answer of more than 1048576 bytes"):
            unpacked(body, "deflate")
        assert tracemalloc.get_traced_memory()[1] < 5 * MAX_ANSWER_BYTES
    finally:
        tracemalloc.stop()


def test_the_largest_body_allowed_may_come_packed(wires: Wires) -> None:
    body = gzip.compress(b"0" * MAX_ANSWER_BYTES)
    wire = wires.connect(saying(answer(200, body, "Content-Encoding: gzip")))
    assert len(wire.get().body) == MAX_ANSWER_BYTES
