"""What operators did, and what happened to the system."""

import re

import falcon

from txn.api.operate.asked import Form, Moment, answer, checked, limit_of, parameters
from txn.api.operate.letters import shown
from txn.api.operate.who import Operated, operator
from txn.errors import Invalid
from txn.model.content import dumps
from txn.operate.journal import Entry
from txn.operate.tools import Tools

#: Entries of one answer: if nothing is said, and at most.
LIMIT, MAX_LIMIT = 50, 200
_PLACE = re.compile(r"[1-9][0-9]{0,14}-[0-9]{1,15}")  # Redis refuses to read what is before 0-0
PLACE_PATTERN = f"^{_PLACE.pattern}$"


class Journal(Operated):
    """GET /api/operate/journal?limit=50&before=PLACE."""

    def __init__(self, tools: Tools) -> None:
        self._journal = tools.journal

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Who did what to how many, and why, the newest first. Raises: Invalid, StoreUnavailable."""
        operator(request)
        asked = parameters(request, ("limit", "before"))
        limit, before = limit_of(asked, LIMIT, MAX_LIMIT), asked.get("before", "")
        if "before" in asked and not _PLACE.fullmatch(before):
            raise Invalid("before", "must be the `next` of the answer before")
        entries = self._journal.read(before, limit)
        following = entries[-1].at if len(entries) == limit else None
        answer(response, dumps({"entries": [_told(entry) for entry in entries], "next": following}))


class Since(Form):
    """Those of this time."""

    since: Moment = None


class Events(Operated):
    """GET /api/operate/events?since=&limit=50."""

    def __init__(self, tools: Tools) -> None:
        self._events = tools.events

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Outages, pauses, workers that disappeared, Redis, limits; the newest first.

        Raises: Invalid, StoreUnavailable.
        """
        operator(request)
        asked = parameters(request, ("since", "limit"))
        since = checked({name: text for name, text in asked.items() if name == "since"}, Since).since
        limit = limit_of(asked, LIMIT, MAX_LIMIT)
        found = self._events.read(limit, None if since is None else max(0, since))
        answer(response, dumps({"events": [event.to_json() for event in found]}))


def _told(entry: Entry) -> dict[str, object]:
    return entry.to_json() | {"filter": None if entry.filter is None else shown(entry.filter)}
