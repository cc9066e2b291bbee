import re

import pytest
import requests

from ops.mock_posting.client import MockPosting
from ops.redis_server import RedisServer
from tests.admin.site import Browser, tools_on
from tests.admin.test_pages import text
from tests.parts import Parts, submission
from txn.model.transaction import ErrorCode
from txn.settings import Settings


@pytest.fixture
def ada(parts: Parts, server: RedisServer, settings: Settings, mock: MockPosting) -> Browser:
    browser = Browser(tools_on(server.url, parts, settings.model_copy(update={"posting_url": mock.url})))
    browser.log_in("ada")
    return browser


def posted(mock: MockPosting, name: str, **changed: object) -> None:
    body = {"amount": 100.5, "currency": "USD", "description": "Payment", "metadata": {"order_id": "12345"}}
    body |= {"id": name, "timestamp": "2026-11-23T18:15:00.000Z"}
    requests.post(f"{mock.url}/transactions", json=body | changed, timeout=60).raise_for_status()


def test_both_contents_stand_side_by_side_and_what_differs_is_marked(
    ada: Browser, parts: Parts, mock: MockPosting
) -> None:
    parts.fail("a", ErrorCode.CONFLICT, "the GET found other content: amount")
    posted(mock, "a", amount=99)
    assert "Show both contents" in ada.get("/admin/transactions/a").text
    page = ada.get("/admin/transactions/a/look").text
    assert "holds this id with other content" in text(page)
    [row] = re.findall(r'<tr class="differs">(.*?)</tr>', page, re.S)
    assert re.search(r"Amount 100.50? 99(.0+)? differs", text(row))
    assert "discard ours, with the reason" in text(page)
    assert (len(mock.rows()), parts.status("a")) == (1, "failed")


def test_one_that_is_there_after_all_can_be_replayed(ada: Browser, parts: Parts, mock: MockPosting) -> None:
    parts.fail("a", ErrorCode.EXHAUSTED, "every attempt failed", history='{"attempt":1,"outcome":"retry"}')
    page = text(ada.get("/admin/transactions/a").text)
    assert re.search(r"The posting service was last asked at \S+ \S+ UTC ?, \d+ \w+ ago ?\. Look again", page)
    assert "does not hold it" in text(ada.get("/admin/transactions/a/look").text)
    posted(mock, "a")
    page = text(ada.get("/admin/transactions/a/look").text)
    assert "The posting service holds it, with our content" in page
    assert "The next delivery finds the row and completes the transaction" in page


def test_a_posting_service_that_says_nothing_is_told_as_such(ada: Browser, parts: Parts, mock: MockPosting) -> None:
    parts.fail("a", ErrorCode.UNDECIDED)
    mock.script("a", get=["fail"])
    page = text(ada.get("/admin/transactions/a/look").text)
    assert "The posting service did not say" in page
    assert "GET: answered 5" in page


def test_whoever_may_only_view_does_not_look_and_nobody_at_what_is_not_there(
    parts: Parts, ada: Browser, vic: Browser
) -> None:
    parts.fail("a")
    assert vic.get("/admin/transactions/a/look").status_code == 403
    assert "Look again" not in vic.get("/admin/transactions/a").text
    assert ada.get("/admin/transactions/nobody/look").status_code == 404


def test_an_attackers_row_is_text(ada: Browser, parts: Parts, mock: MockPosting) -> None:
    parts.store.accept(submission("a"))
    posted(mock, "a", description="<script>alert(1)</script>")
    assert "<script>alert" not in ada.get("/admin/transactions/a/look").text
