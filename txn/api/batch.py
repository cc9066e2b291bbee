"""Submit many transactions with one request."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import falcon

from txn.api import callbacks
from txn.api import errors as problems
from txn.api.body import media_type_of, read_body
from txn.api.intake import Intake, Unlimited
from txn.api.key_header import NAME, key_of, unquoted
from txn.api.transactions import TransactionStatus
from txn.api.waiting import Waiters
from txn.api_keys import Role
from txn.errors import ContentConflict, Invalid, TxnError
from txn.model.batch import Batch, parse_batch, parse_lines
from txn.model.content import dumps
from txn.model.submission import Submission
from txn.model.trace import checked
from txn.server.codes import is_retryable
from txn.server.problem import PROBLEM_JSON, problem
from txn.store.durability import DurabilityMonitor
from txn.store.replies import AcceptReply
from txn.store.transactions import Store

MAX_BATCH_BYTES = 1024 * 1024
NDJSON = "application/x-ndjson"

#: What is said of each transaction: the reply to it, or what is wrong with it.
Told = AcceptReply | Invalid


class Batches:
    """POST /api/transactions/batch.

    A GET of that path asks for the transaction of this id: a client may have chosen it.
    """

    needs: ClassVar = {"POST": Role.SUBMIT, "GET": Role.READ}

    def __init__(
        self,
        store: Store,
        durability: DurabilityMonitor,
        intake: Intake | Unlimited,
        waiters: Waiters | None,
        told: callbacks.Told = callbacks.untold,
    ) -> None:
        self._store, self._durability, self._intake, self._told = store, durability, intake, told
        self._status = TransactionStatus(store, waiters)

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """See `TransactionStatus`."""
        self._status.on_get(request, response, "batch")

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """200 and one result for each transaction, in their order. Of an atomic one 422, if nothing was stored.

        Raises: Invalid, TooManySubmits, Overloaded, StoreUnavailable, NotDurable.
        """
        self._intake.admit(request)
        if key_of(request) is not None:
            raise Invalid(NAME, "is for one transaction: in a batch send `idempotencyKey` in each of them")
        if any(name.lower() == "atomic" for name in request.params):
            raise Invalid(
                "atomic", 'must be in the body, as {"transactions": [...], "atomic": true}: nothing was stored'
            )
        body = read_body(request, MAX_BATCH_BYTES, (falcon.MEDIA_JSON, NDJSON))
        parse = parse_lines if media_type_of(request) == NDJSON else parse_batch
        batch = callbacks.of_all(parse(body, unquoted, request.context.caller.client), self._told)
        self._intake.charge(request, len(batch.items) - 1)
        self._durability.require()
        told = self._stored(batch, checked(request.env.get("HTTP_TRACEPARENT")))
        # Accepting may have opened a connection, and that may have shown a Redis that forgets.
        self._durability.require()
        results = [_result(*pair) for pair in zip(batch.items, told, strict=True)]
        if batch.atomic and not _is_whole(told):
            _refuse(response, results)
            return
        response.content_type = falcon.MEDIA_JSON
        response.data = dumps({"results": results})

    def _stored(self, batch: Batch, trace: str) -> list[Told]:
        valid = [item for item in batch.items if isinstance(item, Submission)]
        if not valid or (batch.atomic and len(valid) < len(batch.items)):
            return [item if isinstance(item, Invalid) else None for item in batch.items]
        if trace:
            valid = [replace(item, trace=trace) for item in valid]
        replies = iter(self._store.accept_batch(valid, atomic=batch.atomic))
        return [item if isinstance(item, Invalid) else next(replies) for item in batch.items]


def _is_whole(told: Sequence[Told]) -> bool:
    return all(isinstance(one, tuple) for one in told)


def _refuse(response: falcon.Response, results: list[dict[str, Any]]) -> None:
    response.status = falcon.HTTP_422
    response.content_type = PROBLEM_JSON
    detail = "nothing was stored: `results` says which transactions kept the others out"
    response.data = problem(422, "batch_refused", detail, results=results)


def _result(item: Submission | Invalid, told: Told) -> dict[str, Any]:
    if told is None:
        return {"result": "not_stored"}
    if isinstance(told, tuple):
        transaction, new = told
        return {"result": "created" if new else "replayed", "transaction": transaction.to_json()}
    return {"result": _NAMES.get(type(told), "unavailable"), "problem": _problem(told)}


_NAMES: dict[type[TxnError], str] = {Invalid: "invalid", ContentConflict: "conflict"}


def _problem(error: TxnError) -> dict[str, Any]:
    status = problems.status_of(error)
    said = {"status": status, "code": error.code, "retryable": is_retryable(status, error.code), "detail": str(error)}
    return said | problems.members(error)
