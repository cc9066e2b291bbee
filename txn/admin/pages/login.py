"""In and out."""

import logging
from urllib.parse import quote

import falcon

from txn.addresses import Networks
from txn.admin.door.address import client_network
from txn.admin.door.guard import LOGIN, set_cookie, set_session
from txn.admin.door.limiter import LoginLimiter
from txn.admin.door.passwords import Busy, Passwords
from txn.admin.door.sessions import KNOWN_BROWSER_S, Session, Sessions
from txn.admin.door.users import Role, User
from txn.admin.form import form
from txn.admin.render import render
from txn.admin.route import ROOT, Route
from txn.operate.ended_sessions import EndedSessions
from txn.operate.tools import Tools

#: What a URL may hold as it is; everything else is percent-encoded, because a header takes no other letters.
_OF_A_URL = "/?&=%:;,+@!$'()*~"

BROWSER_COOKIE = "txn_browser"

log = logging.getLogger(__name__)


class Login:
    """GET and POST /admin/login."""

    def __init__(
        self, sessions: Sessions, passwords: Passwords, limiter: LoginLimiter, ended: EndedSessions, proxies: Networks
    ) -> None:
        self._sessions, self._passwords, self._limiter = sessions, passwords, limiter
        self._ended, self._proxies = ended, proxies

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """The form; it has a session without a user, for its CSRF token. A session with one is left as it is."""
        session: Session = request.context.session
        if session.user is not None:
            if not self._ended.has(session.nonce):
                raise falcon.HTTPSeeOther(_inside(request.get_param("next")))
            session = self._sessions.new()
            request.context.csrf = self._sessions.csrf(session)
        set_session(request, response, self._sessions, session)
        _show(request, response, name="", problem="", to=request.get_param("next") or "")

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """A new session and the page that was asked for; or the form again: 401, or 429 after too many failures."""
        sent = form(request)
        name, to = sent.one("name")[:64], sent.one("next")
        address, browser = client_network(request, self._proxies), self._known_browser(request, name)
        if wait_s := self._limiter.wait_s(name, address, browser):
            response.status = 429
            response.set_header("Retry-After", str(wait_s))
            _show(request, response, name, f"Too many attempts. Try again in {-(-wait_s // 60)} min.", to)
            return
        try:
            password = next(iter(sent.all("password")), "")
            user = self._passwords.user(name, password, browser or address, known=bool(browser))
        except Busy:
            response.status = 503
            _show(request, response, name, "Others are logging in right now. Try again in a second.", to)
            return
        if user is None:
            self._limiter.failed(name, address, browser)
            log.warning("admin login failed from %s", address)
            response.status = 401
            _show(request, response, name, "Name or password is wrong.", to)
            return
        self._limiter.succeeded(name)
        log.info("admin login of %s from %s", user.name, address)
        self._let_in(request, response, user)
        raise falcon.HTTPSeeOther(_inside(to))

    def _let_in(self, request: falcon.Request, response: falcon.Response, user: User) -> None:
        set_session(request, response, self._sessions, self._sessions.new(user))
        browser = self._sessions.known_browser(user)
        set_cookie(request, response, BROWSER_COOKIE, browser, KNOWN_BROWSER_S)

    def _known_browser(self, request: falcon.Request, name: str) -> str:
        cookie = (request.get_cookie_values(BROWSER_COOKIE) or [""])[0]
        return cookie if self._sessions.knows_browser(cookie, name) else ""


class Logout:
    """POST /admin/logout."""

    def __init__(self, sessions: Sessions, ended: EndedSessions) -> None:
        self._sessions, self._ended = sessions, ended

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """A session without a user in place of the one there was, which has ended, whoever has copied its cookie."""
        session: Session = request.context.session
        self._ended.end(session.nonce, self._sessions.remaining_s(session))
        set_session(request, response, self._sessions, self._sessions.new())
        raise falcon.HTTPSeeOther(LOGIN)


def routes(tools: Tools, sessions: Sessions, passwords: Passwords) -> list[Route]:
    """The login is open to anybody."""
    proxies = Networks(tools.settings.trusted_proxies.split(","))
    login = Login(sessions, passwords, LoginLimiter(), tools.ended_sessions, proxies)
    return [
        Route("/login", login, {"GET": None, "POST": None}),
        Route("/logout", Logout(sessions, tools.ended_sessions), {"POST": Role.VIEW}),
    ]


def _show(request: falcon.Request, response: falcon.Response, name: str, problem: str, to: str) -> None:
    render(request, response, "login.html", name=name, problem=problem, to=to)


def _inside(to: str | None) -> str:
    """Only to a page of this site: a link to the login must not lead anywhere else."""
    inside = to and (to == ROOT or to.startswith((f"{ROOT}/", f"{ROOT}?"))) and to.isprintable() and "\\" not in to
    return quote(to, safe=_OF_A_URL) if inside and to else ROOT
