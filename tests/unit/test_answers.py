from typing import Any

import pytest

from tests.unit.answering import Answering
from txn.posting.results import Absent, Found, NotPosted, Posted, PostResult, Rejected, Uncertain, Unknown
from txn.posting.service import PostingService
from txn.posting.transport import always

PAYLOAD = b'{"amount":100.50,"currency":"USD","description":"Payment","metadata":{}}'
CONTENT = b'"amount":100.5,"currency":"USD","description":"Payment","metadata":null'
UUID = "6f1c52b8-7d0e-5b8e-9d3a-3f0a6c0b7e11"

SET_UP = {301, 302, 307, 308, 401, 403, 404, 405, 407, 421, 501, 511}
AWAY = {425, 429}
REJECTED = {400, 402, 410, 411, 413, 414, 415, 417, 422, 431}


def post(status: int, body: bytes, name: str = "77") -> PostResult:
    return PostingService(Answering(status, body), 1_000).post(name, PAYLOAD, 0, always)


def kind(status: int) -> type[Any]:
    if status in SET_UP | AWAY:
        return NotPosted
    return Rejected if status in REJECTED else Uncertain


@pytest.mark.parametrize("status", range(200, 600))
def test_only_the_closed_lists_say_that_nothing_was_written(status: int) -> None:
    result = post(status, b"{}")
    assert isinstance(result, kind(status))
    assert result.status == status
    assert ("check TXN_POSTING_URL" in getattr(result, "detail", "")) == (status in SET_UP)


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("77", b'{"id":"77"}'),
        ("77", b'{"data":{"id":"78"},"id":"77","status":"ok"}'),
        ("77", b'\xef\xbb\xbf{"id":"77","at":NaN}'),
        ("77", b'{"id":"77","no":' + b"9" * 5_000 + b"}"),
        (UUID, f'{{"id":"{UUID.upper()}"}}'.encode()),
        (UUID.upper(), f'{{"id":"{UUID}"}}'.encode()),
        ("order-77", b'{"id":"order\\u002d77"}'),
    ],
)
def test_our_id_in_the_answer_proves_a_write(status: int, name: str, body: bytes) -> None:
    assert post(status, body, name) == Posted(status)


NO_PROOF = [
    b"",
    b"null",
    b"true",
    b"77",
    b'"77"',
    b"OK",
    b"<html>77</html>",
    b"{}",
    b'{"success":false}',
    b'{"status":"DECLINED","id":null}',
    b'{"id":77}',
    b'{"id":77.0}',
    b'{"id":"78"}',
    b'{"id":"077"}',
    b'{"id":" 77"}',
    b'{"id":"77 "}',
    b'{"id":"77\\n"}',
    b'{"id":"77\\u200b"}',
    b'{"id":"\\uff17\\uff17"}',
    b'{"id":["77"]}',
    b'{"id":{"id":"77"}}',
    b'{"data":{"id":"77"}}',
    b'{"ID":"77","Id":"77"}',
    b'{"transactionId":"77"}',
    b'{"id":"77","id":"77"}',
    b'{"id":"78","id":"77"}',
    b'[{"id":"77"}]',
    b'["77"]',
    b'{"id":"77"}{"id":"77"}',
    b'{"id":"77"',
    b'callback({"id":"77"})',
]


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("body", NO_PROOF)
def test_anything_else_with_200_or_201_may_have_been_written(status: int, body: bytes) -> None:
    result = post(status, body)
    assert isinstance(result, Uncertain)
    assert (result.status, "without the id of the transaction" in result.detail) == (status, True)


def test_an_id_in_another_case_is_no_proof_unless_it_is_a_uuid() -> None:
    assert isinstance(post(201, b'{"id":"ORDER-77"}', "order-77"), Uncertain)


def find(body: bytes, name: str = "77", status: int = 200) -> object:
    return PostingService(Answering(status, body), 1_000).find(name, PAYLOAD)


def test_a_row_with_our_id_is_found_and_what_differs_is_named() -> None:
    assert find(b'{"id":"77",%s}' % CONTENT) == Found(same=True)
    assert find(b'{"id":"77",%s,"x":NaN}' % CONTENT) == Found(same=True)
    assert find(b'{"id":"%s",%s}' % (UUID.upper().encode(), CONTENT), UUID) == Found(same=True)
    other = find(b'{"id":"77","amount":100.51,"currency":"USD","description":"payment","metadata":{}}')
    assert other == Found(same=False, differs=("amount", "description"))


@pytest.mark.parametrize("body", [body for body in NO_PROOF if body.startswith(b"{")])
def test_json_without_our_id_says_nothing_about_the_row(body: bytes) -> None:
    for text in (body, body[:-1] + b"," + CONTENT + b"}" if len(body) > 2 else b"{" + CONTENT + b"}"):
        found = find(text)
        assert isinstance(found, Unknown)
        assert "check " in found.detail


def test_somebody_elses_row_is_never_ours_whatever_it_holds() -> None:
    for other in ("ORDER-77", "order-77 ", "order-770"):
        found = find(b'{"id":"%s",%s}' % (other.encode(), CONTENT), "order-77")
        assert isinstance(found, Unknown)
        assert "the row of another id" in found.detail


@pytest.mark.parametrize("body", [b"{}", b'{"detail":"none"}', b'\xef\xbb\xbf{"at":NaN}', b'{"id":"77"}'])
def test_a_404_with_json_is_the_services_own(body: bytes) -> None:
    assert find(body, status=404) == Absent()


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("body", [b"[]", b"null", b"", b"<html>", b'[{"id":"77"}]'])
def test_without_a_json_object_neither_is_said(status: int, body: bytes) -> None:
    assert isinstance(find(body, status=status), Unknown)


@pytest.mark.parametrize(
    ("status", "body", "detail"),
    [
        (200, b"<html>welcome</html>", "GET: answered 200 without the service's JSON: check TXN_POSTING_URL"),
        (200, b"[]", "GET: answered 200 without the service's JSON: check TXN_POSTING_URL"),
        (404, b"no such page", "GET: answered 404 without the service's JSON: check TXN_POSTING_URL"),
        (500, b"{}", "GET: answered 500"),
    ],
)
def test_an_answer_that_tells_nothing_about_the_row_says_what_to_look_at(status: int, body: bytes, detail: str) -> None:
    found = find(body, status=status)
    assert found == Unknown(detail, status)


@pytest.mark.parametrize("status", sorted(SET_UP - {404}))
def test_a_get_that_our_set_up_spoils_says_what_to_check(status: int) -> None:
    assert find(b"{}", status=status) == Unknown(
        f"GET: answered {status}: check TXN_POSTING_URL and its credentials", status
    )


def test_what_is_quoted_of_an_answer_is_one_line_of_what_can_be_printed() -> None:
    result = post(400, b"\x1b[31mno\r\n\x00way \xff" + b"x" * 1_000)
    assert isinstance(result, Rejected)
    assert result.detail.isprintable()
    assert result.detail.startswith("POST: answered 400, saying: [31mno way \ufffdx")
    assert len(result.detail) < 250
