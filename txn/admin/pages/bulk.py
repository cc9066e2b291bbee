"""All that match, at once: a preview, a run that the workers move on, its progress, and the way to stop it."""

import re
import secrets
import time

import falcon

from txn.admin.door.guard import user
from txn.admin.door.users import Role
from txn.admin.flash import flash
from txn.admin.form import form
from txn.admin.pages.failed import LIST, wanted_by
from txn.admin.render import render
from txn.admin.route import ROOT, Route, action, page
from txn.errors import Invalid, NotFound, StoreUnavailable
from txn.operate import letter_filter
from txn.operate.bulk_runner import MAX_QUEUED
from txn.operate.operations import MAX_WHY, check_fits
from txn.operate.tools import Tools
from txn.readers.dead_letters import Counted

#: Time for counting, of one page.
COUNT_S = 0.3
#: How far a count is, in the address of the next page.
_COUNTED = ("before_ms", "cursor_ms", "matching", "looked", "total")
_RUN = re.compile(r"[0-9a-f]{16}")


class Preview:
    """GET /admin/failed/preview: how many match, what would happen to them. Changes nothing.

    Where no index can answer, it counts for a moment, shows how far it is, and sends the browser on to count further.
    How far that is, is in the address: nothing is kept here, and nothing is lost with a process.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """The form holds the new run's id: sent twice, it starts one run.

        Raises: Invalid, StoreUnavailable.
        """
        wanted, what = wanted_by(request), letter_filter.read_action(request.get_param("what"))
        check_fits(what, wanted)
        end_s = time.monotonic() + COUNT_S
        so_far = _so_far(request) or self._tools.letters.begin(wanted)
        counted = self._tools.letters.counted(wanted, so_far, lambda: time.monotonic() > end_s)
        if not counted.exact:
            places = {name: getattr(counted, name) for name in _COUNTED}
            path = f"{ROOT}/failed/preview?{letter_filter.query(wanted, what=what.value, **places)}"
            response.set_header("Refresh", f"0; url={path}")
        render(
            request,
            response,
            "bulk_preview.html",
            what=what.value,
            wanted=wanted,
            fields=letter_filter.fields(wanted),
            query=letter_filter.query(wanted),
            count=counted,
            statistics=self._tools.statistics.read(),
            active=self._tools.runs.active(),
            run_id=secrets.token_hex(8),
            max_why=MAX_WHY,
        )


class Runs:
    """/admin/bulk: the latest runs, and the beginning of a new one."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Raises: StoreUnavailable."""
        runs = self._tools.runs.recent()
        now_ms = runs[0].now_ms if runs else 0
        render(request, response, "bulk_runs.html", runs=runs, now_ms=now_ms)

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Start a run and look at it.

        Raises: Invalid.
        """
        fields = form(request)
        run_id, what = fields.one("run"), letter_filter.read_action(fields.one("what"))
        if not _RUN.fullmatch(run_id):
            raise Invalid("run", "start a run from its preview")
        wanted, confirmed = letter_filter.read_filter(fields.one), letter_filter.read_confirmed(fields.one)
        try:
            self._tools.operations.start_run(run_id, what, wanted, confirmed, user(request).name, fields.one("why"))
        except StoreUnavailable as error:
            flash(request, response, f"{error}: the run may have begun or not. Check before you repeat it", "bad")
            raise falcon.HTTPSeeOther(f"{ROOT}/bulk") from None
        raise falcon.HTTPSeeOther(f"{ROOT}/bulk/{run_id}")


class OneRun:
    """GET /admin/bulk/{run_id}: how far it is."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def on_get(self, request: falcon.Request, response: falcon.Response, run_id: str) -> None:
        """One round trip.

        Raises: NotFound, StoreUnavailable.
        """
        run = self._tools.runs.read(_known(run_id))
        render(
            request,
            response,
            "bulk.html",
            run=run,
            fields=letter_filter.fields(run.filter),
            query=letter_filter.query(run.filter),
            slowly=run.state == "running" and run.what == "replay" and run.queued >= MAX_QUEUED,
            now_ms=run.now_ms,
        )


class Stop:
    """POST /admin/bulk/{run_id}/stop."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def on_post(self, request: falcon.Request, response: falcon.Response, run_id: str) -> None:
        """Stop the run where it stands, and look at it.

        Raises: NotFound.
        """
        told = {
            "stopped": "Stopped. What is done is not undone",
            "over": "It had already ended",
            "unknown": "No such run",
        }
        try:
            verdict = self._tools.operations.stop_run(_known(run_id), user(request).name)
            flash(request, response, told[verdict], "good" if verdict == "stopped" else "bad")
        except StoreUnavailable as error:
            flash(request, response, f"{error}: it may have been stopped or not", "bad")
        raise falcon.HTTPSeeOther(f"{ROOT}/bulk/{run_id}" if _RUN.fullmatch(run_id) else LIST)


def routes(tools: Tools) -> list[Route]:
    """Everybody may look; operators preview, start and stop."""
    return [
        page("/failed/preview", Preview(tools), Role.OPERATE),
        Route("/bulk", Runs(tools), {"GET": Role.VIEW, "POST": Role.OPERATE}),
        page("/bulk/{run_id}", OneRun(tools)),
        action("/bulk/{run_id}/stop", Stop(tools)),
    ]


def _so_far(request: falcon.Request) -> Counted | None:
    """What the page before has counted. Whoever makes it up only deceives himself: a run does no more than it says.

    Raises: falcon.HTTPInvalidParam.
    """
    found = {name: request.get_param_as_int(name, min_value=-1, max_value=2**53) for name in _COUNTED}
    numbers = {name: number for name, number in found.items() if number is not None}
    return Counted(**numbers, exact=False) if len(numbers) == len(_COUNTED) else None


def _known(run_id: str) -> str:
    if not _RUN.fullmatch(run_id):
        raise NotFound("there is no bulk run with this id")
    return run_id
