"""Callbacks that were given up: which there are, and replay or discard by their names."""

from typing import Annotated

import falcon
from pydantic import Field, StrictStr, WithJsonSchema

from txn.api.operate.asked import Form, Why, answer, form, limit_of, parameters
from txn.api.operate.who import Operated, operator
from txn.errors import Invalid
from txn.model.content import dumps
from txn.model.dead_letter import Action
from txn.operate.callbacks import to_json
from txn.operate.operations import MAX_IDS
from txn.operate.tools import Tools

#: Callbacks of one answer: if nothing is said, and at most.
LIMIT, MAX_LIMIT = 20, 200
_NAME = {"type": "string", "minLength": 1, "maxLength": 64}
_Name = Annotated[StrictStr, WithJsonSchema(_NAME), Field(min_length=1, max_length=64)]


class Callbacks(Operated):
    """GET /api/operate/callbacks?limit=&before=."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Those that were given up, the newest first; and how many wait. Raises: Invalid, StoreUnavailable."""
        operator(request)
        asked = parameters(request, ("limit", "before"))
        if asked.get("before") == "":
            raise Invalid("before", "must be the `next` of the answer before")
        page = self._tools.callbacks.page(asked.get("before", ""), limit_of(asked, LIMIT, MAX_LIMIT))
        totals = self._tools.statistics.read().totals
        found = {"waiting": totals.callbacks_waiting, "dead": totals.callbacks_dead, "unreadable": page.unreadable}
        answer(response, dumps(found | {"callbacks": [to_json(one) for one in page.callbacks], "next": page.next}))


class ChosenCallbacks(Form):
    """Some callbacks, and why."""

    names: Annotated[list[_Name], Field(min_length=1, max_length=MAX_IDS)]
    why: Why = ""


class CallbackDeed(Operated):
    """POST /api/operate/callbacks/replay or /api/operate/callbacks/discard."""

    def __init__(self, tools: Tools, what: Action) -> None:
        self._callbacks, self._what = tools.callbacks, what

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """What became of each name. Raises: Invalid, StoreUnavailable."""
        who = operator(request)
        parameters(request, ())
        chosen = form(request, ChosenCallbacks)
        operate = self._callbacks.replay if self._what is Action.REPLAY else self._callbacks.discard
        told = operate(chosen.names, who, chosen.why)
        answer(response, dumps({self._what.did: told.done, "notDead": told.not_dead, "unknown": told.unknown}))
