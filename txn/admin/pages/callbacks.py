"""Callbacks that were given up: send them again, or discard them."""

import falcon

from txn.admin.door.guard import user
from txn.admin.flash import flash
from txn.admin.form import form
from txn.admin.render import render
from txn.admin.route import ROOT, Route, action, page
from txn.errors import StoreUnavailable
from txn.model.dead_letter import Action
from txn.operate import letter_filter
from txn.operate.callbacks import Told, to_json
from txn.operate.operations import MAX_WHY
from txn.operate.tools import Tools

PAGE = 50
LIST = f"{ROOT}/callbacks"


class Callbacks:
    """GET /admin/callbacks, the newest first."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """A few reads.

        Raises: Invalid, StoreUnavailable.
        """
        before = request.get_param("before") or ""
        found, now = self._tools.callbacks.page(before, PAGE), self._tools.statistics.read()
        shown = [(one, to_json(one)["url"]) for one in found.callbacks]
        more = {"waiting": self._tools.callbacks.waiting(), "totals": now.totals, "now_ms": now.now_ms}
        more |= {"unreadable": found.unreadable, "older": found.next, "before": before, "max_why": MAX_WHY}
        render(request, response, "callbacks.html", callbacks=shown, **more)


class Act:
    """POST /admin/callbacks/act: replay or discard the selected ones."""

    def __init__(self, tools: Tools) -> None:
        self._callbacks = tools.callbacks

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Back to the list, with what was done.

        Raises: Invalid.
        """
        fields, who = form(request), user(request).name
        what, names, why = letter_filter.read_action(fields.one("what")), fields.all("name"), fields.one("why")
        if not names:
            flash(request, response, "Nothing was ticked: tick the callbacks first, then choose what to do", "bad")
            raise falcon.HTTPSeeOther(LIST)
        try:
            told = (self._callbacks.replay if what is Action.REPLAY else self._callbacks.discard)(names, who, why)
        except StoreUnavailable as error:
            flash(request, response, f"{error}: it may have been done or not. Check before you repeat it", "bad")
        else:
            flash(request, response, _said(what, told), "good" if told.done else "bad")
        raise falcon.HTTPSeeOther(LIST)


def _said(what: Action, told: Told) -> str:
    left = len(told.not_dead) + len(told.unknown)
    return f"{len(told.done)} {what.did}" + (f", {left} skipped: no longer given up" if left else "")


def routes(tools: Tools) -> list[Route]:
    """The list is for everybody, the rest for operators."""
    return [page("/callbacks", Callbacks(tools)), action("/callbacks/act", Act(tools))]
