"""Nothing goes out for a while: the buttons of the overview."""

import time

import falcon

from txn.admin.door.guard import user
from txn.admin.flash import flash
from txn.admin.form import form
from txn.admin.route import ROOT, Route, action
from txn.errors import Invalid, StoreUnavailable
from txn.operate.tools import Tools

#: What can be chosen: hours, or until it is resumed.
HOURS = {"": None, "1": 1, "8": 8, "24": 24}


class Pause:
    """POST /admin/pause."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Raises: Invalid."""
        fields = form(request)
        if fields.one("hours") not in HOURS:
            raise Invalid("hours", "choose one of the times that the page offers")
        hours = HOURS[fields.one("hours")]
        until_ms = None if hours is None else time.time_ns() // 1_000_000 + hours * 3_600_000
        try:
            self._tools.pauses.pause(user(request).name, fields.one("why"), until_ms)
            flash(request, response, "Paused: nothing goes out any more")
        except StoreUnavailable as error:
            flash(request, response, f"{error}: it may be paused or not", "bad")
        raise falcon.HTTPSeeOther(ROOT)


class Resume:
    """POST /admin/resume."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """What was held back goes out, the oldest first."""
        try:
            resumed = self._tools.pauses.resume(user(request).name)
            flash(request, response, "Resumed" if resumed else "Nothing was paused", "good" if resumed else "bad")
        except StoreUnavailable as error:
            flash(request, response, f"{error}: it may have been resumed or not", "bad")
        raise falcon.HTTPSeeOther(ROOT)


def routes(tools: Tools) -> list[Route]:
    """For operators."""
    return [action("/pause", Pause(tools)), action("/resume", Resume(tools))]
