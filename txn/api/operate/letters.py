"""The dead letters: which there are, and replay or discard by their ids."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import falcon
from pydantic import Field, StrictStr, WithJsonSchema

from txn.api.operate.asked import Form, Moment, Why, answer, checked, form, limit_of, parameters
from txn.api.operate.who import Operated, operator
from txn.errors import Invalid
from txn.model.content import dumps
from txn.model.dead_letter import Action, Filter
from txn.model.ids import ID_SCHEMA, checked_id
from txn.model.transaction import ErrorCode, rfc3339
from txn.operate import letter_filter
from txn.operate.operations import MAX_IDS
from txn.operate.tools import Tools

#: Letters of one answer: if nothing is said, and at most.
LIMIT, MAX_LIMIT = 20, 200
#: Of `before`.
BEFORE_PATTERN = "^-?[0-9]{1,14}$"


class Which(Form):
    """Those of which everything that is said is true; all, if nothing is."""

    code: Annotated[StrictStr, WithJsonSchema({"enum": ["", *ErrorCode], "description": "why they failed"})] = ""
    since: Annotated[Moment, Field(description="failed since")] = None
    until: Annotated[Moment, Field(description="failed until then, inclusive")] = None
    currency: Annotated[StrictStr, Field(max_length=3)] = ""
    text: Annotated[
        StrictStr, Field(max_length=letter_filter.MAX_TEXT, description="part of the error text, in any case")
    ] = ""
    state: Annotated[
        StrictStr,
        WithJsonSchema(
            {
                "enum": ["", letter_filter.DISCARDED],
                "description": "those that were taken off the list; the times are when that was",
            }
        ),
    ] = ""

    def filter(self) -> Filter:
        """Raises: Invalid."""
        said = {"code": self.code, "currency": self.currency, "text": self.text, "state": self.state}
        # A time before 1970 is one at which nothing can have failed.
        since, until = (None if at is None else max(0, at) for at in (self.since, self.until))
        return replace(letter_filter.read_filter(said.get), since_ms=since, until_ms=until)


def shown(wanted: Filter) -> dict[str, str]:
    """A filter as `Which` reads it; only what is set."""
    times = {"since": wanted.since_ms, "until": wanted.until_ms}
    return letter_filter.fields(replace(wanted, since_ms=None, until_ms=None)) | {
        name: rfc3339(at) for name, at in times.items() if at is not None
    }


def which(asked: Mapping[str, str]) -> Filter:
    """The filter in a query. Raises: Invalid."""
    return checked({name: text for name, text in asked.items() if name in Which.model_fields}, Which).filter()


class Failed(Operated):
    """GET /api/operate/failed?code=&since=&until=&currency=&text=&state=&limit=&before=."""

    def __init__(self, tools: Tools) -> None:
        self._letters = tools.letters

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Dead letters, the newest first. `before`: those after an answer whose `next` it was.

        Where no index can answer, one request looks at about 2,000 letters: then there may be fewer than `limit`, and
        a `next` all the same. Raises: Invalid, StoreUnavailable.
        """
        operator(request)
        asked = parameters(request, (*Which.model_fields, "limit", "before"))
        wanted, limit = which(asked), limit_of(asked, LIMIT, MAX_LIMIT)
        page = self._letters.page(wanted, _before(asked), limit)
        count = self._letters.count(wanted)
        found: dict[str, Any] = {"matching": count.matching, "exact": count.exact}
        found["letters"] = [letter.to_json() for letter in page.letters]
        answer(response, dumps(found | {"next": None if page.next_ms is None else str(page.next_ms)}))


def _before(asked: Mapping[str, str]) -> int | None:
    text = asked.get("before")
    if text is None:
        return None
    if not re.fullmatch(BEFORE_PATTERN, text):
        raise Invalid("before", "must be the `next` of the answer before")
    return int(text)


_Id = Annotated[StrictStr, WithJsonSchema(ID_SCHEMA)]


class Chosen(Form):
    """Some transactions, and why."""

    ids: Annotated[list[_Id], Field(min_length=1, max_length=MAX_IDS)]
    why: Why = ""


class Deed(Operated):
    """POST /api/operate/replay or /api/operate/discard."""

    def __init__(self, tools: Tools, what: Action) -> None:
        self._operations, self._what = tools.operations, what

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """What became of each id: it was done, or it was not failed, or no transaction has it.

        Raises: Invalid, StoreUnavailable.
        """
        who = operator(request)
        parameters(request, ())
        chosen = form(request, Chosen)
        operate = self._operations.replay if self._what is Action.REPLAY else self._operations.discard
        done = operate(_ids(chosen), who, chosen.why)
        found = {self._what.did: done.done, "notFailed": done.not_failed, "unknown": done.unknown}
        answer(response, dumps(found))


def _ids(chosen: Chosen) -> list[str]:
    """Raises: Invalid, saying which is none."""
    for number, name in enumerate(chosen.ids):
        try:
            checked_id(name)
        except Invalid as error:
            raise Invalid(f"ids.{number}", str(error)) from None
    return chosen.ids
