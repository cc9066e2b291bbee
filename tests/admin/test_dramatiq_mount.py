import re
from datetime import datetime
from functools import partial
from typing import Never

import dramatiq_dashboard.filters
import dramatiq_dashboard.interface
import pytest

from ops.redis_server import RedisServer
from tests.admin.site import Browser, tools_on
from tests.admin.test_pages import HOSTILE, text
from tests.parts import Parts, writes_nothing
from tests.proxy import CuttingProxy
from txn.admin.pages import dramatiq_mount
from txn.settings import Settings

PAGES = [
    "/admin/dramatiq",
    "/admin/dramatiq/",
    "/admin/dramatiq/queues/deliver",
    *(f"/admin/dramatiq/queues/deliver/{tab}" for tab in ("standard", "delayed", "failed")),
]


def test_its_pages_show_queues_workers_and_messages_in_our_frame(ada: Browser, parts: Parts) -> None:
    for name in ("a", "b", "c"):
        parts.accept(name)
    worker = parts.messages("w")
    worker.heartbeat({"host": "node-7", "pid": 42})
    worker.fetch(1)
    dashboard = text(ada.get("/admin/dramatiq").text)
    assert "deliver 2 0 0" in dashboard, "what was fetched does not count as queued"
    assert "node-7:42 1 " in dashboard
    queue = ada.get("/admin/dramatiq/queues/deliver").text
    assert re.findall(r"deliver\(&#39;(\w)&#39;\)", queue) == ["b", "c"]
    one = ada.get("/admin/dramatiq/queues/deliver/standard/b").text
    assert "Canonical id b" in text(one)
    for page in (queue, one):
        assert 'aria-label="Pages"' in page
        assert "<style" not in page


def test_every_page_keeps_the_strict_policy_and_sets_no_cookie(ada: Browser, parts: Parts) -> None:
    parts.fail("a")
    for path in [*PAGES, "/admin/dramatiq/queues/deliver/failed/a"]:
        result = ada.get(path)
        assert result.status_code == 200, path
        assert "style-src 'self';" in result.headers["Content-Security-Policy"]
        assert "Set-Cookie" not in result.headers
        assert not re.search(r"<style|<script(?! src=)| style=| on\w+=|https?://(?!www.w3.org)", result.text), path


def test_its_own_cookie_is_never_read(ada: Browser, parts: Parts) -> None:
    parts.fail("a")
    ada.cookies["__dd_csrf"] = "%22><script>alert(1)</script>"
    page = ada.get("/admin/dramatiq/queues/deliver/failed").text
    assert "alert" not in page
    assert "__dd_csrf" not in page


@pytest.mark.parametrize(("button", "what"), [("requeue", "Replay"), ("delete", "Discard")])
def test_its_buttons_ask_the_question_that_we_ask(ada: Browser, parts: Parts, button: str, what: str) -> None:
    parts.fail("a")
    page = ada.get("/admin/dramatiq/queues/deliver/failed").text
    form = re.search(rf'<form action="/admin/dramatiq/{button}-message".*?</form>', page, re.DOTALL)
    assert form
    assert f">{what}</button>" in form[0]
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[0]))
    assert fields == {"csrf": ada.csrf, "id": "a", "queue": "deliver.XQ"}
    asked = ada.post(f"/admin/dramatiq/{button}-message", **fields)
    assert f"{what} this transaction?" in asked.text
    assert parts.status("a") == "failed"
    ada.post("/admin/failed/act", what=what.lower(), id="a", why="a test")
    assert parts.client.hlen(parts.keys.dead_message_bodies) == 0


@pytest.mark.parametrize("button", ["requeue", "delete"])
def test_a_queued_message_is_not_touched(ada: Browser, parts: Parts, button: str) -> None:
    parts.accept("a")
    assert "message</button>" not in ada.get("/admin/dramatiq/queues/deliver").text
    assert "<form action=" not in ada.get("/admin/dramatiq/queues/deliver").text
    for queue in ("deliver", "deliver.DQ", "other.XQ", ""):
        assert ada.post(f"/admin/dramatiq/{button}-message", id="a", queue=queue).status_code == 409
    assert parts.queued() == ["a"]


def test_a_view_user_has_no_buttons(vic: Browser, parts: Parts) -> None:
    parts.fail("a")
    for path in ("/admin/dramatiq/queues/deliver/failed", "/admin/dramatiq/queues/deliver/failed/a"):
        page = vic.get(path)
        assert page.status_code == 200
        assert "-message" not in page.text
        assert "Canonical id" in page.text or "deliver(&#39;a&#39;)" in page.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/queues/other", 404),
        ("/queues/deliver/boiled", 404),
        ("/queues/deliver/standard/nothing", 404),
        ("/queues/deliver/standard/%3Cb%3E", 404),
        ("/queues/deliver/standard/a%0Ab", 404),
        ("/queues/deliver?cursor=x", 400),
        ("/queues/deliver?cursor=-1", 400),
        ("/queues/deliver?cursor=99999999999999999999", 400),
        ("/queues/deliver?cursor=9999999", 200),
        ("XYZ", 404),
        ("/delete-message", 405),
    ],
)
def test_what_makes_no_sense_is_no_500(ada: Browser, path: str, status: int) -> None:
    assert ada.get(f"/admin/dramatiq{path}").status_code == status


def test_a_message_that_cannot_be_read_does_not_hide_the_others(ada: Browser, parts: Parts) -> None:
    parts.accept("a")
    for name, body in (("broken", b"{"), ("other", b'{"a": 1}'), ("list", b"[]"), ("null", b"\xff")):
        parts.messages().push(name, body)
        assert ada.get(f"/admin/dramatiq/queues/deliver/standard/{name}").status_code == 404
    template = parts.client.hget(parts.keys.message_bodies, "a")
    assert template
    parts.messages().push("late", template.replace(b'"options":{', b'"options":{"eta":"' + b"9" * 40 + b'",'))
    page = ada.get("/admin/dramatiq/queues/deliver")
    assert page.status_code == 200
    assert page.text.count("deliver(&#39;") == 1


def test_an_attackers_message_is_text(ada: Browser, parts: Parts) -> None:
    parts.accept("a")
    body = parts.client.hget(parts.keys.message_bodies, "a")
    assert body
    evil = HOSTILE.replace("\\", "\\\\").replace('"', '\\"').encode()
    parts.messages().push(
        "evil", body.replace(b'["a"]', b'["' + evil + b'"]').replace(b'"redis_message_id":"a"', b'"x":"' + evil + b'"')
    )
    for path in ("/admin/dramatiq/queues/deliver", "/admin/dramatiq/queues/deliver/standard/evil"):
        page = ada.get(path).text
        assert "&lt;script&gt;" in page
        assert not re.search(r"<script(?! src=)|<img", page)


def test_a_long_queue_is_read_in_pages(ada: Browser, parts: Parts) -> None:
    names = [parts.accept() for _ in range(150)]
    first = ada.get("/admin/dramatiq/queues/deliver").text
    [more] = re.findall(r'href="(/admin/dramatiq/queues/deliver/standard\?cursor=\d+)"', first)
    found = [re.findall(r"deliver\(&#39;([\w-]+)&#39;\)", page) for page in (first, ada.get(more).text)]
    assert sorted(found[0] + found[1]) == sorted(names)
    assert [len(page) for page in found] == [100, 50]


def test_no_page_writes_sends_keys_or_looks_at_everything(ada: Browser, parts: Parts) -> None:
    parts.messages("w").heartbeat()
    parts.fail("a")
    parts.client.config_resetstat()
    for path in (*PAGES, "/admin/dramatiq/queues/deliver/failed/a"):
        writes_nothing(parts.client, partial(ada.get, path))
    assert not {"cmdstat_keys", "cmdstat_scan", "cmdstat_hscan"} & set(parts.client.info("commandstats"))


def test_without_redis_its_pages_say_so(
    parts: Parts, settings: Settings, proxy: CuttingProxy, server: RedisServer
) -> None:
    browser = Browser(tools_on(f"redis://127.0.0.1:{proxy.port}/0", parts, settings))
    browser.log_in("ada")
    proxy.refuse()
    for path in PAGES:
        result = browser.get(path)
        assert (result.status_code, "Redis cannot be reached" in result.text) == (503, True)


def test_where_it_is_not_installed_the_page_says_how(
    parts: Parts, settings: Settings, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dramatiq_mount, "find_spec", lambda name: None)
    browser = Browser(tools_on(server.url, parts, settings))
    browser.log_in("ada")
    result = browser.get("/admin/dramatiq")
    assert result.status_code == 404
    assert "requirements/dashboard.txt" in result.text


class Later(datetime):
    """As Python will have it one day: what is deprecated since 3.12 has gone."""

    @classmethod
    def utcfromtimestamp(cls, _seconds: float) -> Never:
        raise AttributeError("utcfromtimestamp")

    @classmethod
    def utcnow(cls) -> Never:
        raise AttributeError("utcnow")


def test_its_pages_do_without_what_python_has_deprecated(
    ada: Browser, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (dramatiq_dashboard.interface, dramatiq_dashboard.filters):
        monkeypatch.setattr(module, "datetime", Later)
    parts.accept("a")
    parts.fail("b")
    parts.messages("w").heartbeat({"host": "node-7", "pid": 42})
    dashboard = text(ada.get("/admin/dramatiq").text)
    assert re.search(r"node-7:42 0 .{0,20}ago", dashboard), dashboard
    assert "deliver(&#39;a&#39;)" in ada.get("/admin/dramatiq/queues/deliver").text
    for path in ("standard/a", "failed/b"):
        page = ada.get(f"/admin/dramatiq/queues/deliver/{path}").text
        assert re.search(r'<time datetime="[-0-9T:.]+\+00:00">\s+.* ago\s', page), path
