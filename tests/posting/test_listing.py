import gzip
import itertools
import time
from collections.abc import Iterator

import pytest

from tests.audit.web import StubPosting
from txn.posting.listing import NoList, PostingList, PostingUnavailable

ROW = b'{"id": "a", "amount": 1, "currency": "USD", "description": "x", "metadata": {}}'


@pytest.fixture
def stub() -> Iterator[StubPosting]:
    with StubPosting() as found:
        yield found


def answer(stub: StubPosting, *pieces: bytes, **headers: str) -> PostingList:
    stub.answers["/transactions"] = lambda: (200, pieces)
    stub.sent_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return PostingList(stub.url)


@pytest.mark.parametrize("size", [1, 1_000, 1_000_000])
def test_a_compressed_list_is_read(stub: StubPosting, size: int) -> None:
    packed = gzip.compress(b"[" + b",".join([ROW] * 5_000) + b"]")
    pieces = [packed[begin : begin + size] for begin in range(0, len(packed), size)]
    assert len(list(answer(stub, *pieces, Content_Encoding="gzip").rows())) == 5_000


def test_a_compressed_list_that_is_cut_off_is_none(stub: StubPosting) -> None:
    packed = gzip.compress(b"[" + b",".join([ROW] * 5_000) + b"]")
    with pytest.raises(PostingUnavailable):
        list(answer(stub, packed[:-20], Content_Encoding="gzip").rows())


@pytest.mark.parametrize(
    "link",
    [
        '</transactions?page=2>; rel="next"',
        '<http://x/?page=1>; rel="first", </transactions?page=2>; rel=next',
        '</transactions?page=2>; rel="last next"',
        '</transactions?page=2>; rel="NEXT"; title="more"',
    ],
)
def test_a_list_that_says_that_there_is_a_next_page_is_not_whole(stub: StubPosting, link: str) -> None:
    with pytest.raises(PostingUnavailable, match="only a first page"):
        list(answer(stub, b"[" + ROW + b"]", Link=link).rows())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X_Total_Count", "3"),
        ("X_Total", " 109 "),
        ("Total_Count", "3"),
        ("Content_Range", "items 0-1/3"),
        ("Content_Range", "transactions */3"),
        ("X_Next_Page", "2"),
    ],
)
def test_a_list_that_says_that_it_has_more_rows_is_not_whole(stub: StubPosting, name: str, value: str) -> None:
    with pytest.raises(PostingUnavailable, match="list is"):
        list(answer(stub, b"[" + ROW + b"," + ROW + b"]", **{name: value}).rows())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Link", '</transactions?page=1>; rel="prev", </docs>; rel="help"'),
        ("Link", "nonsense"),
        ("X_Total_Count", "2"),
        ("X_Total_Count", "1"),  # one has been written since
        ("X_Total_Count", "many"),
        ("X_Total_Count", "9" * 5_000),
        ("Content_Range", "items 0-1/2"),
        ("Content_Range", "items 0-1/*"),
        ("X_Next_Page", ""),
    ],
)
def test_other_headers_do_not_matter(stub: StubPosting, name: str, value: str) -> None:
    assert len(list(answer(stub, b"[" + ROW + b"," + ROW + b"]", **{name: value}).rows())) == 2


def test_a_bom_before_the_list_is_skipped(stub: StubPosting) -> None:
    assert [row["id"] for row in answer(stub, b"\xef", b"\xbb\xbf[", ROW, b"]").rows()] == ["a"]


@pytest.mark.parametrize(
    ("pieces", "member"),
    [
        ((b"[", ROW, b"]"), None),
        ((b'{"data": [', ROW, b"]}"), "data"),
        ((b'{"a":{"all":[', ROW, b']},"total":1}'), "all"),
    ],
)
def test_the_list_may_be_in_an_object(stub: StubPosting, pieces: tuple[bytes, ...], member: str | None) -> None:
    listing = answer(stub, *pieces)
    assert [row["id"] for row in listing.rows()] == ["a"]
    assert listing.member == member


@pytest.mark.parametrize("beside", [b'"next": "/transactions?page=2"', b'"page": 1', b'"meta": {"total": 2}'])
@pytest.mark.parametrize("first", [True, False])
def test_a_list_in_an_object_that_speaks_of_more_is_not_whole(stub: StubPosting, beside: bytes, first: bool) -> None:
    members = [beside, b'"data": [' + ROW + b"]"] if first else [b'"data": [' + ROW + b"]", beside]
    listing = answer(stub, b"{" + b", ".join(members) + b"}")
    with pytest.raises(PostingUnavailable, match=r"be incomplete|is incomplete"):
        list(listing.rows())


@pytest.mark.parametrize("body", [b'{"status": "ok"}', b'{"data": [' + ROW + b'], "errors": []}', b'{"data": ["a"]}'])
def test_an_object_without_exactly_one_list_is_no_list(stub: StubPosting, body: bytes) -> None:
    with pytest.raises(NoList, match="answered with an object that holds"):
        list(answer(stub, body).rows())


@pytest.mark.parametrize("drip", [b" ", b"x", b"1,"])
def test_a_list_that_only_drips_is_given_up_as_a_silent_one_is(stub: StubPosting, drip: bytes) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"[" + ROW + b"," + {b" ": b"", b"x": b'{"a":"', b"1,": b'{"a":['}[drip]
        for _ in itertools.count():
            time.sleep(0.02)  # the drip itself; the reader must not wait for its end
            yield drip

    stub.answers["/transactions"] = lambda: (200, pieces())
    began = time.monotonic()
    with pytest.raises(PostingUnavailable, match="in time"):
        list(PostingList(stub.url, silence_s=0.3).rows())
    assert time.monotonic() - began < 20


def test_a_slow_list_whose_rows_come_is_read(stub: StubPosting) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"[" + ROW
        for _ in range(25):
            time.sleep(0.1)
            yield b"," + ROW
        yield b"]"

    stub.answers["/transactions"] = lambda: (200, pieces())
    assert len(list(PostingList(stub.url, silence_s=2).rows())) == 26
