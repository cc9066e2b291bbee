"""The admin site, made of tools that somebody else has opened.

How to write a page (see `pages/queues.py` for a small one):

1. A module `pages/<name>.py` with a Falcon resource and `def routes(tools: Tools) -> list[Route]`, named in `routes`
   below. `page("/failed", Failed(tools))` is a GET for everybody with a session, `action("/replay", Replay(tools))`
   a POST for `operate`; for both in one resource: `Route(path, resource, {"GET": Role.VIEW, "POST": Role.OPERATE})`.
   What a page needs is a field of `Tools`; `txn/composition/operators.py` and `tests/admin/site.py` fill it.
2. `render(request, response, "failed.html", letters=...)` (`txn/admin/render.py`) answers with a template. Every
   template extends `base.html` and fills `{% block title %}` and `{% block content %}`; it has `user`, `csrf`, `flash`,
   `path`, and the macros as `ui`. What stands in `{% call ui.live() %}...{% endcall %}`, once in `content`, is brought
   up to date every two seconds; anything outside stays as it is. Never put a form's inputs into it. `macros.html` has
   badge(status), time(ms), ago(ms, now), link(id), stat(...), chart(...), csrf_field(csrf), masked(); tables are
   `<table class="rows">` with a `data-label` on each td; the filters are in
   `txn/readers/formats.py`: number, span, since, percent, ...
3. `user(request)` (`txn/admin/door/guard.py`) is the user: `.name`, `.role`, `.may_operate`. A *view* user sees no
   payload: amount, description, metadata, and texts that may quote them (`detail`, `error`): best not passed to the
   template at all, else `{{ text if user.may_operate else ui.masked() }}`.
4. Every POST under /admin has its CSRF token checked by the guard before the resource is called; put
   `{{ ui.csrf_field(csrf) }}` into every form. Forms are urlencoded: `form(request)` (`txn/admin/form.py`) gives a
   `Form` with `.one(name)`, `.all(name)`.
5. After a POST: `flash(request, response, "3 replayed")` (`txn/admin/flash.py`; `kind="bad"` for what went wrong), then
   `raise falcon.HTTPSeeOther("/admin/...")`. The next page shows it once.
6. Errors: let StoreUnavailable go: the page becomes 503 with a banner that says so, and the whole page once
   Redis answers.
   NotFound and Invalid become 404 and 400 pages with the error's sentence.
7. No style attributes, no inline script: the content security policy forbids them. A page that must have another policy
   sets the header itself; the guard leaves one that is there alone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import falcon

from txn.admin import assets, errors
from txn.admin.compress import Compress
from txn.admin.door.guard import Guard
from txn.admin.door.passwords import Passwords
from txn.admin.door.sessions import Sessions
from txn.admin.door.users import User
from txn.admin.pages import (
    bulk,
    callbacks,
    dramatiq_mount,
    failed,
    journal,
    login,
    overview,
    pause,
    queues,
    transaction,
)
from txn.admin.route import ROOT, Route
from txn.operate.tools import Tools
from txn.store.durability import DurabilityMonitor

StartResponse = Callable[..., Any]
Wsgi = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


def routes(tools: Tools, users: Mapping[str, User], sessions: Sessions) -> list[Route]:
    """The route table: all there is under /admin."""
    return [
        *assets.routes(),
        *login.routes(tools, sessions, Passwords(users)),
        *overview.routes(tools),
        *pause.routes(tools),
        *queues.routes(tools),
        *transaction.routes(tools),
        *failed.routes(tools),
        *bulk.routes(tools),
        *callbacks.routes(tools),
        *journal.routes(tools),
        *dramatiq_mount.routes(tools),
    ]


def create_site(tools: Tools, users: Mapping[str, User]) -> falcon.App[Any, Any]:
    """The site as an application of its own: its errors are pages, and its guard costs submits nothing."""
    sessions = Sessions(users, tools.settings.admin_secret, tools.settings.admin_session_hours)
    return application(routes(tools, users, sessions), sessions, tools.durability, tools.ended_sessions.has)


def application(
    table: Sequence[Route], sessions: Sessions, durability: DurabilityMonitor, has_ended: Callable[[str], bool]
) -> falcon.App[Any, Any]:
    """The routes of a table behind the guard.

    Raises: ValueError, if a method of a resource has no role, or a role no method.
    """
    app: falcon.App[Any, Any] = falcon.App(middleware=[Compress(), Guard(table, sessions, has_ended)])
    app.req_options.strip_url_path_trailing_slash = True
    errors.install(app, durability)
    for route in table:
        _check(route)
        app.add_route(route.template, route.resource)
    return app


def mount(api: Wsgi, site: Wsgi) -> Wsgi:
    """One WSGI application: what is under /admin goes to the site, everything else to the API."""

    def either(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        under = path == ROOT or path.startswith(f"{ROOT}/")
        return (site if under else api)(environ, start_response)

    return either


def _check(route: Route) -> None:
    methods = {name.removeprefix("on_").upper() for name in dir(route.resource) if name.startswith("on_")}
    if methods != set(route.roles):
        raise ValueError(f"{route.template} answers {sorted(methods)} and has roles for {sorted(route.roles)}")
