import html
import json
import re
from urllib.parse import urlencode

import pytest

from ops.redis_server import RedisServer
from tests.admin.site import Browser, tools_on
from tests.admin.test_pages import HOSTILE, PAYLOAD, SECRET, text
from tests.parts import Parts, submission
from tests.proxy import CuttingProxy
from txn.errors import Invalid
from txn.model.dead_letter import LETTER_CODES, Action, Filter
from txn.model.outcome import Clear, Failed
from txn.model.transaction import ErrorCode
from txn.operate.bulk_runner import BulkRunner
from txn.operate.letter_filter import fields, query, read_filter
from txn.settings import Settings

ANSWERED = json.dumps({"attempt": 1, "mode": "post", "outcome": "rejected", "detail": "no", "http": 422, "ms": 3})


def rows(page: str) -> list[str]:
    """The ids in the table, in order."""
    return re.findall(r'data-label="Transaction"><a class="mono" [^>]*>([^<]*)</a>', page)


def test_the_list_shows_the_newest_first_with_cause_answer_and_attempts(ada: Browser, parts: Parts) -> None:
    parts.fail("a", detail="POST: answered 422", history=ANSWERED)
    parts.clock.forward(60_000)
    parts.fail("b", ErrorCode.CONFLICT, "other content")
    page = ada.get("/admin/failed").text
    assert rows(page) == ["b", "a"]
    assert re.search(r"a 60 s ago rejected POST: answered 422 422 1 100.50 USD", text(page))
    counts = dict.fromkeys(LETTER_CODES, 0) | {ErrorCode.REJECTED: 1, ErrorCode.CONFLICT: 1}
    tiles = " ".join(f"{code.replace('_', ' ').capitalize()} {count}" for code, count in counts.items())
    assert f"All 2 {tiles} Discarded 0" in text(page)


def test_the_list_is_filtered_and_says_how_many_match(ada: Browser, parts: Parts) -> None:
    parts.fail("a", detail="answered 422")
    parts.fail("b", detail="answered 400")
    parts.fail("c", ErrorCode.CONFLICT, "answered 422")
    for wanted, found in (
        ("code=rejected", {"a", "b"}),
        ("text=422", {"a", "c"}),
        ("text=ANSWERED&code=conflict", {"c"}),
        ("currency=usd", {"a", "b", "c"}),
        ("currency=EUR", set()),
        ("since=2001-01-01T00:00", {"a", "b", "c"}),
        ("until=2001-01-01T00:00", set()),
    ):
        page = ada.get(f"/admin/failed?{wanted}").text
        assert set(rows(page)) == found, wanted
        assert f"{len(found)} match" in text(page)
    assert "Nothing matches." in page


def test_older_pages_keep_the_filter(ada: Browser, parts: Parts) -> None:
    names = []
    for number in range(60):
        names.append(parts.fail(f"n{number:02}"))
        parts.clock.forward(1)
    parts.fail("other", ErrorCode.CONFLICT)
    first = ada.get("/admin/failed?code=rejected").text
    [older] = re.findall(r'href="([^"]*)" rel="next"', first)
    second = ada.get(html.unescape(older)).text
    assert rows(first) + rows(second) == names[::-1]
    assert 'rel="next"' not in second


@pytest.mark.parametrize(
    "wrong",
    [
        "code=boss",
        "since=soon",
        "until=9999999",
        "until=9999-12-31T23:59:59-23:59",
        "before=-1",
        "before=x",
        "currency=EURO",
    ],
)
def test_a_filter_that_makes_no_sense_is_a_page_that_says_why(ada: Browser, parts: Parts, wrong: str) -> None:
    result = ada.get(f"/admin/failed?{wrong}")
    assert result.status_code == 400
    assert "<h1>" in result.text


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(),
        Filter(discarded=True),
        Filter("rejected", 1_700_000_000_123, 1_800_000_000_456, "USD", 'a "text" & more'),
        Filter(since_ms=0),
    ],
)
def test_a_filter_survives_the_way_through_a_form(wanted: Filter) -> None:
    assert read_filter(fields(wanted).get) == wanted


def test_until_includes_the_whole_minute_or_second_that_was_given() -> None:
    for given, ms in (("2026-11-23T18:15", 59_999), ("2026-11-23T18:15:00", 999), ("2026-11-23T18:15:00.000", 0)):
        assert read_filter({"until": given}.get).until_ms == 1_795_457_700_000 + ms
    assert read_filter({"since": "2026-11-23T18:15"}.get).since_ms == 1_795_457_700_000
    with pytest.raises(Invalid):
        read_filter({"since": "0001-01-01T00:00+23:59" * 2}.get)


def test_an_attackers_text_is_text_in_the_list_and_in_every_question(ada: Browser, parts: Parts) -> None:
    parts.store.accept(submission("a", PAYLOAD))
    parts.settle(parts.claimed("a"), Failed(ErrorCode.REJECTED, HOSTILE, Clear()))
    wanted = urlencode({"text": HOSTILE})
    pages = [ada.get(f"/admin/failed?{wanted}").text, ada.get(f"/admin/failed/preview?what=replay&{wanted}").text]
    counted = {"count": "1", "before": "1"}
    result = ada.post("/admin/bulk", run="0" * 16, what="discard", text=HOSTILE, why=HOSTILE, **counted)
    pages += [ada.get(result.headers["Location"]).text, ada.get("/admin/bulk").text, ada.get("/admin/journal").text]
    ada.post("/admin/failed/act", what="replay", id="a", why=HOSTILE)
    pages += [ada.get("/admin/journal").text, ada.get("/admin/transactions/a").text]
    for page in pages:
        assert not re.search(r"<script(?! src=)|<img", page)
    assert html.escape(HOSTILE)[:30] in pages[1]


def test_a_view_user_sees_neither_payload_nor_errors_and_cannot_look_for_them(vic: Browser, parts: Parts) -> None:
    parts.fail("a", detail="secret-detail", body=SECRET)
    parts.start_run("0" * 16, Action.DISCARD, Filter(text="secret"))
    for path in ("/admin/failed", "/admin/bulk", f"/admin/bulk/{'0' * 16}", "/admin/journal", "/admin/dramatiq"):
        page = vic.get(path).text
        assert "secret" not in page, path
        assert "7531.5" not in page, path
        assert 'type="checkbox"' not in page
    assert rows(vic.get("/admin/failed").text) == ["a"]
    assert vic.get("/admin/failed?text=secret").status_code == 403
    assert vic.get("/admin/failed/preview?what=replay").status_code == 403


def test_selected_ones_are_asked_about_and_then_replayed(ada: Browser, parts: Parts) -> None:
    names = [parts.fail(), parts.fail()]
    left = parts.fail()
    asked = ada.post("/admin/failed/confirm", what="replay", id=names)
    assert "Replay these 2 transactions?" in text(asked.text)
    assert "The posting service is asked for each transaction first" in text(asked.text)
    assert {parts.status(name) for name in names} == {"failed"}
    acted = ada.post("/admin/failed/act", what="replay", id=names, why="it is back")
    assert (acted.status_code, acted.headers["Location"]) == (303, "/admin/failed")
    page = ada.get("/admin/failed").text
    assert "2 replayed" in page
    assert rows(page) == [left]
    assert {parts.status(name) for name in names} == {"pending"}


def test_one_is_replayed_from_its_own_page_and_one_is_back_on_it(ada: Browser, parts: Parts) -> None:
    parts.fail("a")
    assert "Replay…" in ada.get("/admin/transactions/a").text
    assert ada.post("/admin/failed/act", what="replay", id="a").headers["Location"] == "/admin/transactions/a"
    page = text(ada.get("/admin/transactions/a").text)
    assert "1 replayed" in page
    assert "Replay by ada" in page
    assert "Replay…" not in page


def test_a_discard_needs_a_reason(ada: Browser, parts: Parts) -> None:
    parts.fail("a")
    refused = ada.post("/admin/failed/act", what="discard", id="a", why=" ")
    assert (refused.status_code, "Give a reason" in refused.text) == (400, True)
    assert "discarded" not in parts.record("a")
    ada.post("/admin/failed/act", what="discard", id="a", why="a test")
    assert "discarded" in parts.record("a")
    assert "Discard by ada" in text(ada.get("/admin/transactions/a").text)


def test_who_comes_too_late_is_told_so(ada: Browser, parts: Parts) -> None:
    parts.fail("a")
    ada.post("/admin/failed/act", what="replay", id="a")
    ada.post("/admin/failed/act", what="replay", id=["a", "nobody"])
    assert "0 replayed, 1 skipped: no longer failed, 1 unknown" in ada.get("/admin/failed").text


@pytest.mark.parametrize("form", [{"what": "boil", "id": "a"}, {"what": "replay", "id": "<b>"}, {"id": "a"}])
@pytest.mark.parametrize("path", ["/admin/failed/confirm", "/admin/failed/act"])
def test_a_form_that_makes_no_sense_is_refused(ada: Browser, parts: Parts, path: str, form: dict[str, str]) -> None:
    parts.fail("a")
    assert ada.post(path, **form).status_code == 400
    assert parts.status("a") == "failed"


def test_whoever_ticks_nothing_is_told_so_on_the_list_where_he_was(ada: Browser, parts: Parts) -> None:
    parts.fail("a")
    asked = ada.post("/admin/failed/confirm", what="replay", back="code=rejected&currency=USD")
    assert (asked.status_code, asked.headers["Location"]) == (303, "/admin/failed?code=rejected&currency=USD")
    assert "Nothing was ticked" in ada.get(asked.headers["Location"]).text
    assert ada.post("/admin/failed/act", what="replay").status_code == 400
    assert ada.post("/admin/failed/confirm", what="replay", back="code=boss").status_code == 400


def test_the_filter_stays_through_a_tile_an_action_and_back(ada: Browser, parts: Parts) -> None:
    parts.fail("a")
    page = ada.get("/admin/failed?code=rejected&currency=USD").text
    assert 'href="/admin/failed?code=conflict&amp;currency=USD"' in page
    [back] = re.findall(r'name="back" value="([^"]*)"', page)
    asked = ada.post("/admin/failed/confirm", what="replay", id="a", back=html.unescape(back), listed="1").text
    assert 'href="/admin/failed?code=rejected&amp;currency=USD">Back</a>' in asked
    acted = ada.post("/admin/failed/act", what="replay", id="a", back=html.unescape(back), listed="1")
    assert acted.headers["Location"] == "/admin/failed?code=rejected&currency=USD"


def test_what_was_discarded_is_listed_counted_and_replayed(ada: Browser, parts: Parts) -> None:
    parts.fail("a", detail="POST: answered 422")
    parts.fail("b", ErrorCode.CONFLICT)
    parts.fail("left")
    parts.operations.discard(["a", "b"], "ada", "paid by hand")
    page = ada.get("/admin/failed?state=discarded").text
    assert set(rows(page)) == {"a", "b"}
    assert "2 discarded" in text(page)
    assert "by ada paid by hand" in text(page)
    assert "Discard selected" not in page
    assert rows(ada.get("/admin/failed?state=discarded&code=conflict").text) == ["b"]
    assert rows(ada.get("/admin/failed?state=discarded&text=422").text) == ["a"]
    assert rows(ada.get("/admin/failed?state=discarded&since=2001-01-01T00:00&until=2001-01-02T00:00").text) == []
    assert rows(ada.get("/admin/failed").text) == ["left"]
    assert ada.get("/admin/failed/preview?what=discard&state=discarded").status_code == 400
    assert ada.get("/admin/failed?state=lost").status_code == 400
    asked = ada.get("/admin/failed/preview?what=replay&state=discarded").text
    assert "Replay 2 transactions?" in text(asked)
    parts.start_run("1" * 16, Action.REPLAY, Filter(discarded=True))
    BulkRunner(parts.runs, parts.letters, "w").tick()
    assert [parts.status(name) for name in ("a", "b", "left")] == ["pending", "pending", "failed"]
    assert "Nothing is discarded." in ada.get("/admin/failed?state=discarded").text


def test_more_than_a_call_can_take_is_refused(ada: Browser, parts: Parts) -> None:
    assert ada.post("/admin/failed/confirm", what="replay", id=[f"n{n}" for n in range(201)]).status_code == 400


def test_without_redis_an_action_says_that_nobody_knows(
    parts: Parts, settings: Settings, proxy: CuttingProxy, server: RedisServer
) -> None:
    browser = Browser(tools_on(f"redis://127.0.0.1:{proxy.port}/0", parts, settings))
    browser.log_in("ada")
    proxy.refuse()
    for path in ("/admin/failed", "/admin/failed/preview?what=replay", "/admin/bulk", "/admin/journal"):
        assert browser.get(path).status_code == 503, path
    acted = browser.post("/admin/failed/act", what="replay", id="a")
    assert acted.status_code == 303
    proxy.mend()
    assert "it may have been done or not" in browser.get(acted.headers["Location"]).text


def test_the_query_of_a_filter_has_only_what_is_set() -> None:
    assert query(Filter(code="rejected"), what="replay", before=None) == "code=rejected&what=replay"
