import html
import json
import re
import time
from dataclasses import replace
from functools import partial
from typing import get_args, get_type_hints
from urllib.parse import quote

import pytest

from ops.redis_server import RedisServer
from tests.admin.site import Browser, tools_on
from tests.api.test_outage import hanging
from tests.parts import Parts, submission, writes_nothing
from tests.proxy import CuttingProxy
from tests.unit.test_trace import GIVEN, TRACE
from txn.admin.pages.overview import _MORE
from txn.model.ids import id_for_key
from txn.model.outcome import Cause, Clear, Completed, Failed, Keep, Maybe, Retry
from txn.model.transaction import OTHER_CONTENT, ErrorCode, Evidence
from txn.operate.last_audit import LastAudit, LastAudits
from txn.readers.problem import Problem
from txn.settings import Settings

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
PAYLOAD = json.dumps(
    {"amount": "7531.5", "currency": "USD", "description": HOSTILE, "metadata": {HOSTILE: HOSTILE}}
).encode()
PAGES = ("/admin", "/admin/queues", "/admin/transactions/a")
#: What nobody sees who may only view.
SECRET = (
    b'{"amount": "7531.5", "currency": "USD", "description": "secret-description", '
    b'"metadata": {"secret-key": "secret-value"}}'
)


def text(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def test_whatever_a_problem_is_about_has_its_page(ada: Browser) -> None:
    topics = set(get_args(get_type_hints(Problem)["about"])) - {""}
    assert topics == set(_MORE)
    assert {ada.get(path).status_code for path, _ in _MORE.values()} == {200}


def hostile(parts: Parts) -> None:
    """A failed and a retried transaction with an attacker's text wherever text can be."""
    for name in ("a", "b"):
        parts.store.accept(submission(name, PAYLOAD))
    line = json.dumps({"attempt": 1, "outcome": "rejected", "detail": HOSTILE, "http": 400, "ms": 3, "worker": HOSTILE})
    parts.settle(parts.claimed("a"), Failed(ErrorCode.REJECTED, HOSTILE, Clear()), answered=True, history=line)
    parts.settle(parts.claimed("b"), Retry(Cause.NOT_WRITTEN, HOSTILE, Clear(), 0), outage=HOSTILE, history=line)
    parts.messages("w").heartbeat({"host": HOSTILE, "pid": 1, "version": HOSTILE})


def test_an_attackers_text_is_text_wherever_it_stands(ada: Browser, parts: Parts) -> None:
    hostile(parts)
    seen = ""
    for path in (*PAGES, "/admin/transactions/b", f"/admin/search?q={quote(HOSTILE)}", f"/admin/{quote(HOSTILE)}"):
        page = ada.get(path).text
        assert not re.search(r"<script(?! src=)|<img", page), path
        seen += page
    assert html.escape(HOSTILE, quote=False).split("&gt;")[0] in seen


def test_a_view_user_sees_no_payload_on_any_page_of_the_table(vic: Browser, parts: Parts) -> None:
    parts.store.accept(submission("a", SECRET))
    line = json.dumps({"attempt": 1, "mode": "post", "outcome": "rejected", "detail": "secret-detail", "http": 400})
    retry = Retry(Cause.NOT_WRITTEN, "secret-error", Clear(), 0)
    parts.settle(parts.claimed("a"), retry, history=line)
    for status in ("pending", "failed"):
        if status == "failed":
            parts.settle(parts.claimed("a"), Failed(ErrorCode.REJECTED, "secret-reason", Clear()), history=line)
        for path in vic.pages("a"):
            page = vic.get(path).text
            assert "secret" not in page, path
            assert "7531.5" not in page, path
    assert "••••••" in vic.get("/admin/transactions/a").text


def test_an_operator_sees_it(ada: Browser, parts: Parts) -> None:
    parts.store.accept(submission("a", SECRET))
    line = json.dumps({"attempt": 1, "mode": "post", "outcome": "rejected", "detail": "secret-detail", "http": 400})
    parts.settle(parts.claimed("a"), Failed(ErrorCode.REJECTED, "secret-reason", Clear()), history=line)
    page = html.unescape(ada.get("/admin/transactions/a").text)
    for said in ("7531.5", "secret-description", "secret-key", "secret-detail", "secret-reason", '"status": "failed"'):
        assert said in page


def test_the_overview_says_all_is_well(ada: Browser, parts: Parts) -> None:
    parts.messages("w").heartbeat({})
    assert "All is well" in ada.get("/admin").text


def test_the_overview_counts_each_state(ada: Browser, parts: Parts) -> None:
    parts.messages("w").heartbeat()
    for name in ("waiting", "doubtful", "done", "dead", "busy"):
        parts.accept(name)
    parts.settle(parts.claimed("doubtful"), Retry(Cause.UNCERTAIN, "deadline", Maybe(15_000), 1_000))
    parts.settle(parts.claimed("done"), Completed(Evidence.POSTED), answered=True)
    parts.settle(parts.claimed("dead"), Failed(ErrorCode.REJECTED, "no", Clear()), answered=True)
    parts.claimed("busy")
    page = text(ada.get("/admin").text)
    for said in ("Waiting 2", "Processing 1", "In doubt 1", "Failed 1", "Errors, 5 min 50 %"):
        assert said in page
    assert "1 failed transaction waits for a decision since" in page


def test_the_overview_says_since_when_no_worker_is_there(ada: Browser, parts: Parts) -> None:
    parts.messages("w").heartbeat()
    parts.clock.forward(3 * 60_000)
    page = text(ada.get("/admin").text)
    assert "No worker is alive" in page
    assert "for 3 min" in page or "for 180 s" in page


def test_the_overview_names_an_outage(ada: Browser, parts: Parts) -> None:
    parts.messages("w").heartbeat()
    parts.accept("a")
    parts.settle(parts.claimed("a"), Retry(Cause.OUTAGE, "no", Clear(), 0), outage="connection refused")
    page = text(ada.get("/admin").text)
    assert "The posting service does not answer" in page
    assert "connection refused" in page


def test_what_is_lossy_is_said(ada: Browser, parts: Parts) -> None:
    parts.client.config_set("appendfsync", "everysec")
    try:
        ada.parts.durability.check(parts.client)
        assert "CONFIG SET appendfsync always" in ada.get("/admin").text
    finally:
        parts.client.config_set("appendfsync", "always")


def test_the_queues_show_who_delivers_what_since_when(ada: Browser, parts: Parts) -> None:
    for name in ("a", "b", "c"):
        parts.accept(name)
    worker = parts.messages("w")
    about = {"host": "node-7", "pid": 42, "threads": 8, "version": "1.2", "started": 0, "processed": 99, "rate": "3.5"}
    worker.heartbeat(about)
    worker.fetch(2)
    parts.claimed("a")
    parts.clock.forward(2_500)
    page = text(ada.get("/admin/queues").text)
    assert "node-7:42" in page
    for said in ("Queued 1", "In flight 1", " 8 2 99 3.5 1.2 ", " a node-7:42 2."):
        assert said in page
    assert " b node-7" not in page


def test_reaped_messages_are_counted(ada: Browser, parts: Parts) -> None:
    parts.accept("a")
    parts.fetched_by_the_dead()
    parts.clock.forward(60_000)
    parts.messages("heir").heartbeat()
    assert "Reaped 1 " in text(ada.get("/admin/queues").text)


def test_a_worker_without_a_heartbeat_is_shown_as_not_alive(ada: Browser, parts: Parts) -> None:
    parts.messages("w").heartbeat({"host": "h", "pid": 1})
    assert "1 alive" in text(ada.get("/admin/queues").text)
    parts.clock.forward(6_000)
    assert "0 alive" in text(ada.get("/admin/queues").text)


def test_a_timeline_tells_every_attempt_and_what_operators_did(ada: Browser, parts: Parts) -> None:
    parts.accept("a")
    tried = {
        "attempt": 1,
        "mode": "post",
        "outcome": "uncertain",
        "detail": "POST: answered 502",
        "http": 502,
        "ms": 85,
    }
    retry = Retry(Cause.UNCERTAIN, "POST: answered 502", Keep(), 0)
    parts.settle(parts.claimed("a"), retry, history=json.dumps(tried | {"worker": "node-7:42"}))
    parts.clock.forward(60_000)
    line = json.dumps({"outcome": "exhausted"})
    parts.settle(parts.claimed("a"), Failed(ErrorCode.EXHAUSTED, "not posted", Keep()), history=line)
    parts.replay("a", "ada", "it is back")
    page = text(ada.get("/admin/transactions/a").text)
    answer = "HTTP 502 · 85 ms · node-7:42"
    told = ["Timeline", "Submitted", "Uncertain attempt 1", answer, "Exhausted", "Replay by ada", "Waiting"]
    assert re.search(".*".join(map(re.escape, told)), page)
    assert "it is back" in page


def test_an_uneventful_success_says_so(ada: Browser, parts: Parts) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), Completed(Evidence.POSTED), answered=True)
    page = text(ada.get("/admin/transactions/a").text)
    assert "the POST was answered with 200 or 201" in page
    assert "at the first attempt" in page


def test_a_discarded_one_names_who_and_why(ada: Browser, parts: Parts) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), Failed(ErrorCode.CONFLICT, "other", Clear()))
    parts.discard("a", "vic")
    page = text(ada.get("/admin/transactions/a").text)
    assert "by vic" in page
    assert "a test" in page


def test_a_search_finds_an_id_and_a_key_and_says_what_it_tried(ada: Browser, parts: Parts) -> None:
    parts.accept("my-id")
    parts.accept(id_for_key("order 17"))
    assert ada.get("/admin/search?q=%20my-id ").headers["Location"] == "/admin/transactions/my-id"
    assert ada.get("/admin/search?q=order%2017").headers["Location"].endswith(id_for_key("order 17"))
    missing = ada.get("/admin/search?q=order%2018")
    assert missing.status_code == 404
    assert id_for_key("order 18") in missing.text
    assert "As transaction id cannot be one" in text(missing.text)


@pytest.mark.parametrize(("path", "status"), [("nothing", 404), (quote("<b>", safe=""), 400), ("a%2Fb", 404)])
def test_a_transaction_that_is_not_there_is_a_page(ada: Browser, path: str, status: int) -> None:
    result = ada.get(f"/admin/transactions/{path}")
    assert result.status_code == status
    assert "<h1>" in result.text


def test_a_form_s_address_opened_like_a_page_says_what_to_do(ada: Browser) -> None:
    page = ada.get("/admin/failed/confirm")
    assert page.status_code == 405
    assert "go back to the page with the form. " in text(page.text)


def test_a_sentence_of_the_framework_ends_with_one_full_stop(ada: Browser) -> None:
    page = text(ada.get("/admin/failed?before=zzz").text)
    assert "must be an integer. " in page


def test_no_page_writes_anything_or_looks_at_everything(ada: Browser, parts: Parts) -> None:
    hostile(parts)
    parts.client.config_resetstat()
    for path in (*PAGES, "/admin/search?q=x"):
        writes_nothing(parts.client, partial(ada.get, path))
    assert not {"cmdstat_keys", "cmdstat_scan"} & set(parts.client.info("commandstats"))


def test_without_redis_every_page_says_so_in_time(
    parts: Parts, settings: Settings, proxy: CuttingProxy, server: RedisServer
) -> None:
    browser = Browser(tools_on(f"redis://127.0.0.1:{proxy.port}/0", parts, settings))
    browser.log_in("ada")
    proxy.refuse()
    for path in (*PAGES, "/admin/search?q=x"):
        result = browser.get(path)
        assert result.status_code == 503
        assert "Redis cannot be reached" in result.text
        assert "It last answered" in result.text
        assert "ada" in result.text
    assert Browser(browser.parts).log_in("vic").status_code == 303
    proxy.mend()
    assert browser.get("/admin").status_code == 200


def test_with_a_redis_that_hangs_every_page_says_so_in_time(
    parts: Parts, settings: Settings, server: RedisServer
) -> None:
    browser = Browser(tools_on(server.url, parts, settings, timeout_ms=300))
    while browser.log_in("ada").status_code == 503:
        pass
    with hanging(server):
        for path in (*PAGES, "/admin/search?q=x"):
            began = time.monotonic()
            result = browser.get(path)
            assert time.monotonic() - began < 10
            assert result.status_code == 503
            assert "Redis did not answer in time" in result.text


def test_a_page_is_compressed_for_whoever_takes_it(ada: Browser) -> None:
    plain = ada.get("/admin")
    small = ada.client.simulate_get("/admin", headers={"Accept-Encoding": "gzip, br"}, cookies=ada.cookies)
    assert small.headers["Content-Encoding"] == "gzip"
    assert len(small.content) < len(plain.content) / 5


def test_a_doubt_that_is_over_is_none(ada: Browser, parts: Parts) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), Retry(Cause.UNCERTAIN, "500", Maybe(1_000), 0))
    assert "in doubt" in text(ada.get("/admin/transactions/a").text).lower()
    parts.clock.forward(2_000)
    parts.settle(parts.claimed("a"), Retry(Cause.NOT_WRITTEN, "refused", Clear(), 0))
    assert "in doubt" not in text(ada.get("/admin/transactions/a").text).lower()


def test_the_overview_says_when_the_last_audit_was_and_what_it_found(ada: Browser, parts: Parts) -> None:
    assert "Last audit never" in text(ada.get("/admin").text)
    ended_ms = parts.read_statistics().now_ms - 3 * 3_600_000
    LastAudits(parts.database).keep(LastAudit(ended_ms, 1, 18_000, "2 of 18,000 broke a promise."))
    page = ada.get("/admin").text
    assert "2 of 18,000 broke a promise. 18,000 accepted, 3 h ago" in text(page)
    assert '<span class="dot bad"></span>2 of 18,000' in page


def test_the_trace_of_a_submit_is_shown(parts: Parts, ada: Browser) -> None:
    parts.store.accept(replace(submission("a"), trace=GIVEN))
    assert f"Trace {TRACE}" in text(ada.get("/admin/transactions/a").text)
    for damaged in (HOSTILE, GIVEN.upper()):
        parts.client.hset(parts.keys.record("a"), "trace", damaged)
        assert "Trace" not in text(ada.get("/admin/transactions/a").text.partition("<details")[0])


def test_a_conflict_says_once_what_it_is_and_what_differs(parts: Parts, ada: Browser) -> None:
    detail = f"{OTHER_CONTENT}: amount, currency"
    line = json.dumps({"attempt": 1, "outcome": "conflict", "detail": detail, "http": 200, "ms": 3})
    parts.fail("a", ErrorCode.CONFLICT, detail, history=line)
    page = text(ada.get("/admin/transactions/a").text.partition("Raw record")[0])
    assert page.count("holds this id with other content") == 1
    assert page.count("What differs: amount, currency") == 1


def test_a_reason_that_stands_above_is_not_repeated_in_the_timeline_and_earlier_ones_are_there(
    parts: Parts, ada: Browser
) -> None:
    parts.accept("a")
    for detail in ("POST: answered 500", "POST: answered 422"):
        line = json.dumps({"attempt": 1, "outcome": "x", "detail": detail, "http": 422, "ms": 3})
        failed = Failed(ErrorCode.REJECTED, detail, Clear())
        outcome = failed if "422" in detail else Retry(Cause.NOT_WRITTEN, detail, Clear(), 0)
        parts.settle(parts.claimed("a"), outcome, answered=True, history=line)
    page = text(ada.get("/admin/transactions/a").text.partition("Raw record")[0])
    assert [page.count(f"POST: answered {status}") for status in (422, 500)] == [1, 1]
