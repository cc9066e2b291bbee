"""The parts that the OpenAPI document is put together from."""

from collections.abc import Mapping
from typing import Any

from openapi_pydantic.util import PydanticSchema
from pydantic import BaseModel

from txn.api import shapes
from txn.server.problem import PROBLEM_JSON
from txn.server.request_id import HEADER

JSON, NDJSON, TEXT = "application/json", "application/x-ndjson", "text/plain"

#: What each status that is an error means here.
ERRORS = {
    400: "something in the request is wrong",
    401: "the API key is missing or not known",
    403: "this is not allowed",
    404: "there is no such transaction or run",
    405: "the address does not have this method",
    409: "the id was used before with other content, or is another client's; or it cannot be cancelled",
    410: "what came behind this cursor is not kept any more",
    413: "the body is too large",
    415: "the body must be plain JSON in UTF-8",
    422: "the idempotency key was used before with other content",
    429: "this client sends more submits than it may",
    503: "it cannot be kept now: repeat it with the same key or id",
}
ALWAYS = (400, 401, 403, 405)


def schema_of(model: type[BaseModel]) -> Any:
    """A reference to the schema of a model."""
    return PydanticSchema.model_validate({"schema_class": model})


def content(model: type[BaseModel] | None, media_type: str = JSON) -> dict[str, Any]:
    """A body; None: text."""
    return {media_type: {"schema": {"type": "string"} if model is None else schema_of(model)}}


def answer(meaning: str, model: type[BaseModel] | None, media_type: str = JSON, **headers: str) -> dict[str, Any]:
    """An answer, and its headers, with `_` for `-`."""
    named = {
        name.replace("_", "-"): {"description": text, "schema": {"type": "string"}}
        for name, text in {**headers, "X_Request_Id": "the request's id"}.items()
    }
    return {"description": meaning, "content": content(model, media_type), "headers": named}


def operation(
    name: str, summary: str, answers: Mapping[int, Any], errors: tuple[int, ...] = ALWAYS, **more: Any
) -> dict[str, Any]:
    """One method of a path. `errors`: the statuses of those that it may be answered with."""
    failed = {
        status: answer(ERRORS[status], shapes.Problem, PROBLEM_JSON) for status in errors if status not in answers
    }
    responses = {str(status): found for status, found in sorted({**answers, **failed}.items())}
    responses["default"] = answer("any other error", shapes.Problem, PROBLEM_JSON)
    # An empty requirement: whoever reaches an API without keys needs none.
    parameters = [*more.pop("parameters", ()), _REQUEST_ID]
    found = {"operationId": name, "summary": summary, "parameters": parameters, "responses": responses}
    return found | {"security": [{"apiKey": []}, {}]} | more


def parameter(place: str, name: str, description: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    """A parameter in a `place`: path, query or header."""
    return {"in": place, "name": name, "description": description, "schema": schema, "required": required}


_REQUEST_ID = parameter(
    "header",
    HEADER,
    "your id of this request, for logs; without one, or with another form, one is made",
    {"type": "string"},
    required=False,
)
