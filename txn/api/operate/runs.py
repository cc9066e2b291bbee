"""All that match: count them, confirm that number, and let the workers do as many; see how far that is, and stop it."""

import re
import secrets
import time
from typing import Annotated, Any

import falcon
from pydantic import Field, StrictInt, StrictStr

from txn.api.operate.asked import Form, Moment, Why, answer, form, limit_of, parameters
from txn.api.operate.letters import Which, shown, which
from txn.api.operate.who import Operated, operator
from txn.errors import ContentConflict, Invalid, NotFound
from txn.model.content import dumps
from txn.model.dead_letter import Action, Confirmed, Filter
from txn.model.transaction import rfc3339
from txn.operate.bulk_runs import RUNS_KEPT, Run
from txn.operate.tools import Tools
from txn.readers.dead_letters import Counted

#: Runs of one answer, if nothing is said.
LIMIT = 20
#: Time for counting, of one request.
COUNT_S = 0.3
RUN_PATTERN = "^[0-9a-f]{16}$"
_RUN = re.compile(r"[0-9a-f]{16}")
_SO_FAR = re.compile(r"-?\d{1,15}(\.-?\d{1,15}){4}", re.ASCII)


class Count(Operated):
    """GET /api/operate/count: how many match, for a run to be confirmed. Changes nothing."""

    def __init__(self, tools: Tools) -> None:
        self._letters = tools.letters

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Where no index can answer, it counts for a moment; `next` as `after` lets it go on there.

        Raises: Invalid, StoreUnavailable.
        """
        operator(request)
        asked = parameters(request, (*Which.model_fields, "after"))
        wanted, end_s = which(asked), time.monotonic() + COUNT_S
        so_far = _so_far(asked.get("after")) or self._letters.begin(wanted)
        counted = self._letters.counted(wanted, so_far, lambda: time.monotonic() > end_s)
        found: dict[str, Any] = {"count": counted.matching, "before": rfc3339(counted.before_ms)}
        found |= {"exact": counted.exact, "next": None if counted.exact else _place(counted)}
        # Who sends it twice, with the id that it got here, starts one run.
        answer(response, dumps(found | {"run": secrets.token_hex(8)}))


class NewRun(Form):
    """What was counted and is confirmed: the run does it to no more than these."""

    run: Annotated[StrictStr, Field(pattern=RUN_PATTERN, description="from the count; sent twice, it starts one run")]
    what: Action
    count: Annotated[StrictInt, Field(ge=1, le=10**15, description="from the count")]
    before: Annotated[Moment, Field(description="from the count")]
    filter: Which = Field(default_factory=Which)
    why: Why = ""


class Runs(Operated):
    """/api/operate/runs."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """The latest, the newest first. Raises: Invalid, StoreUnavailable."""
        operator(request)
        limit = limit_of(parameters(request, ("limit",)), LIMIT, RUNS_KEPT)
        answer(response, dumps({"runs": [_told(run) for run in self._tools.runs.recent(limit)]}))

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Start one. Raises: Invalid, ContentConflict, StoreUnavailable."""
        who = operator(request)
        parameters(request, ())
        new = form(request, NewRun)
        wanted, confirmed = _wanted(new), _confirmed(new)
        self._tools.operations.start_run(new.run, new.what, wanted, confirmed, who, new.why)
        run = self._tools.runs.read(new.run)
        if not _is(run, new.what, wanted, confirmed):
            raise ContentConflict("run", "this id is another run's: count again, and use the id that you get")
        answer(response, dumps(_told(run)))


class OneRun(Operated):
    """GET /api/operate/runs/{run}."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def on_get(self, request: falcon.Request, response: falcon.Response, run: str) -> None:
        """How far it is. Raises: Invalid, NotFound, StoreUnavailable."""
        operator(request)
        parameters(request, ())
        answer(response, dumps(_told(self._tools.runs.read(_known(run)))))


class Stop(Operated):
    """POST /api/operate/runs/{run}/stop."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def on_post(self, request: falcon.Request, response: falcon.Response, run: str) -> None:
        """End it where it stands; `changed`: whether it was not over. What it has done stays done.

        Raises: Invalid, NotFound, StoreUnavailable.
        """
        who = operator(request)
        parameters(request, ())
        ended = self._tools.operations.stop_run(_known(run), who)
        answer(response, dumps(_told(self._tools.runs.read(run)) | {"changed": ended == "stopped"}))


def _wanted(new: NewRun) -> Filter:
    try:
        return new.filter.filter()
    except Invalid as error:
        raise Invalid(f"filter.{error.field}", str(error)) from None


def _confirmed(new: NewRun) -> Confirmed:
    if new.before is None:
        raise Invalid("before", "must be the `before` of the count")
    # A run looks at what failed until then: not beyond what the filter names.
    until = new.filter.until
    return Confirmed(new.count, max(0, new.before if until is None else min(new.before, until)))


def _is(run: Run, what: Action, wanted: Filter, confirmed: Confirmed) -> bool:
    before_ms = min(confirmed.before_ms, run.started_ms)
    return (run.what, run.filter, run.confirmed, run.before_ms) == (what, wanted, confirmed.count, before_ms)


def _told(run: Run) -> dict[str, object]:
    return run.to_json() | {"filter": shown(run.filter)}


def _known(run: str) -> str:
    if not _RUN.fullmatch(run):
        raise NotFound("there is no bulk run with this id")
    return run


def _place(counted: Counted) -> str:
    return f"{counted.before_ms}.{counted.cursor_ms}.{counted.matching}.{counted.looked}.{counted.total}"


def _so_far(text: str | None) -> Counted | None:
    """Whoever makes it up only deceives himself: a run does no more than it says. Raises: Invalid."""
    if text is None:
        return None
    if not _SO_FAR.fullmatch(text):
        raise Invalid("after", "must be the `next` of the answer before")
    before_ms, cursor_ms, *numbers = map(int, text.split("."))
    matching, looked, total = (max(0, number) for number in numbers)
    return Counted(max(0, before_ms), cursor_ms, matching, looked, total, exact=False)
