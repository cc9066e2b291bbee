import sqlite3
import threading
from collections.abc import Iterable

import pytest

from tests.audit.rig import Rig
from tests.audit.web import StubPosting
from txn.audit.join import Join
from txn.errors import StoreUnavailable, Unavailable
from txn.posting.listing import PostingList, PostingUnavailable

ROW = b'{"id": "a", "amount": 1, "currency": "USD", "description": "x", "metadata": {}}'


@pytest.mark.parametrize(
    "pieces",
    [
        [b"[", ROW, b",", None],
        [b"[", ROW, b","],
        [b"[", ROW],
        [b"[", ROW, b"] trailing"],
        [b""],
        [b'{"transactions": [], "page": 1}'],
        [b'{"transactions": [', ROW, b"]", None],
        [b'{"transactions": [', ROW, b"]"],
        [b'{"transactions": {'],
        [b"<html>"],
        [b"[1, 2]"],
        [b'[{"id": "\xff"}]'],
    ],
)
def test_half_a_list_or_something_else_is_no_list(stub: StubPosting, pieces: Iterable[bytes | None]) -> None:
    stub.answers["/transactions"] = lambda: (200, [piece for piece in pieces if piece != b""])
    with pytest.raises(PostingUnavailable):
        list(PostingList(stub.url).rows())


@pytest.mark.parametrize("status", [204, 206, 301, 401, 500, 503])
def test_another_status_is_no_list(stub: StubPosting, status: int) -> None:
    stub.answers["/transactions"] = lambda: (status, [b"[]"])
    with pytest.raises(PostingUnavailable, match=str(status)):
        list(PostingList(stub.url).rows())


def test_a_list_that_goes_silent_is_given_up(stub: StubPosting) -> None:
    def pieces() -> Iterable[bytes]:
        yield b"[" + ROW
        asking.wait(10)

    asking = threading.Event()
    stub.answers["/transactions"] = lambda: (200, pieces())
    try:
        with pytest.raises(PostingUnavailable, match="in time"):
            list(PostingList(stub.url, silence_s=0.1).rows())
    finally:
        asking.set()


def test_credentials_of_the_url_are_sent(stub: StubPosting) -> None:
    stub.answers["/transactions"] = lambda: (200, [b"[]"])
    assert list(PostingList(stub.url.replace("http://", "http://me:secret@")).rows()) == []
    assert stub.headers["Authorization"] == "Basic bWU6c2VjcmV0"


def test_a_posting_service_that_answers_nothing_cannot_be_audited(rig: Rig, stub: StubPosting) -> None:
    rig.complete(rig.accept())
    stub.default = lambda _path: (404, [b"no such page"])
    with pytest.raises(PostingUnavailable, match="URL"):
        rig.audit(stub.url)


def test_a_posting_service_that_goes_away_while_it_is_asked_cannot_be_audited(rig: Rig) -> None:
    rig.complete(rig.accept())
    rig.gate.before("ask", rig.mock.down)
    with pytest.raises(PostingUnavailable, match="cannot be asked"):
        rig.audit()


@pytest.mark.parametrize("field", ["status", "fingerprint"])
def test_a_damaged_record_is_named(rig: Rig, field: str) -> None:
    name = rig.once()
    rig.parts.client.hdel(rig.parts.keys.record(name), field)
    with pytest.raises(StoreUnavailable, match=f"{name} is damaged"):
        rig.audit()


def test_a_lost_content_is_named(rig: Rig) -> None:
    name = rig.accept()
    rig.complete(name)
    rig.parts.client.delete(rig.parts.keys.payload(name))
    with pytest.raises(StoreUnavailable, match=f"content of {name} is lost"):
        rig.audit()


def test_without_room_for_the_temporary_file_it_says_so(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("txn.audit.join._TABLES", "PRAGMA max_page_count = 1; CREATE TABLE a (b); CREATE TABLE c (d);")
    with pytest.raises(Unavailable, match="TMPDIR"):
        rig.audit()


def test_a_join_that_cannot_begin_leaves_no_file_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("txn.audit.join._TABLES", "as if the disk were full")
    join = Join()
    with pytest.raises(sqlite3.Error):
        join.__enter__()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        join._database.execute("SELECT 1")
