"""What has changed, for who keeps up with all transactions."""

from typing import ClassVar

import falcon

from txn.api.waiting import Waiters, any_of, wait_s
from txn.api_keys import Role
from txn.errors import Invalid
from txn.model.content import dumps
from txn.store.changes import Changes, Page

#: Changes of one answer: if nothing is said, and at most.
LIMIT, MAX_LIMIT = 100, 1_000
_PARAMETERS = ("after", "limit", "wait")


class Feed:
    """GET /api/events?after=CURSOR&wait=20&limit=100. A client sees what has become of its own transactions."""

    needs: ClassVar = {"GET": Role.READ}

    def __init__(self, changes: Changes, waiters: Waiters | None) -> None:
        self._changes, self._waiters = changes, waiters

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """200: changes behind the cursor, the oldest first, and the next cursor; none, if none came in time.

        Raises: Invalid, CursorExpired, StoreUnavailable.
        """
        after, limit = _asked(request)
        waits_s = wait_s(request, response)
        sees = request.context.caller.sees
        page = self._changes.read(after, limit, sees)
        if self._waiters and waits_s and page.is_end and not page.changes:
            page = self._later(request, self._waiters, page.cursor, limit, waits_s)
        response.content_type = falcon.MEDIA_JSON
        response.data = dumps({"events": [change.to_json() for change in page.changes], "cursor": page.cursor})

    def _later(self, request: falcon.Request, waiters: Waiters, cursor: str, limit: int, waits_s: float) -> Page:
        page, sees = Page([], cursor, is_end=True), request.context.caller.sees

        def has_come() -> bool:
            nonlocal page
            page = self._changes.read(page.cursor, limit, sees)
            return bool(page.changes) or not page.is_end

        waiters.until(request, any_of(sees), waits_s, has_come)
        return page


def _asked(request: falcon.Request) -> tuple[str | None, int]:
    asked: dict[str, str] = {}
    for name, value in request.params.items():
        if name not in _PARAMETERS:
            raise Invalid(name[:100], f"is not a parameter of this feed: {', '.join(_PARAMETERS)} are")
        if not isinstance(value, str):
            raise Invalid(name, "was given more than once")
        asked[name] = value
    limit = asked.get("limit", str(LIMIT))
    if not (limit.isascii() and limit.isdecimal() and len(limit) < 5 and 1 <= int(limit) <= MAX_LIMIT):
        raise Invalid("limit", f"must be a whole number from 1 to {MAX_LIMIT}")
    return asked.get("after"), int(limit)
