"""Submit a transaction, and ask how it is doing."""

from collections.abc import Callable
from functools import lru_cache
from time import perf_counter

import falcon

from txn.api.key_header import key_of
from txn.api.listing import listed
from txn.errors import Invalid
from txn.model.content import dumps
from txn.model.submission import checked_id, parse_submission, with_what_else_is_wrong
from txn.model.transaction import Transaction
from txn.server.problem import Malformed
from txn.store.durability import DurabilityMonitor
from txn.store.transactions import Store

MAX_BODY_BYTES = 64 * 1024

#: Names of UTF-8 and of a part of it; JSON between systems is in no other (RFC 8259).
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


class Transactions:
    """POST and GET /api/transactions. `note` gets how long each acknowledged submit took."""

    def __init__(self, store: Store, durability: DurabilityMonitor, note: Callable[[str, float], None]) -> None:
        self._store, self._durability, self._note = store, durability, note

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """202 for a new transaction, 200 for a repeated one.

        Raises: Invalid, ContentConflict, StoreUnavailable, NotDurable.
        """
        body, began = _body(request), perf_counter()
        submission = parse_submission(body, _key(request, body))
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

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """The transactions that match. Raises: Invalid, StoreUnavailable."""
        response.content_type = falcon.MEDIA_JSON
        response.data = dumps(listed(self._store, request))


class TransactionStatus:
    """GET /api/transactions/{id}. `id` is all of the path's rest: an id with a slash is refused, not unrouted."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def on_get(self, _request: falcon.Request, response: falcon.Response, transaction_id: str) -> None:
        """The transaction as it is now.

        Raises: Invalid, NotFound, StoreUnavailable.
        """
        _write(response, self._store.read(checked_id(transaction_id)))


def _key(request: falcon.Request, body: bytes) -> str | None:
    try:
        return key_of(request)
    except Invalid as error:
        raise with_what_else_is_wrong(error, body) from None


def _write(response: falcon.Response, transaction: Transaction) -> None:
    response.content_type = falcon.MEDIA_JSON
    response.data = dumps(transaction.to_json())


def _body(request: falcon.Request) -> bytes:
    _check_media_type(request)
    length = request.content_length
    if length is not None and length > MAX_BODY_BYTES:
        raise _too_large()
    # Without a length the body is chunked: the server's stream ends by itself.
    try:
        body: bytes = request.stream.read(MAX_BODY_BYTES + 1 if length is None else length)
    except Malformed as error:
        raise Invalid("body", error.detail, code=error.code) from None
    except Exception as error:  # noqa: BLE001 - another server calls it otherwise
        raise Invalid("body", f"could not be read: {type(error).__name__}", code="invalid_body") from None
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    return body


@lru_cache(maxsize=64)
def _parsed(content_type: str) -> tuple[str, dict[str, str]]:
    return falcon.parse_header(content_type)


def _check_media_type(request: falcon.Request) -> None:
    media_type, parameters = _parsed(request.content_type or "")
    if media_type.lower() != falcon.MEDIA_JSON:
        raise _unsupported("Content-Type", "must be application/json")
    if parameters.get("charset", "utf-8").lower() not in _CHARSETS:
        raise _unsupported("Content-Type", "must not name a charset other than UTF-8")
    codings = {coding.strip().lower() for coding in request.get_header("Content-Encoding", default="").split(",")}
    if codings - {"", "identity"}:
        raise _unsupported("Content-Encoding", "must be left out: send the JSON as it is, not compressed")


def _unsupported(header: str, message: str) -> Invalid:
    return Invalid(header, message, code="unsupported_media_type")


def _too_large() -> Invalid:
    return Invalid("body", f"must be at most {MAX_BODY_BYTES} bytes", code="body_too_large")
