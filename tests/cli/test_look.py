import requests

from ops.mock_posting.client import MockPosting
from tests.cli.terminal import Commands
from tests.parts import Parts


def test_both_contents_are_shown_and_what_differs(txn: Commands, parts: Parts, mock: MockPosting) -> None:
    parts.fail("a")
    absent = txn("look", "a", TXN_POSTING_URL=mock.url)
    assert (absent.code, "it is not there" in absent.out) == (0, True)
    row = {"id": "a", "amount": 99, "currency": "USD", "description": "Payment", "metadata": {"order_id": "12345"}}
    row["timestamp"] = "2026-11-23T18:15:00.000Z"
    requests.post(f"{mock.url}/transactions", json=row, timeout=60).raise_for_status()
    found = txn("look", "a", TXN_POSTING_URL=mock.url)
    assert (found.code, "amount (differs)" in found.out, "theirs 99" in found.out) == (0, True, True)
    as_json = txn("look", "a", "--json", TXN_POSTING_URL=mock.url).json
    assert (as_json["found"], as_json["differs"], as_json["row"]["id"]) == ("different", ["amount"], "a")
    assert parts.status("a") == "failed"


def test_no_answer_is_exit_code_1_and_an_unknown_id_too(txn: Commands, parts: Parts, mock: MockPosting) -> None:
    parts.fail("a")
    mock.script("a", get=["fail"])
    done = txn("look", "a", TXN_POSTING_URL=mock.url)
    assert (done.code, "GET: answered 500" in done.out) == (1, True)
    assert txn("look", "nobody", TXN_POSTING_URL=mock.url).code == 1
