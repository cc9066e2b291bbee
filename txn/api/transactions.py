"""Submit a transaction, and ask how it is doing."""

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import ClassVar

import falcon

from txn.api import attempts
from txn.api.body import read_body
from txn.api.callbacks import Told, untold
from txn.api.intake import Intake, Unlimited
from txn.api.key_header import key_of
from txn.api.listing import listed
from txn.api.waiting import Waiters, final, wait_s
from txn.api_keys import Role
from txn.errors import Invalid, TxnError
from txn.model.content import dumps
from txn.model.ids import checked_id
from txn.model.submission import parse_submission, with_what_else_is_wrong
from txn.model.trace import checked
from txn.model.transaction import Transaction
from txn.store.durability import DurabilityMonitor
from txn.store.listing import Listing
from txn.store.transactions import Store

MAX_BODY_BYTES = 64 * 1024


class Transactions:
    """POST and GET /api/transactions. `note` gets how long each acknowledged submit took; `intake` may refuse one."""

    needs: ClassVar = {"POST": Role.SUBMIT, "GET": Role.READ}

    def __init__(
        self,
        store: Store,
        durability: DurabilityMonitor,
        note: Callable[[str, float], None],
        intake: Intake | Unlimited,
        listing: Listing,
        waiters: Waiters | None = None,
        told: Told = untold,
    ) -> None:
        self._store, self._durability, self._note, self._intake = store, durability, note, intake
        self._waiters, self._told, self._listing = waiters, told, listing

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """202 for a new transaction, 200 for a repeated one. Whoever wants to wait gets it as it has become meanwhile.

        Raises: Invalid, ContentConflict, TooManySubmits, Overloaded, StoreUnavailable, NotDurable.
        """
        self._intake.admit(request)
        waits_s = wait_s(request, response)
        body, began = read_body(request, MAX_BODY_BYTES), perf_counter()
        submission = parse_submission(body, _key(request, body), request.context.caller.client)
        if trace := checked(request.env.get("HTTP_TRACEPARENT")):
            submission = replace(submission, trace=trace)
        submission = self._told(submission)
        self._durability.require()
        transaction, new = self._store.accept(submission)
        # Accepting may have opened a connection, and that may have shown a Redis that forgets.
        self._durability.require()
        self._note("submit", perf_counter() - began)
        if waits_s:
            transaction = self._ended(request, transaction, waits_s)
        _write(response, transaction)
        response.set_header("Location", f"/api/transactions/{transaction.id}")
        if new:
            response.status = falcon.HTTP_202
        else:
            response.set_header("Idempotent-Replayed", "true")

    def _ended(self, request: falcon.Request, transaction: Transaction, waits_s: float) -> Transaction:
        """As it is at the end of the wait. It is accepted, whatever fails meanwhile."""
        try:
            return final(self._waiters, request, waits_s, lambda: self._store.read(transaction.id))
        except TxnError:
            return transaction

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """The transactions that match, the newest first. Raises: Invalid, StoreUnavailable."""
        response.content_type = falcon.MEDIA_JSON
        response.data = dumps(listed(self._store, self._listing, request))


class TransactionStatus:
    """GET /api/transactions/{id}."""

    needs: ClassVar = {"GET": Role.READ}

    def __init__(self, store: Store, waiters: Waiters | None = None) -> None:
        self._store, self._waiters = store, waiters

    def on_get(self, request: falcon.Request, response: falcon.Response, transaction_id: str) -> None:
        """The transaction as it is now, or as soon as it is final, if the request wants to wait.

        Another client's is not found.
        Raises: Invalid, NotFound, StoreUnavailable.
        """
        name, sees, waits_s = checked_id(transaction_id), request.context.caller.sees, wait_s(request, response)
        tells_past = attempts.wanted(request)
        if waits_s or not tells_past:
            transaction = final(self._waiters, request, waits_s, lambda: self._store.read(name, sees))
        if not tells_past:
            _write(response, transaction)
            return
        transaction, past = self._store.read_with_past(name, sees)
        response.content_type = falcon.MEDIA_JSON
        response.data = dumps(transaction.to_json() | {"attempts": attempts.shown(past, request)})


class Cancel:
    """POST /api/transactions/{id}/cancel."""

    needs: ClassVar = {"POST": Role.SUBMIT}

    def __init__(self, store: Store) -> None:
        self._store = store

    def on_post(self, request: falcon.Request, response: falcon.Response, transaction_id: str) -> None:
        """The transaction, failed with the code `cancelled`; also if it was so before.

        Raises: Invalid, NotFound, NotCancellable, StoreUnavailable.
        """
        caller = request.context.caller
        who = caller.client or "client"
        _write(response, self._store.cancel(checked_id(transaction_id), who, caller.sees))


def refuse_id(req: falcon.Request, resp: falcon.Response, **path: str) -> None:
    """A falcon sink, for the path of an id with a slash: that is no id. Raises: Invalid, falcon.HTTPError."""
    if req.method == "GET":
        checked_id(path["transaction_id"])
    raise falcon.HTTPRouteNotFound


def _key(request: falcon.Request, body: bytes) -> str | None:
    try:
        return key_of(request)
    except Invalid as error:
        raise with_what_else_is_wrong(error, body) from None


def _write(response: falcon.Response, transaction: Transaction) -> None:
    response.content_type = falcon.MEDIA_JSON
    response.data = dumps(transaction.to_json())
