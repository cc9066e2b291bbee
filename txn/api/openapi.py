"""The API as an OpenAPI 3.1 document, made of the models that check what comes in, and of those in `shapes`."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from openapi_pydantic import OpenAPI
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel, Field

from txn import __version__
from txn.api import shapes
from txn.api.feed import LIMIT, MAX_LIMIT
from txn.api.waiting import MAX_WAIT_S
from txn.model.batch import KEY_FIELD, MAX_TRANSACTIONS
from txn.model.submission import NewTransaction
from txn.server.problem import PROBLEM_JSON
from txn.server.request_id import HEADER, PATTERN

JSON, NDJSON, TEXT = "application/json", "application/x-ndjson", "text/plain"

#: What each status that is an error means here.
_ERRORS = {
    400: "something in the request is wrong",
    401: "the API key is missing or not known",
    403: "this is not allowed",
    404: "there is no such transaction",
    405: "the address does not have this method",
    409: "the id was used before with other content, or is another client's; or it cannot be cancelled",
    410: "what came behind this cursor is not kept any more",
    413: "the body is too large",
    415: "the body must be plain JSON in UTF-8",
    422: "the idempotency key was used before with other content",
    429: "this client sends more submits than it may",
    503: "it cannot be kept now: repeat it with the same key or id",
}
_ALWAYS = (400, 401, 403, 405)
_SUBMIT = (*_ALWAYS, 409, 413, 415, 422, 429, 503)


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
            "paths": _PATHS,
            "components": {"securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}}},
        }
    )
    whole = construct_open_api_with_schema_class(described, [shapes.Problem], by_alias=True)
    return whole.model_dump(mode="json", by_alias=True, exclude_none=True)


_ABOUT = (
    "Hand a transaction over and get an id back; it then reaches the posting service exactly once. Repeat what was not "
    "answered, or was answered with 503, with the same Idempotency-Key or id."
)


def _schema(model: type[BaseModel]) -> Any:
    return PydanticSchema.model_validate({"schema_class": model})


def _content(model: type[BaseModel] | None, media_type: str = JSON) -> dict[str, Any]:
    return {media_type: {"schema": {"type": "string"} if model is None else _schema(model)}}


def _answer(meaning: str, model: type[BaseModel] | None, media_type: str = JSON, **headers: str) -> dict[str, Any]:
    named = {
        name.replace("_", "-"): {"description": text, "schema": {"type": "string"}}
        for name, text in {**headers, "X_Request_Id": "the request's id"}.items()
    }
    return {"description": meaning, "content": _content(model, media_type), "headers": named}


def _operation(
    name: str, summary: str, answers: Mapping[int, Any], errors: tuple[int, ...] = _ALWAYS, **more: Any
) -> dict[str, Any]:
    failed = {
        status: _answer(_ERRORS[status], shapes.Problem, PROBLEM_JSON) for status in errors if status not in answers
    }
    responses = {str(status): found for status, found in sorted({**answers, **failed}.items())}
    responses["default"] = _answer("any other error", shapes.Problem, PROBLEM_JSON)
    # An empty requirement: whoever reaches an API without keys needs none.
    parameters = [*more.pop("parameters", ()), _REQUEST_ID]
    found = {"operationId": name, "summary": summary, "parameters": parameters, "responses": responses}
    return found | {"security": [{"apiKey": []}, {}]} | more


def _parameter(place: str, name: str, description: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    return {"in": place, "name": name, "description": description, "schema": schema, "required": required}


_KEY_SCHEMA = {"type": "string", "pattern": "^[!-~]{1,255}$"}
_ID_IN_PATH = _parameter(
    "path", "transactionId", "its id", {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$"}, required=True
)
_INCLUDE = _parameter("query", "include", "what was tried, too", {"enum": ["attempts"]}, required=False)
_KEY = _parameter("header", "Idempotency-Key", "names the transaction; in quotes or bare", _KEY_SCHEMA, required=False)
_REQUEST_ID = _parameter(
    "header",
    HEADER,
    "your id of this request, for logs; without one, or with another form, one is made",
    {"type": "string", "pattern": f"^{PATTERN}$"},
    required=False,
)
_KEY_ASKED = _parameter("query", KEY_FIELD, "the key of a submit", _KEY_SCHEMA, required=True)
_ITEMS = {"type": "array", "items": _schema(BatchItem), "minItems": 1, "maxItems": MAX_TRANSACTIONS}
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
_WAIT = _parameter("query", "wait", "answer as soon as it is final, or after so many seconds", _SECONDS, required=False)
_WAIT_FOR_MORE = _parameter("query", "wait", "wait so many seconds for the next change", _SECONDS, required=False)
_PREFER = _parameter(
    "header", "Prefer", "`wait=10`: as the parameter `wait`, as far as it can be", {"type": "string"}, required=False
)
_AFTER = _parameter("query", "after", "the cursor of the answer before", {"type": "string"}, required=False)
_LIMIT_SCHEMA = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": LIMIT}
_LIMIT = _parameter("query", "limit", "how many changes at most", _LIMIT_SCHEMA, required=False)
_RETRY = "in how many seconds to come again"

_PATHS: dict[str, Any] = {
    "/api/transactions": {
        "post": _operation(
            "submit",
            "Submit a transaction",
            {
                200: _answer(
                    "known already, as it is now",
                    shapes.Transaction,
                    Location="where it is",
                    Idempotent_Replayed="true",
                ),
                202: _answer("stored", shapes.Transaction, Location="where it is"),
            },
            _SUBMIT,
            parameters=[_KEY, _WAIT, _PREFER],
            requestBody={"required": True, "content": _content(NewTransaction)},
        ),
        "get": _operation(
            "find",
            "Did a submit with this key arrive?",
            {200: _answer("the transaction of this key, or none", shapes.Transactions)},
            (*_ALWAYS, 503),
            parameters=[_KEY_ASKED],
        ),
    },
    "/api/transactions/batch": {
        "get": _operation(
            "statusOfBatch",
            "How is the transaction with the id batch doing?",
            {200: _answer("as it is now", shapes.Transaction)},
            (*_ALWAYS, 404, 503),
            parameters=[_INCLUDE, _WAIT, _PREFER],
        ),
        "post": _operation(
            "submitBatch",
            "Submit many transactions",
            {
                200: _answer("what became of each", shapes.BatchResults),
                422: _answer("an atomic batch: nothing was stored", shapes.BatchRefused, PROBLEM_JSON),
            },
            (*_ALWAYS, 413, 415, 429, 503),
            requestBody={
                "required": True,
                "content": {JSON: {"schema": _BATCH_SCHEMA}, NDJSON: {"schema": _LINES}},
            },
        ),
    },
    "/api/transactions/{transactionId}": {
        "get": _operation(
            "status",
            "How is it doing?",
            {200: _answer("as it is now", shapes.Transaction)},
            (*_ALWAYS, 404, 503),
            parameters=[_ID_IN_PATH, _INCLUDE, _WAIT, _PREFER],
        ),
    },
    "/api/events": {
        "get": _operation(
            "events",
            "What has become completed, failed or, by a replay, pending again?",
            {200: _answer("changes, the oldest first", shapes.Changes)},
            (*_ALWAYS, 410, 503),
            parameters=[_AFTER, _WAIT_FOR_MORE, _LIMIT, _PREFER],
        ),
    },
    "/api/transactions/{transactionId}/cancel": {
        "post": _operation(
            "cancel",
            "Take it back, if nothing of it can have been sent",
            {200: _answer("failed, with the code cancelled", shapes.Transaction)},
            (*_ALWAYS, 404, 409, 503),
            parameters=[_ID_IN_PATH],
        ),
    },
    "/api/health": {
        "get": _operation(
            "health",
            "What is wrong, if anything",
            {200: _answer("submits are accepted", shapes.Health), 503: _answer("they are not", shapes.Health)},
        ),
    },
    "/livez": {"get": _operation("live", "Does the process answer?", {200: _answer("it does", shapes.Alive)})},
    "/readyz": {
        "get": _operation(
            "ready",
            "Are submits accepted?",
            {200: _answer("they are", shapes.Readiness), 503: _answer("they are not", shapes.Readiness)},
        ),
    },
    "/metrics": {"get": _operation("metrics", "For Prometheus", {200: _answer("all metrics", None, TEXT)})},
    "/api/cleanup": {
        "post": _operation(
            "cleanup",
            "Delete every transaction, where a test system allows it",
            {200: _answer("deleted", shapes.Deleted)},
            (*_ALWAYS, 415, 503),
        ),
    },
    "/": {"get": _operation("root", "Where what is", {200: _answer("links", shapes.Service)})},
    "/openapi.json": {
        "get": _operation("openapi", "This document", {200: {"description": "it", "content": {JSON: {}}}})
    },
    "/docs": {"get": _operation("docs", "This document, for people", {200: _answer("a page", None, "text/html")})},
}
