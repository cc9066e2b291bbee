"""In and out."""

import logging
from urllib.parse import quote

import falcon

from txn.admin.door.address import client_address
from txn.admin.door.guard import LOGIN, set_session
from txn.admin.door.limiter import LoginLimiter
from txn.admin.door.passwords import Busy, Passwords
from txn.admin.door.sessions import Sessions
from txn.admin.door.users import Role, User
from txn.admin.form import form
from txn.admin.render import render
from txn.admin.route import ROOT, Route

#: What a URL may hold as it is; everything else is percent-encoded, because a header takes no other letters.
_OF_A_URL = "/?&=%:;,+@!$'()*~"

log = logging.getLogger(__name__)


class Login:
    """GET and POST /admin/login."""

    def __init__(self, sessions: Sessions, passwords: Passwords, limiter: LoginLimiter) -> None:
        self._sessions, self._passwords, self._limiter = sessions, passwords, limiter

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """The form; it has a session without a user, for its CSRF token."""
        set_session(request, response, self._sessions, request.context.session)
        if request.context.session.user is not None:
            raise falcon.HTTPSeeOther(_inside(request.get_param("next")))
        _show(request, response, name="", problem="", to=request.get_param("next") or "")

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """A new session and the page that was asked for; or the form again: 401, or 429 after too many failures."""
        sent = form(request)
        name, to = sent.one("name")[:64], sent.one("next")
        address = client_address(request)
        if wait_s := self._limiter.wait_s(name, address):
            response.status = 429
            response.set_header("Retry-After", str(wait_s))
            _show(request, response, name, f"Too many attempts. Try again in {-(-wait_s // 60)} min.", to)
            return
        try:
            user = self._passwords.user(name, next(iter(sent.all("password")), ""))
        except Busy:
            response.status = 503
            _show(request, response, name, "Others are logging in right now. Try again in a second.", to)
            return
        self._answer(request, response, user, name, address, to)

    def _answer(
        self, request: falcon.Request, response: falcon.Response, user: User | None, name: str, address: str, to: str
    ) -> None:
        if user is None:
            self._limiter.failed(name, address)
            log.warning("admin login failed from %s", address)
            response.status = 401
            _show(request, response, name, "Name or password is wrong.", to)
            return
        self._limiter.succeeded(name)
        log.info("admin login of %s from %s", user.name, address)
        set_session(request, response, self._sessions, self._sessions.new(user))
        raise falcon.HTTPSeeOther(_inside(to))


class Logout:
    """POST /admin/logout."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """A session without a user in place of the one there was."""
        set_session(request, response, self._sessions, self._sessions.new())
        raise falcon.HTTPSeeOther(LOGIN)


def routes(sessions: Sessions, passwords: Passwords, limiter: LoginLimiter) -> list[Route]:
    """The login is open to anybody."""
    return [
        Route("/login", Login(sessions, passwords, limiter), {"GET": None, "POST": None}),
        Route("/logout", Logout(sessions), {"POST": Role.VIEW}),
    ]


def _show(request: falcon.Request, response: falcon.Response, name: str, problem: str, to: str) -> None:
    render(request, response, "login.html", name=name, problem=problem, to=to)


def _inside(to: str | None) -> str:
    """Only to a page of this site: a link to the login must not lead anywhere else."""
    inside = to and (to == ROOT or to.startswith((f"{ROOT}/", f"{ROOT}?"))) and to.isprintable() and "\\" not in to
    return quote(to, safe=_OF_A_URL) if inside and to else ROOT
