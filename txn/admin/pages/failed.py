"""The dead letters: found, looked at, and one or some of them replayed or discarded."""

from dataclasses import replace
from urllib.parse import parse_qsl

import falcon

from txn.admin.door.guard import user
from txn.admin.flash import flash
from txn.admin.form import form
from txn.admin.render import render
from txn.admin.route import ROOT, Route, action, page
from txn.errors import Invalid, StoreUnavailable
from txn.model.dead_letter import LETTER_CODES, Action, Filter
from txn.model.ids import checked_id
from txn.operate import letter_filter
from txn.operate.operations import MAX_IDS, MAX_WHY, Done
from txn.operate.tools import Tools

LIST = f"{ROOT}/failed"


class Failed:
    """GET /admin/failed: filters, and a page of what matches."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """A few calls to Redis, which look at a bounded number of letters.

        Raises: Invalid, StoreUnavailable.
        """
        wanted = wanted_by(request)
        before = request.get_param_as_int("before", min_value=0, max_value=2**53)
        found = self._tools.letters.page(wanted, before)
        active = [self._tools.runs.read(name) for name in self._tools.runs.active()]
        render(
            request,
            response,
            "failed.html",
            letters=found.letters,
            looked=found.looked,
            tiles=_tiles(wanted),
            discarded=self._tools.letters.discarded(),
            older=found.next_ms is not None and letter_filter.query(wanted, before=found.next_ms),
            first=before is None,
            wanted=wanted,
            fields=letter_filter.fields(wanted),
            query=letter_filter.query(wanted),
            count=self._tools.letters.count(wanted),
            totals=self._tools.letters.totals(),
            codes=LETTER_CODES,
            active=active,
            now_ms=self._tools.statistics.read().now_ms,
        )


class Confirm:
    """POST /admin/failed/confirm: what would be done to the selected ones. Changes nothing."""

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Raises: Invalid."""
        what, ids, back = letter_filter.read_action(form(request).one("what")), _selected(request), _back(request)
        if not ids:
            flash(request, response, "Nothing was ticked: tick the transactions first, then choose what to do", "bad")
            raise falcon.HTTPSeeOther(_list(back))
        ask(request, response, what, ids, back)


class Act:
    """POST /admin/failed/act: replay or discard the selected ones."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Back to the list, or to the one transaction, with what was done.

        Raises: Invalid.
        """
        what, ids, why = (
            letter_filter.read_action(form(request).one("what")),
            _selected(request),
            form(request).one("why"),
        )
        operations, who = self._tools.operations, user(request).name
        if not ids:
            raise Invalid("id", "select the transactions first")
        one = len(ids) == 1 and not form(request).one("listed")
        back = f"{ROOT}/transactions/{ids[0]}" if one else _list(_back(request))
        try:
            done = (operations.replay if what is Action.REPLAY else operations.discard)(ids, who, why)
        except StoreUnavailable as error:
            flash(request, response, f"{error}: it may have been done or not. Check before you repeat it", "bad")
        else:
            flash(request, response, _told(what, done), "good" if done.done else "bad")
        raise falcon.HTTPSeeOther(back)


def wanted_by(request: falcon.Request) -> Filter:
    """The filter of a query. Texts of errors may quote payloads, so only operators may look for them.

    Raises: Invalid, falcon.HTTPForbidden.
    """
    wanted = letter_filter.read_filter(request.get_param)
    if wanted.text and not user(request).may_operate:
        raise falcon.HTTPForbidden(description="searching the text of errors needs the role operate")
    return wanted


def ask(request: falcon.Request, response: falcon.Response, what: Action, ids: list[str], back: str = "") -> None:
    """The page that says what would be done, and asks. `back`: the query of the list it came from."""
    listed = form(request).one("listed")
    render(
        request, response, "failed_confirm.html", what=what.value, ids=ids, back=back, listed=listed, max_why=MAX_WHY
    )


def routes(tools: Tools) -> list[Route]:
    """The list is for everybody, the rest for operators."""
    return [
        page("/failed", Failed(tools)),
        action("/failed/confirm", Confirm()),
        action("/failed/act", Act(tools)),
    ]


def _selected(request: falcon.Request) -> list[str]:
    ids = [checked_id(name) for name in form(request).all("id")]
    if len(ids) > MAX_IDS:
        raise Invalid("id", f"select 1 to {MAX_IDS} transactions; for more, use “all that match”")
    return ids


def _back(request: falcon.Request) -> str:
    """The query of the list that a form came from: read and written again, so that nothing else gets into an address.

    Raises: Invalid.
    """
    return letter_filter.query(letter_filter.read_filter(dict(parse_qsl(form(request).one("back"))).get))


def _list(query: str) -> str:
    return f"{LIST}?{query}" if query else LIST


def _tiles(wanted: Filter) -> dict[str, str]:
    """Where the tiles lead: the filter stays, but for what the tile says. By error code, `""` and `discarded`."""
    found = {code: replace(wanted, code=code, discarded=False) for code in ("", *LETTER_CODES)}
    found[letter_filter.DISCARDED] = replace(wanted, code="", discarded=True)
    return {name: _list(letter_filter.query(one)) for name, one in found.items()}


def _told(what: Action, done: Done) -> str:
    said = [f"{len(done.done)} {what.did}"]
    if done.not_failed:
        said.append(f"{len(done.not_failed)} skipped: no longer failed")
    if done.unknown:
        said.append(f"{len(done.unknown)} unknown")
    return ", ".join(said)
