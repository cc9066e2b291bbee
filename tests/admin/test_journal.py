import html
import re

import pytest

from tests.admin.site import Browser
from tests.admin.test_pages import text
from tests.parts import Parts


def test_the_journal_says_who_did_what_to_which_and_why(ada: Browser, parts: Parts) -> None:
    assert "Nobody has replayed or discarded anything yet" in ada.get("/admin/journal").text
    names = [parts.fail(), parts.fail()]
    ada.post("/admin/failed/act", what="replay", id=names, why="it is back")
    assert re.search(rf"UTC ada replay 2 {names[0]} {names[1]} it is back", text(ada.get("/admin/journal").text))


def test_older_entries_are_on_older_pages(ada: Browser, parts: Parts) -> None:
    names = [parts.fail() for _ in range(60)]
    for name in names:
        parts.operations.replay([name], "ada")
    first = ada.get("/admin/journal").text
    [older] = re.findall(r'href="([^"]*)" rel="next"', first)
    second = ada.get(html.unescape(older)).text
    found = [re.findall(r'href="/admin/transactions/([^"]*)"', page) for page in (first, second)]
    assert found[0] + found[1] == names[::-1]
    assert 'rel="next"' not in second


@pytest.mark.parametrize("before", ["x", "1", "1-", "-", "1-2-3", "99999999999999999-1", "0-0", "00-000"])
def test_a_place_that_is_none_is_refused(ada: Browser, before: str) -> None:
    assert ada.get(f"/admin/journal?before={before}").status_code == 400
