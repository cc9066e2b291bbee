"""Errors as `application/problem+json` (RFC 9457), in one place."""

import http
import logging
from collections.abc import Mapping
from typing import Any

import falcon

from txn.errors import ContentConflict, Invalid, Refused, TooManySubmits, TxnError, Unavailable
from txn.server.codes import CODES, code_of
from txn.server.problem import PROBLEM_JSON, problem

log = logging.getLogger(__name__)


def install(app: falcon.App[Any, Any]) -> None:
    """Make every error of the application, ours and Falcon's, a problem document."""
    app.add_error_handler(Exception, _unexpected)
    app.add_error_handler(TxnError, _ours)
    app.add_error_handler(falcon.HTTPError, _falcons)


def _ours(request: falcon.Request, response: falcon.Response, error: TxnError, _params: Mapping[str, Any]) -> None:
    if isinstance(error, Unavailable | TooManySubmits):
        response.set_header("Retry-After", str(error.retry_after_s))
    _write(response, status_of(error), error.code, str(error), members(error))


def members(error: TxnError) -> dict[str, Any]:
    """What its document has beside status, code and detail."""
    extra: dict[str, Any] = {}
    if isinstance(error, Invalid | ContentConflict):
        extra["field"] = error.field
    if isinstance(error, Invalid):
        extra["errors"] = [{"field": field, "detail": detail} for field, detail in error.errors]
    if isinstance(error, ContentConflict):
        extra["differs"] = error.differs
    if isinstance(error, Unavailable):
        extra["hint"] = (
            "repeat the request, a submit with the same Idempotency-Key or id: it may have been stored or done"
        )
    return extra


def _falcons(
    request: falcon.Request, response: falcon.Response, error: falcon.HTTPError, _params: Mapping[str, Any]
) -> None:
    for name, value in dict(error.headers or {}).items():
        response.set_header(name, value)
    status = falcon.http_status_to_code(error.status)
    _write(response, status, code_of(status), error.description or _words(status, request.method), {})


def _words(status: int, method: str) -> str:
    if status == http.HTTPStatus.NOT_FOUND:
        return "there is nothing at this path; GET / lists what there is"
    if status == http.HTTPStatus.METHOD_NOT_ALLOWED:
        return f"this path takes no {method}; the header Allow names what it takes"
    return http.HTTPStatus(status).phrase


def _unexpected(
    request: falcon.Request, response: falcon.Response, error: Exception, _params: Mapping[str, Any]
) -> None:
    log.error("unexpected error in %s %s", request.method, request.path, exc_info=error)
    _write(response, 500, "internal", "an unexpected error; it was logged", {})


def _write(response: falcon.Response, status: int, code: str, detail: str, extra: Mapping[str, Any]) -> None:
    response.status = status
    response.content_type = PROBLEM_JSON
    response.data = problem(status, code, detail, **extra)


def status_of(error: TxnError) -> int:
    """The HTTP status that an error is answered with."""
    if isinstance(error, ContentConflict):
        return 422 if error.field == "Idempotency-Key" else 409
    if known := CODES.get(error.code):
        return known.statuses[0]
    if isinstance(error, Refused):
        return 400
    return 503 if isinstance(error, Unavailable) else 500
