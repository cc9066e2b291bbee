"""The API as an OpenAPI 3.1 document, made of the models that check what comes in, and of those in `shapes`."""

from functools import cache
from typing import Any

from openapi_pydantic import OpenAPI
from openapi_pydantic.util import construct_open_api_with_schema_class
from pydantic import Field

from txn import __version__
from txn.api import listing, shapes
from txn.api.describe import ALWAYS, JSON, NDJSON, TEXT, answer, content, operation, parameter, schema_of
from txn.api.feed import LIMIT, MAX_LIMIT
from txn.api.operate import described as operate
from txn.api.waiting import MAX_WAIT_S
from txn.model import trace
from txn.model.batch import KEY_FIELD, MAX_TRANSACTIONS
from txn.model.new_transaction import NewTransaction
from txn.model.transaction import ErrorCode, Status
from txn.server.problem import PROBLEM_JSON

_SUBMIT = (*ALWAYS, 409, 413, 415, 422, 429, 503)


class BatchItem(NewTransaction):
    """A transaction of a batch, with its key beside it."""

    idempotency_key: str | None = Field(default=None, alias="idempotencyKey")


@cache
def document() -> dict[str, Any]:
    """All of it, as JSON has it."""
    described = OpenAPI.model_validate(
        {
            "openapi": "3.1.0",
            "info": {"title": "txn", "version": __version__, "description": _ABOUT},
            "paths": _PATHS | operate.PATHS,
            "webhooks": _WEBHOOKS,
            "components": {"securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}}},
        }
    )
    whole = construct_open_api_with_schema_class(described, [shapes.Problem], by_alias=True)
    return whole.model_dump(mode="json", by_alias=True, exclude_none=True)


_ABOUT = (
    "Hand a transaction over and get an id back; it then reaches the posting service exactly once. Repeat what was not "
    "answered, or was answered with 503, with the same Idempotency-Key or id."
)


_KEY_SCHEMA = {"type": "string", "pattern": "^[!-~]{1,255}$"}
_ID_IN_PATH = parameter(
    "path", "transactionId", "its id", {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$"}, required=True
)
_INCLUDE = parameter("query", "include", "what was tried, too", {"enum": ["attempts"]}, required=False)
_KEY = parameter("header", "Idempotency-Key", "names the transaction; in quotes or bare", _KEY_SCHEMA, required=False)
_TRACE = parameter(
    "header",
    trace.HEADER,
    "W3C Trace Context: goes with the calls to the posting service",
    {"type": "string"},
    required=False,
)
_KEY_ASKED = parameter(
    "query",
    KEY_FIELD,
    "the transaction of this key, or none; with no other parameter",
    _KEY_SCHEMA,
    required=False,
)
_ITEMS = {"type": "array", "items": schema_of(BatchItem), "minItems": 1, "maxItems": MAX_TRANSACTIONS}
_BATCH_MEMBERS = {"transactions": _ITEMS, "atomic": {"type": "boolean"}}
_BATCH_SCHEMA = {
    "description": f"1 to {MAX_TRANSACTIONS} transactions, each as in a submit, its key beside it as `{KEY_FIELD}`",
    "anyOf": [
        _ITEMS,
        {"type": "object", "properties": _BATCH_MEMBERS, "required": ["transactions"], "additionalProperties": False},
    ],
}
_LINES = {"type": "string", "description": "one JSON object a line"}
_SECONDS = {"type": "number", "minimum": 0, "maximum": MAX_WAIT_S}
_WAIT = parameter("query", "wait", "answer as soon as it is final, or after so many seconds", _SECONDS, required=False)
_WAIT_FOR_MORE = parameter("query", "wait", "wait so many seconds for the next change", _SECONDS, required=False)
_PREFER = parameter(
    "header", "Prefer", "`wait=10`: as the parameter `wait`, as far as it can be", {"type": "string"}, required=False
)
_AFTER = parameter("query", "after", "the cursor of the answer before", {"type": "string"}, required=False)
_LIMIT_SCHEMA = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": LIMIT}
_LIMIT = parameter("query", "limit", "how many changes at most", _LIMIT_SCHEMA, required=False)
_MOMENT = {"type": "string", "format": "date-time"}
_PAGE = {"type": "integer", "minimum": 1, "maximum": listing.MAX_LIMIT, "default": listing.LIMIT}
_FILTERS = [
    parameter("query", name, meaning, schema, required=False)
    for name, meaning, schema in (
        ("status", "what they are now", {"enum": [*Status]}),
        ("since", "accepted then or later", _MOMENT),
        ("until", "accepted before then", _MOMENT),
        ("currency", "of their amount", {"type": "string", "pattern": "^[A-Z]{3}$"}),
        ("errorCode", "why they have failed", {"enum": [*ErrorCode]}),
        ("limit", "how many at most; there may be fewer, though there is a cursor", _PAGE),
        ("cursor", "the cursor of the answer before; the other parameters as they were", {"type": "string"}),
    )
]
_RETRY = "in how many seconds to come again"

_SIGNED = {
    "webhook-id": "the same if it comes again",
    "webhook-timestamp": "when it was sent, in seconds since 1970",
    "webhook-signature": "`v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64; several with spaces between",
}
#: What a client's own server is sent (Standard Webhooks).
_WEBHOOKS: dict[str, Any] = {
    "transactionEnded": {
        "post": {
            "operationId": "transactionEnded",
            "summary": "A transaction is completed or has failed",
            "description": "Sent at least once, and again for a day until it is answered with 2xx.",
            "security": [],
            "parameters": [
                parameter("header", name, said, {"type": "string"}, required=True) for name, said in _SIGNED.items()
            ],
            "requestBody": {"required": True, "content": content(shapes.Told)},
            "responses": {
                "2XX": {"description": "you have it"},
                "410": {"description": "you do not want it, also not later"},
                "default": {"description": "it is sent again"},
            },
        }
    }
}

_PATHS: dict[str, Any] = {
    "/api/transactions": {
        "post": operation(
            "submit",
            "Submit a transaction",
            {
                200: answer(
                    "known already, as it is now",
                    shapes.Transaction,
                    Location="where it is",
                    Idempotent_Replayed="true",
                ),
                202: answer("stored", shapes.Transaction, Location="where it is"),
            },
            _SUBMIT,
            parameters=[_KEY, _WAIT, _PREFER, _TRACE],
            requestBody={"required": True, "content": content(NewTransaction)},
        ),
        "get": operation(
            "list",
            "Which transactions are there? Did a submit with this key arrive?",
            {200: answer("some that match, the newest first", shapes.Transactions)},
            (*ALWAYS, 503),
            parameters=[_KEY_ASKED, *_FILTERS],
        ),
    },
    "/api/transactions/batch": {
        "get": operation(
            "statusOfBatch",
            "How is the transaction with the id batch doing?",
            {200: answer("as it is now", shapes.Transaction)},
            (*ALWAYS, 404, 503),
            parameters=[_INCLUDE, _WAIT, _PREFER],
        ),
        "post": operation(
            "submitBatch",
            "Submit many transactions",
            {
                200: answer("what became of each", shapes.BatchResults),
                422: answer("an atomic batch: nothing was stored", shapes.BatchRefused, PROBLEM_JSON),
            },
            (*ALWAYS, 413, 415, 429, 503),
            parameters=[_TRACE],
            requestBody={
                "required": True,
                "content": {JSON: {"schema": _BATCH_SCHEMA}, NDJSON: {"schema": _LINES}},
            },
        ),
    },
    "/api/transactions/{transactionId}": {
        "get": operation(
            "status",
            "How is it doing?",
            {200: answer("as it is now", shapes.Transaction)},
            (*ALWAYS, 404, 503),
            parameters=[_ID_IN_PATH, _INCLUDE, _WAIT, _PREFER],
        ),
    },
    "/api/events": {
        "get": operation(
            "events",
            "What has become completed, failed or, by a replay, pending again?",
            {200: answer("changes, the oldest first", shapes.Changes)},
            (*ALWAYS, 410, 503),
            parameters=[_AFTER, _WAIT_FOR_MORE, _LIMIT, _PREFER],
        ),
    },
    "/api/transactions/{transactionId}/cancel": {
        "post": operation(
            "cancel",
            "Take it back, if it provably was never posted",
            {200: answer("failed, with the code cancelled", shapes.Transaction)},
            (*ALWAYS, 404, 409, 503),
            parameters=[_ID_IN_PATH],
        ),
    },
    "/api/health": {
        "get": operation(
            "health",
            "What is wrong, if anything",
            {200: answer("submits are accepted", shapes.Health), 503: answer("they are not", shapes.Health)},
        ),
    },
    "/livez": {"get": operation("live", "Does the process answer?", {200: answer("it does", shapes.Alive)})},
    "/readyz": {
        "get": operation(
            "ready",
            "Are submits accepted?",
            {200: answer("they are", shapes.Readiness), 503: answer("they are not", shapes.Readiness)},
        ),
    },
    "/metrics": {"get": operation("metrics", "For Prometheus", {200: answer("all metrics", None, TEXT)})},
    "/api/cleanup": {
        "post": operation(
            "cleanup",
            "Delete every transaction, where a test system allows it",
            {200: answer("deleted", shapes.Deleted)},
            (*ALWAYS, 415, 503),
        ),
    },
    "/": {"get": operation("root", "Where what is", {200: answer("links", shapes.Service)})},
    "/openapi.json": {
        "get": operation("openapi", "This document", {200: {"description": "it", "content": {JSON: {}}}})
    },
    "/docs": {"get": operation("docs", "This document, for people", {200: answer("a page", None, "text/html")})},
}
