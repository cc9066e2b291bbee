"""The guard in front of every page: session, role, CSRF token, and what every answer carries."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import falcon

from txn.admin.door.address import is_encrypted
from txn.admin.door.sessions import Session, Sessions
from txn.admin.door.users import Role, User
from txn.admin.form import form
from txn.admin.route import ROOT, Route

SESSION_COOKIE = "txn_session"
LOGIN = f"{ROOT}/login"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def user(request: falcon.Request) -> User:
    """The user of a request that the guard has let through."""
    found: User = request.context.session.user
    return found


class Guard:
    """Falcon middleware. Lets nobody through who has no session, but to what the route table opens to anybody."""

    def __init__(self, routes: Sequence[Route], sessions: Sessions, has_ended: Callable[[str], bool]) -> None:
        self._roles: Mapping[tuple[str, str], Role | None] = {
            (route.template, method): role for route in routes for method, role in route.roles.items()
        }
        self._open = [_pattern(template) for (template, _), role in self._roles.items() if role is None]
        self._sessions, self._has_ended = sessions, has_ended

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Read the session, before the route is looked up: without one, not even that a page exists can be seen."""
        cookies = request.get_cookie_values(SESSION_COOKIE) or [""]
        session, is_open = self._sessions.read(cookies[0]) or self._sessions.new(), self._is_open(request.path)
        if session.user is not None and not is_open and self._has_ended(session.nonce):
            session = self._sessions.new()
        request.context.session, request.context.csrf = session, self._sessions.csrf(session)
        if session.user is None and not is_open:
            _turn_away(request)

    def process_resource(
        self, request: falcon.Request, response: falcon.Response, resource: object, params: Mapping[str, Any]
    ) -> None:
        """Compare the user's role with the route table's, and the form's token with the session's."""
        found = (request.uri_template or "", request.method)
        if found not in self._roles:
            raise falcon.HTTPMethodNotAllowed([method for path, method in self._roles if path == found[0]])
        needed, session = self._roles[found], request.context.session
        if needed is not None and not (session.user and session.user.role.includes(needed)):
            raise falcon.HTTPForbidden(description=f"this needs the role {needed.value}")
        if request.method != "GET" and not self._sessions.csrf_is_right(session, form(request).one("csrf")):
            raise falcon.HTTPForbidden(
                title="This form is out of date",
                description="it belongs to another session, or an earlier one: go back, reload, send it again",
            )

    def process_response(
        self,
        request: falcon.Request,
        response: falcon.Response,
        resource: object,
        succeeded: bool,
    ) -> None:
        """Headers that every answer has; what a page has set itself stays."""
        for name, value in _HEADERS.items():
            if response.get_header(name) is None:
                response.set_header(name, value)

    def _is_open(self, path: str) -> bool:
        return any(pattern.fullmatch(path) for pattern in self._open)


def _pattern(template: str) -> re.Pattern[str]:
    """The paths of a URI template: what stands in braces is one part of a path."""
    return re.compile("[^/]+".join(map(re.escape, re.split(r"\{[^{}]+\}", template))))


def _turn_away(request: falcon.Request) -> None:
    if request.method != "GET":
        raise falcon.HTTPUnauthorized(
            title="You are not logged in",
            description=f"you have not logged in, or your session has ended: log in at {LOGIN}",
        )
    raise falcon.HTTPFound(LOGIN if request.path == ROOT else f"{LOGIN}?{urlencode({'next': request.relative_uri})}")


def set_session(request: falcon.Request, response: falcon.Response, sessions: Sessions, session: Session) -> None:
    """Give the browser this session."""
    set_cookie(request, response, SESSION_COOKIE, sessions.cookie(session))


def set_cookie(
    request: falcon.Request, response: falcon.Response, name: str, value: str, max_age_s: int | None = None
) -> None:
    """A cookie that no script can read and no other site can send."""
    secure = is_encrypted(request)
    response.set_cookie(name, value, path=ROOT, max_age=max_age_s, http_only=True, same_site="Strict", secure=secure)
