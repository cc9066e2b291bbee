"""Pause and limits: what goes out to the posting service."""

from typing import Annotated, Any

import falcon
from pydantic import ConfigDict, Field, StrictInt, StrictStr, WithJsonSchema

from txn.api.health import limits_of, pause_of
from txn.api.operate.asked import Form, Moment, Why, answer, form, parameters
from txn.api.operate.who import Operated, operator
from txn.errors import Invalid
from txn.model.content import dumps
from txn.operate.limits import MOST_IN_FLIGHT, parse_rate
from txn.operate.tools import Tools

_RATE = {
    "type": "string",
    "pattern": r"^[0-9]{1,9}/(s|min|h)$",
    "description": "most that begin: 200/s, 90/min or 1000/h",
}


class NewPause(Form):
    """Nothing goes out for a while."""

    why: Annotated[Why, Field(min_length=1)]
    until: Annotated[Moment, Field(description="in the next seven days; without it, until it is resumed")] = None


class NewLimits(Form):
    """One limit or both. What is not named stays as it is."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["inFlight"]}, {"required": ["rate"]}]})

    # One that is not named is empty. JSON's null is refused: it could be meant as "no limit".
    in_flight: Annotated[StrictInt, Field(ge=1, le=MOST_IN_FLIGHT, description="most in flight, in all workers")] = (
        Field(default_factory=int)
    )
    rate: Annotated[StrictStr, Field(min_length=1), WithJsonSchema(_RATE)] = Field(default_factory=str)
    why: Why = ""


class _Flow(Operated):
    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def _answer(self, response: falcon.Response, **more: Any) -> None:
        flow = self._tools.statistics.read().flow
        answer(response, dumps({"paused": pause_of(flow), "limits": limits_of(flow)} | more))


class Pause(_Flow):
    """/api/operate/pause. Every answer tells how it is now."""

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Raises: Invalid, StoreUnavailable."""
        operator(request), parameters(request, ())
        self._answer(response)

    def on_put(self, request: falcon.Request, response: falcon.Response) -> None:
        """Begin a pause, or change the reason and the end of the one that there is.

        Raises: Invalid, StoreUnavailable.
        """
        who = operator(request)
        parameters(request, ())
        wanted = form(request, NewPause)
        self._tools.pauses.pause(who, wanted.why, wanted.until)
        self._answer(response)

    def on_delete(self, request: falcon.Request, response: falcon.Response) -> None:
        """End it; `changed`: whether there was one. Raises: Invalid, StoreUnavailable."""
        who = operator(request)
        parameters(request, ())
        self._answer(response, changed=self._tools.pauses.resume(who))


class Limits(_Flow):
    """/api/operate/limits. Every answer tells how it is now."""

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Raises: Invalid, StoreUnavailable."""
        operator(request), parameters(request, ())
        self._answer(response)

    def on_put(self, request: falcon.Request, response: falcon.Response) -> None:
        """Set one limit or both. Raises: Invalid, StoreUnavailable."""
        who = operator(request)
        parameters(request, ())
        wanted = form(request, NewLimits)
        if not (wanted.in_flight or wanted.rate):
            raise Invalid("body", "say which limit: `inFlight`, `rate` or both; DELETE takes them away")
        rate = parse_rate(wanted.rate) if wanted.rate else None
        changed = self._tools.limits.set(who, wanted.why, in_flight=wanted.in_flight or None, rate=rate)
        self._answer(response, changed=changed)

    def on_delete(self, request: falcon.Request, response: falcon.Response) -> None:
        """No limit any more. The reason may be given as `?why=`. Raises: Invalid, StoreUnavailable."""
        who, asked = operator(request), parameters(request, ("why",))
        self._answer(response, changed=self._tools.limits.remove(who, asked.get("why", "")))
