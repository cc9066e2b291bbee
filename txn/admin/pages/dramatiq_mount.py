"""dramatiq-dashboard at /admin/dramatiq, inside the site's frame and behind its door."""

import re
from importlib.util import find_spec

import falcon
from markupsafe import Markup

from txn.admin.door.guard import user
from txn.admin.form import form
from txn.admin.pages.failed import ask
from txn.admin.render import render
from txn.admin.route import ROOT, Route, action, page
from txn.model.dead_letter import Action
from txn.model.ids import checked_id
from txn.operate.tools import Tools
from txn.queue.message import NAME

PREFIX = f"{ROOT}/dramatiq"
#: Tabs of a queue.
_TABS = ("standard", "delayed", "failed")
_MESSAGE = re.compile(r"[A-Za-z0-9._:~-]{1,128}", re.ASCII)
_MAX_CURSOR = 10_000_000


class Pages:
    """GET: the dashboard, its queue, one message."""

    def __init__(self, tools: Tools) -> None:
        self._pages = None
        if find_spec("dramatiq_dashboard"):
            from txn.admin.dramatiq_pages import DramatiqPages  # noqa: PLC0415  (it may not be installed)

            self._pages = DramatiqPages(tools.messages, tools.workers, PREFIX)

    def on_get(
        self,
        request: falcon.Request,
        response: falcon.Response,
        queue: str = NAME,
        tab: str = "standard",
        message_id: str = "x",
    ) -> None:
        """Raises: StoreUnavailable, falcon.HTTPNotFound, falcon.HTTPBadRequest."""
        if self._pages is None:
            raise falcon.HTTPNotFound(
                title="dramatiq-dashboard is not installed",
                description="pip install --no-deps -r requirements/dashboard.txt, and restart the API",
            )
        if queue != NAME or tab not in _TABS or not _MESSAGE.fullmatch(message_id):
            raise falcon.HTTPNotFound(description="there is no such queue or message")
        cursor = request.get_param_as_int("cursor", min_value=0, max_value=_MAX_CURSOR) or 0
        token = request.context.csrf if user(request).may_operate else ""
        found = self._pages.fragment(request.path.removeprefix(PREFIX) or "/", {"cursor": cursor}, token)
        if found is None:
            raise falcon.HTTPNotFound(description="this message no longer exists")
        self._render(request, response, found)

    def _render(self, request: falcon.Request, response: falcon.Response, fragment: Markup) -> None:
        render(request, response, "dramatiq.html", fragment=fragment)


class Change:
    """POST: what the dashboard would do to a message becomes a question about its transaction, or is refused."""

    def __init__(self, what: Action) -> None:
        self._what = what

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Raises: Invalid, falcon.HTTPConflict."""
        if form(request).one("queue") != f"{NAME}.XQ":
            raise falcon.HTTPConflict(
                title="Nothing was changed",
                description="a queued message only carries an id; its transaction is delivered without it, too",
            )
        ask(request, response, self._what, [checked_id(form(request).one("id").partition("~")[0])])


def routes(tools: Tools) -> list[Route]:
    """Everybody may look; its two buttons are for operators."""
    pages = Pages(tools)
    return [
        page("/dramatiq", pages),
        page("/dramatiq/queues/{queue}", pages),
        page("/dramatiq/queues/{queue}/{tab}", pages),
        page("/dramatiq/queues/{queue}/{tab}/{message_id}", pages),
        action("/dramatiq/requeue-message", Change(Action.REPLAY)),
        action("/dramatiq/delete-message", Change(Action.DISCARD)),
    ]
