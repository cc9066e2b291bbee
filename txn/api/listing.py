"""Which transactions there are."""

from typing import Any

import falcon

from txn.api.key_header import unquoted
from txn.errors import Invalid, NotFound
from txn.model.submission import checked_key, id_for_key
from txn.store.transactions import Store

KEY = "idempotencyKey"


def listed(store: Store, request: falcon.Request) -> dict[str, Any]:
    """The answer to GET /api/transactions: `transactions`, as each of them is answered alone.

    Raises: Invalid, StoreUnavailable.
    """
    asked = _parameters(request)
    if KEY not in asked:
        raise Invalid(KEY, "say which key: GET /api/transactions?idempotencyKey=KEY")
    try:
        key = checked_key(unquoted(asked[KEY]))
        found = [store.read(id_for_key(key, request.context.caller.client), request.context.caller.sees)]
    except NotFound:
        found = []
    return {"transactions": [transaction.to_json() for transaction in found]}


def _parameters(request: falcon.Request) -> dict[str, str]:
    """Each once: a misspelt one would be overlooked, and the answer be that of another question."""
    asked = {}
    for name, value in request.params.items():
        if name != KEY:
            raise Invalid(name[:100], f"is not a parameter of this list: {KEY} is")
        if not isinstance(value, str):
            raise Invalid(name, "was given more than once")
        asked[name] = value
    return asked
