"""A filter of dead letters to and from a query string or a form; no letter is read here.

Times are UTC, in the form of HTML inputs.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from txn.did_you_mean import did_you_mean
from txn.errors import Invalid
from txn.model.dead_letter import Action, Confirmed, Filter
from txn.model.transaction import ErrorCode, rfc3339

MAX_TEXT = 300
#: The value of `state` for those that were taken off the list.
DISCARDED = "discarded"

_WHOLE = re.compile(r"[0-9]{1,15}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Length of a time without seconds, or without their fractions -> what "until" it includes, in ms.
_WIDTHS = {16: 59_999, 19: 999}


def read_filter(one: Callable[[str], str | None]) -> Filter:
    """The filter of a query or a form; `one` gives a field by its name.

    Raises: Invalid.
    """
    code, currency, text = ((one(name) or "").strip() for name in ("code", "currency", "text"))
    if code and code not in list(ErrorCode):
        meant = did_you_mean(code, ErrorCode) or f": give one of {', '.join(ErrorCode)}"
        raise Invalid("code", f"there is no error code {code!r}{meant}")
    if len(currency) > 3:
        raise Invalid("currency", "a currency has three letters")
    if len(text) > MAX_TEXT:
        raise Invalid("text", f"the text to search for may have at most {MAX_TEXT} characters")
    state = (one("state") or "").strip()
    if state not in ("", DISCARDED):
        raise Invalid("state", f"give {DISCARDED}, or leave it out for those that nobody has dealt with")
    since, until = ((one(name) or "").strip() for name in ("since", "until"))
    return Filter(code, _ms(since), _ms(until, until=True), currency.upper(), text, state == DISCARDED)


def read_action(what: str | None) -> Action:
    """Raises: Invalid."""
    try:
        return Action(what or "")
    except ValueError:
        raise Invalid("what", "it must be replay or discard") from None


def read_confirmed(one: Callable[[str], str | None]) -> Confirmed:
    """What the page before has counted, and somebody agreed to.

    Raises: Invalid.
    """
    count, before = (one(name) or "" for name in ("count", "before"))
    if not (_WHOLE.fullmatch(count) and _WHOLE.fullmatch(before)):
        raise Invalid("count", "start a run from its preview: it counts first how many match")
    return Confirmed(int(count), int(before))


def fields(wanted: Filter) -> dict[str, str]:
    """What `read_filter` makes the same filter of."""
    found = {
        "code": wanted.code,
        "since": _time(wanted.since_ms),
        "until": _time(wanted.until_ms),
        "currency": wanted.currency,
        "text": wanted.text,
        "state": DISCARDED if wanted.discarded else "",
    }
    return {name: value for name, value in found.items() if value}


def query(wanted: Filter, **more: object) -> str:
    """As a query string, with other parameters."""
    return urlencode(fields(wanted) | {name: value for name, value in more.items() if value not in ("", None)})


def _time(ms: int | None) -> str:
    return "" if ms is None else rfc3339(ms)[:-1]


def _ms(text: str, *, until: bool = False) -> int | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        ms = (moment.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise Invalid("until" if until else "since", "give a time like 2026-11-23T18:15 (UTC)") from None
    return max(0, ms + (_WIDTHS.get(len(text), 0) if until else 0))
