"""Which transactions there are."""

from collections.abc import Mapping
from typing import Any

import falcon
from pydantic_core import PydanticCustomError

from txn.api.key_header import unquoted
from txn.errors import Invalid, NotFound
from txn.model.ids import checked_key, id_for_key
from txn.model.moments import moment_ms
from txn.model.money import DECIMALS
from txn.model.transaction import ErrorCode, Status
from txn.store.listing import Listing, Wanted
from txn.store.transactions import Store

KEY = "idempotencyKey"
#: Transactions of one answer: if nothing is said, and at most.
LIMIT, MAX_LIMIT = 100, 500
_PARAMETERS = (KEY, "status", "since", "until", "currency", "errorCode", "limit", "cursor")


def listed(store: Store, listing: Listing, request: falcon.Request) -> dict[str, Any]:
    """The answer to GET /api/transactions: `transactions`, as each of them is answered alone.

    Raises: Invalid, StoreUnavailable.
    """
    asked = _parameters(request)
    if KEY in asked:
        return {"transactions": _of_key(store, asked, request)}
    limit = asked.get("limit", str(LIMIT))
    if not (limit.isascii() and limit.isdecimal() and len(limit) < 5 and 1 <= int(limit) <= MAX_LIMIT):
        raise Invalid("limit", f"must be a whole number from 1 to {MAX_LIMIT}")
    page = listing.read(_wanted(asked), int(limit), asked.get("cursor"), request.context.caller.sees)
    found = {"transactions": [transaction.to_json() for transaction in page.transactions], "cursor": page.cursor}
    return found | ({"unreadable": page.unreadable} if page.unreadable else {})


def _of_key(store: Store, asked: Mapping[str, str], request: falcon.Request) -> list[dict[str, Any]]:
    """The transaction of a key, or nothing."""
    if others := [name for name in asked if name != KEY]:
        raise Invalid(others[0], f"does not go with {KEY}, which names one transaction: leave one of them out")
    key = checked_key(unquoted(asked[KEY]))
    try:
        return [store.read(id_for_key(key, request.context.caller.client), request.context.caller.sees).to_json()]
    except NotFound:
        return []


def _wanted(asked: Mapping[str, str]) -> Wanted:
    status = _one_of(asked, "status", [*Status])
    return Wanted(
        status=Status(status) if status else None,
        since_ms=_moment(asked, "since"),
        until_ms=_moment(asked, "until"),
        currency=_currency(asked),
        code=_one_of(asked, "errorCode", [*ErrorCode]),
    )


def _one_of(asked: Mapping[str, str], name: str, known: list[str]) -> str:
    found = asked.get(name)
    if found is not None and found not in known:
        raise Invalid(name, f"must be one of {', '.join(known)}")
    return found or ""


def _moment(asked: Mapping[str, str], name: str) -> int | None:
    try:
        return moment_ms(asked.get(name))
    except PydanticCustomError as error:
        raise Invalid(name, f"{error.message()} (a + in a URL is written %2B)") from None


def _currency(asked: Mapping[str, str]) -> str:
    found = asked.get("currency")
    if found is not None and found not in DECIMALS:
        raise Invalid("currency", "must be an ISO 4217 code in capitals, such as USD")
    return found or ""


def _parameters(request: falcon.Request) -> dict[str, str]:
    """Each once: a misspelt one would be overlooked, and the answer be that of another question."""
    asked = {}
    for name, value in request.params.items():
        if name not in _PARAMETERS:
            raise Invalid(name[:100], f"is not a parameter of this list: {', '.join(_PARAMETERS)} are")
        if not isinstance(value, str):
            raise Invalid(name, "was given more than once")
        asked[name] = value
    return asked
