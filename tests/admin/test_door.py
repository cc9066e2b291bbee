import html
import re
import time
from urllib.parse import urlencode

import falcon
import falcon.inspect
import pytest

from ops.redis_server import RedisServer
from tests.admin.site import HASH, LINES, PASSWORD, Browser, tools_on
from tests.parts import Parts
from txn.admin.door.guard import user
from txn.admin.door.sessions import Sessions
from txn.admin.door.users import Role, read_users
from txn.admin.route import Route, action, page
from txn.admin.site import application, create_site, mount
from txn.settings import Settings
from txn.store.durability import DurabilityMonitor

#: What goes into every variable of a path.
ANYTHING = "some-id"


def endpoints(browser: Browser) -> list[tuple[str, str, Role | None]]:
    return [
        (method, re.sub(r"{[^}]*}", ANYTHING, route.template), role)
        for route in browser.table()
        for method, role in route.roles.items()
    ]


def test_the_table_names_every_route_of_the_application(browser: Browser) -> None:
    found = falcon.inspect.inspect_routes(browser.app)
    known = {(route.path, method.method) for route in found for method in route.methods if not method.internal}
    named = {(route.template, method) for route in browser.table() for method in route.roles}
    assert known == named


def test_only_the_login_and_the_assets_are_open(browser: Browser) -> None:
    assert {(method, path) for method, path, role in endpoints(browser) if role is None} == {
        ("GET", "/admin/login"),
        ("POST", "/admin/login"),
        ("GET", f"/admin/static/{ANYTHING}"),
    }


def test_without_a_session_every_endpoint_leads_to_the_login(browser: Browser) -> None:
    closed = [(method, path) for method, path, role in endpoints(browser) if role is not None]
    assert len(closed) >= 5
    for method, path in [*closed, ("GET", "/admin/there-is-no-such-page"), ("GET", "/admin/")]:
        result = browser.client.simulate_request(method, path)
        if method == "GET":
            assert (result.status_code, result.text) == (302, "")
            assert result.headers["Location"].startswith("/admin/login")
        else:
            assert result.status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        *("loginX", "login.html", "login/x", "login%2Fx", "login;x", "Login", "LOGIN", "logi", "login ", "login%00"),
        *("static", "static/", "static/admin.css/x", "static/../queues", "static//admin.css", "staticX", "static2/x"),
        *("x/login", "x/static/admin.css"),
    ],
)
def test_what_only_looks_like_an_open_page_is_closed(browser: Browser, path: str) -> None:
    result = browser.client.simulate_get(f"/admin/{path}")
    assert result.status_code == 302
    assert result.headers["Location"].startswith("/admin/login?next=")
    assert browser.client.simulate_post(f"/admin/{path}").status_code == 401


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_no_other_method_gets_through(ada: Browser, method: str) -> None:
    for _, path, _ in endpoints(ada):
        assert ada.client.simulate_request(method, path).status_code in (401, 405)
        logged_in = ada.client.simulate_request(method, path, cookies=ada.cookies)
        assert logged_in.status_code in (401, 405)


def test_a_view_user_can_post_nothing_but_the_logout(vic: Browser) -> None:
    for method, path, role in endpoints(vic):
        if method == "POST" and role is not None and path != "/admin/logout":
            assert role is Role.OPERATE
            assert vic.post(path).status_code == 403


class Act:
    def __init__(self) -> None:
        self.done: list[str] = []

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        self.done.append(user(request).name)


@pytest.mark.parametrize(("name", "status", "done"), [("vic", 403, []), ("ada", 200, ["ada"])])
def test_an_action_is_for_those_who_may_operate(browser: Browser, name: str, status: int, done: list[str]) -> None:
    act = Act()
    browser.also(action("/act", act))
    browser.log_in(name)
    assert browser.post("/admin/act").status_code == status
    assert act.done == done


def test_a_page_may_be_for_operators_only(vic: Browser) -> None:
    class Page:
        def on_get(self, request: falcon.Request, response: falcon.Response) -> None: ...

    vic.also(page("/page", Page(), Role.OPERATE))
    result = vic.get("/admin/page")
    assert result.status_code == 403
    assert "role operate" in result.text


def test_every_post_needs_the_sessions_own_token(ada: Browser, parts: Parts, server: RedisServer) -> None:
    other = Browser(ada.parts)
    other.log_in("ada")
    for method, path, _ in endpoints(ada):
        if method == "POST":
            for token in ("", "x", "\u00e9", other.csrf):
                result = ada.post(path, csrf=token)
                assert result.status_code == 403
                assert "out of date" in result.text


def test_the_right_name_and_password_open_the_site(browser: Browser) -> None:
    result = browser.log_in("ada")
    assert (result.status_code, result.headers["Location"]) == (303, "/admin")
    assert browser.get("/admin").status_code == 200


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("eve", PASSWORD), ("", ""), ("ada", "x" * 2000)])
def test_anything_else_does_not(browser: Browser, name: str, password: str) -> None:
    result = browser.log_in(name, password)
    assert result.status_code == 401
    assert "Name or password is wrong" in result.text
    assert browser.get("/admin").status_code == 302


def test_the_cookie_is_for_this_site_and_no_script(browser: Browser) -> None:
    cookie = browser.log_in("ada").headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/admin"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert PASSWORD not in cookie
    assert HASH not in cookie


@pytest.mark.parametrize("headers", [{"X-Forwarded-Proto": "https"}, {"Forwarded": "for=1.2.3.4;proto=https"}])
def test_behind_tls_the_cookie_is_secure(browser: Browser, headers: dict[str, str]) -> None:
    assert "Secure" in browser.get("/admin/login", **headers).headers["Set-Cookie"].split("; ")


def test_a_cookie_from_before_the_login_is_worth_nothing_after_it(browser: Browser) -> None:
    browser.get("/admin/login")
    before = dict(browser.cookies)
    browser.log_in("ada")
    assert browser.client.simulate_get("/admin", cookies=before).status_code == 302


def test_a_cookie_that_was_tampered_with_is_no_session(ada: Browser) -> None:
    cookie = ada.cookies["txn_session"]
    for place in range(0, len(cookie), 7):
        changed = cookie[:place] + ("A" if cookie[place] != "A" else "B") + cookie[place + 1 :]
        assert ada.client.simulate_get("/admin", cookies={"txn_session": changed}).status_code == 302
    for junk in ("", "x", "a.b.c", cookie * 2, cookie.rpartition(".")[0]):
        assert ada.client.simulate_get("/admin", cookies={"txn_session": junk}).status_code == 302


def test_a_session_ends_after_its_hours(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    browser.log_in("ada")
    stamp = time.time
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: stamp() + 12 * 3600 - 60)
    assert browser.get("/admin").status_code == 200
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: stamp() + 12 * 3600 + 60)
    assert browser.get("/admin").status_code == 302


@pytest.mark.parametrize(
    "lines",
    [
        LINES.replace("ada:operate", "ada:view"),
        f"vic:view:{HASH}",
        LINES.replace(f"ada:operate:{HASH}", f"ada:operate:{HASH[:-1]}{'A' if HASH[-1] != 'A' else 'B'}"),
    ],
    ids=["another role", "gone", "another password"],
)
@pytest.mark.parametrize("secret", ["", "a secret of some length"])
def test_a_user_who_was_changed_has_to_log_in_again(
    parts: Parts, server: RedisServer, settings: Settings, lines: str, secret: str
) -> None:
    settings = settings.model_copy(update={"admin_secret": secret})
    before = Browser(tools_on(server.url, parts, settings))
    before.log_in("ada")
    same, after = Browser(before.parts), Browser(before.parts, lines)
    assert same.client.simulate_get("/admin/search", cookies=before.cookies).status_code == 200
    assert after.client.simulate_get("/admin/search", cookies=before.cookies).status_code == 302


def test_after_the_logout_the_browser_has_no_user(ada: Browser) -> None:
    assert ada.post("/admin/logout").headers["Location"] == "/admin/login"
    assert ada.get("/admin").status_code == 302


def test_a_copied_cookie_ends_with_the_logout_in_every_process(
    ada: Browser, parts: Parts, server: RedisServer, settings: Settings
) -> None:
    copied = dict(ada.cookies)
    elsewhere = Browser(tools_on(server.url, parts, settings))
    assert elsewhere.client.simulate_get("/admin/search", cookies=copied).status_code == 200
    ada.post("/admin/logout")
    for browser in (ada, elsewhere):
        for path in ("/admin/search", "/admin"):
            assert browser.client.simulate_get(path, cookies=copied).status_code == 302
        login = browser.client.simulate_get("/admin/login", cookies=copied)
        assert login.status_code == 200, "not let in by the login either"
        assert "name" in login.text


def test_asking_for_the_login_does_not_make_a_session_longer(ada: Browser) -> None:
    result = ada.client.simulate_get("/admin/login", cookies=ada.cookies)
    assert result.status_code == 303
    assert "txn_session" not in result.cookies


def test_the_login_leads_on_to_the_page_that_was_asked_for(browser: Browser) -> None:
    asked = browser.get("/admin/search?q=a%20b&x=<script>").headers["Location"]
    page = browser.get(asked)
    [to] = re.findall(r'name="next" value="([^"]*)"', page.text)
    result = browser.post("/admin/login", name="ada", password=PASSWORD, next=html.unescape(to))
    assert result.headers["Location"].startswith("/admin/search?q=a%20b")


@pytest.mark.parametrize(
    "to", ["https://evil.example", "//evil.example", "/admin@evil", "/admin/\\evil", "/admin/\r\nX: y", "javascript:1"]
)
def test_the_login_leads_nowhere_else(browser: Browser, to: str) -> None:
    browser.get(f"/admin/login?{urlencode({'next': to})}")
    assert browser.post("/admin/login", name="ada", password=PASSWORD, next=to).headers["Location"] == "/admin"


def test_the_login_leads_on_to_a_page_with_any_letters(browser: Browser) -> None:
    browser.get(f"/admin/login?{urlencode({'next': '/admin/☃?q=a%20b&c=ü'})}")
    result = browser.post("/admin/login", name="ada", password=PASSWORD, next="/admin/☃?q=a%20b&c=ü")
    assert (result.status_code, result.headers["Location"]) == (303, "/admin/%E2%98%83?q=a%20b&c=%C3%BC")


def test_every_answer_has_the_strict_policy(ada: Browser) -> None:
    for path in ("/admin", "/admin/nothing", "/admin/static/admin.js", "/admin/transactions/unknown"):
        headers = ada.get(path).headers
        policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Frame-Options"] == "DENY"


def test_no_template_has_inline_code_or_style(ada: Browser, parts: Parts) -> None:
    parts.accept("a")
    for path in ("/admin", "/admin/queues", "/admin/transactions/a", "/admin/search?q=x", "/admin/login"):
        page = ada.get(path).text
        assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son\w+=|javascript:", page)


def test_the_api_is_as_it_was_and_admin_is_the_sites(parts: Parts, server: RedisServer, settings: Settings) -> None:
    api: falcon.App[falcon.Request, falcon.Response] = falcon.App()
    both = falcon.testing.TestClient(mount(api, create_site(tools_on(server.url, parts, settings), read_users(LINES))))
    assert both.simulate_get("/admin").status_code == 302
    for path in ("/administrator", "/api/x", "/"):
        assert both.simulate_get(path).status_code == 404


def test_a_route_whose_methods_and_roles_differ_stops_the_site() -> None:
    class Page:
        def on_get(self) -> None: ...

        def on_post(self) -> None: ...

    table = [Route("/x", Page(), {"GET": Role.VIEW})]
    with pytest.raises(ValueError, match="POST"):
        application(table, Sessions({}, "secret", 1), DurabilityMonitor(allow_lossy=False), lambda _nonce: False)


def test_a_form_that_is_too_large_is_413(ada: Browser) -> None:
    assert ada.post("/admin/logout", x="x" * 300_000).status_code == 413
