"""Submit a transaction, and ask how it is doing."""

from collections.abc import Callable
from time import perf_counter

import falcon

from txn.errors import Invalid
from txn.model.content import dumps
from txn.model.submission import checked_id, parse_submission
from txn.model.transaction import Transaction
from txn.store.durability import DurabilityMonitor
from txn.store.store import Store

MAX_BODY_BYTES = 64 * 1024


class Transactions:
    """POST /api/transactions. `note` gets how long each acknowledged submit took."""

    def __init__(self, store: Store, durability: DurabilityMonitor, note: Callable[[str, float], None]) -> None:
        self._store, self._durability, self._note = store, durability, note

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """202 for a new transaction, 200 for a repeated one.

        Raises: Invalid, ContentConflict, StoreUnavailable, NotDurable.
        """
        body, began = _body(request), perf_counter()
        submission = parse_submission(body, request.get_header("Idempotency-Key"))
        self._durability.require()
        transaction, new = self._store.accept(submission)
        # Accepting may have opened a connection, and that may have shown a Redis that forgets.
        self._durability.require()
        _write(response, transaction)
        response.set_header("Location", f"/api/transactions/{transaction.id}")
        if new:
            response.status = falcon.HTTP_202
        else:
            response.set_header("Idempotent-Replayed", "true")
        self._note("submit", perf_counter() - began)


class TransactionStatus:
    """GET /api/transactions/{id}. `id` is all of the path's rest: an id with a slash is refused, not unrouted."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def on_get(self, _request: falcon.Request, response: falcon.Response, transaction_id: str) -> None:
        """The transaction as it is now.

        Raises: Invalid, NotFound, StoreUnavailable.
        """
        _write(response, self._store.read(checked_id(transaction_id)))


def _write(response: falcon.Response, transaction: Transaction) -> None:
    response.content_type = falcon.MEDIA_JSON
    response.data = dumps(transaction.to_json())


def _body(request: falcon.Request) -> bytes:
    media_type = (request.content_type or "").partition(";")[0].strip().lower()
    if media_type != falcon.MEDIA_JSON:
        raise Invalid("Content-Type", "must be application/json", code="unsupported_media_type")
    length = request.content_length
    if length is not None and length > MAX_BODY_BYTES:
        raise _too_large()
    # Without a length the body is chunked: the server's stream ends by itself.
    try:
        body: bytes = request.stream.read(MAX_BODY_BYTES + 1 if length is None else length)
    except Exception as error:  # noqa: BLE001 - whatever the server calls its own parse errors
        raise Invalid("body", f"could not be read: {type(error).__name__}", code="invalid_body") from None
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    return body


def _too_large() -> Invalid:
    return Invalid("body", f"must be at most {MAX_BODY_BYTES} bytes", code="body_too_large")
