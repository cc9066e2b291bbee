"""Who did what to which transactions."""

import re

import falcon

from txn.admin.render import render
from txn.admin.route import Route, page
from txn.errors import Invalid
from txn.operate.tools import Tools

PAGE = 50
_PLACE = re.compile(r"(?!0+-0+$)\d{1,16}-\d{1,16}", re.ASCII)  # before 0-0 there is nothing, not even a question


class JournalPage:
    """GET /admin/journal, the newest first."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """One read.

        Raises: Invalid, StoreUnavailable.
        """
        before = request.get_param("before") or ""
        if before and not _PLACE.fullmatch(before):
            raise Invalid("before", "this is not a position in the journal: start with its first page")
        found = self._tools.journal.read(before, PAGE + 1)
        entries, more = found[:PAGE], found[PAGE:]
        render(request, response, "journal.html", entries=entries, before=before, older=more and entries[-1].at)


def routes(tools: Tools) -> list[Route]:
    """For everybody with a session."""
    return [page("/journal", JournalPage(tools))]
