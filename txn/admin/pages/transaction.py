"""Everything about one transaction, and finding it."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import falcon
import simplejson
from gevent.threadpool import ThreadPool

from txn.admin.door.guard import user
from txn.admin.door.users import Role
from txn.admin.render import render
from txn.admin.route import ROOT, Route, page
from txn.errors import Invalid
from txn.model.content import loads
from txn.model.ids import checked_id, id_for_key
from txn.model.transaction import OTHER_CONTENT
from txn.operate.tools import Tools
from txn.readers.details import Details

#: Longer than any id or key.
MAX_SEARCH = 300
#: GETs to the posting service at once, of one process.
LOOKS = 2


class OneTransaction:
    """GET /admin/transactions/{id}."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def on_get(self, request: falcon.Request, response: falcon.Response, transaction_id: str) -> None:
        """One round trip. What a *view* user must not see does not reach the template.

        Raises: Invalid, NotFound, StoreUnavailable.
        """
        details = self._tools.details.read(checked_id(transaction_id))
        shown = user(request).may_operate
        render(
            request,
            response,
            "transaction.html",
            details=details,
            r=defaultdict(str, details.record),
            content=_content(details) if shown else None,
            record=_raw(details) if shown else None,
            why=_why(details),
            asked_ms=max((event.at_ms for event in details.history if not event.by), default=None),
            lease_ms=self._tools.settings.lease_ms,
            now_ms=details.now_ms,
        )


class LookAgain:
    """GET /admin/transactions/{id}/look: what the posting service says of it now, beside what we hold."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._pool: ThreadPool | None = None

    def on_get(self, request: falcon.Request, response: falcon.Response, transaction_id: str) -> None:
        """One round trip, and one GET to the posting service. Nothing is changed: it may be reloaded.

        Raises: Invalid, NotFound, StoreUnavailable.
        """
        details = self._tools.details.read(checked_id(transaction_id))
        look = self._threads().apply(self._tools.looks.look, (details,)) if _content(details) else None
        sides = (
            [(side.name, _shown(side.ours), _shown(side.theirs), side.differs) for side in look.sides] if look else []
        )
        render(
            request,
            response,
            "look.html",
            details=details,
            r=defaultdict(str, details.record),
            look=look,
            sides=sides,
            row=None if look is None or look.row is None else _shown(look.row),
            now_ms=details.now_ms,
        )

    def _threads(self) -> ThreadPool:
        """Of their own: the API's greenlets do not wait for a posting service that hangs, nor do logins."""
        if self._pool is None:  # after the fork
            self._pool = ThreadPool(LOOKS)
        return self._pool


class Search:
    """GET /admin/search?q=: an exact id, or an idempotency key."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """On to the transaction, or a page that says what was tried.

        Raises: StoreUnavailable.
        """
        wanted = (request.get_param("q") or "").strip()[:MAX_SEARCH]
        tried = _candidates(wanted)
        for transaction_id in tried.values():
            if transaction_id and self._tools.details.exists(transaction_id):
                raise falcon.HTTPSeeOther(f"{ROOT}/transactions/{transaction_id}")
        response.status = falcon.HTTP_404 if wanted else falcon.HTTP_200
        render(request, response, "search.html", wanted=wanted, tried=tried)


def routes(tools: Tools) -> list[Route]:
    """For everybody with a session."""
    return [
        page("/transactions/{transaction_id}", OneTransaction(tools)),
        page("/transactions/{transaction_id}/look", LookAgain(tools), Role.OPERATE),
        page("/search", Search(tools)),
    ]


def _candidates(wanted: str) -> dict[str, str]:
    """How `wanted` can be meant -> the id that it then stands for, or empty if it cannot."""
    if not wanted:
        return {}
    try:
        as_id = checked_id(wanted)
    except Invalid:
        as_id = ""
    return {"transaction id": as_id, "idempotency key": id_for_key(wanted)}


def _why(details: Details) -> str:
    """What its code does not say already."""
    detail = details.record.get("detail", "")
    differs = detail.removeprefix(f"{OTHER_CONTENT}: ")
    return detail if differs == detail else f"What differs: {differs}"


def _content(details: Details) -> Mapping[str, Any]:
    try:
        content = loads(details.payload)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        return {}
    return content | {"metadata": _shown(content.get("metadata"))}


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(simplejson.dumps(value, use_decimal=True, ensure_ascii=False, indent=2))


def _raw(details: Details) -> str:
    return str(simplejson.dumps(dict(sorted(details.record.items())), ensure_ascii=False, indent=2))
