import http
import inspect
from typing import Any

import falcon
import falcon.testing
import pytest
import redis
import redis.exceptions

from txn import errors
from txn.api import errors as problems
from txn.errors import StoreUnavailable, TxnError
from txn.store.database import unavailable

ERRORS = [
    (errors.TxnError("broken"), 500, "internal"),
    (errors.BadSettings("TXN_X"), 500, "bad_settings"),
    (errors.Refused("no"), 400, "refused"),
    (errors.Invalid("amount", "must be more"), 400, "invalid"),
    (errors.Invalid("body", "is not valid JSON", code="invalid_json"), 400, "invalid_json"),
    (errors.Invalid("body", "must be at most", code="body_too_large"), 413, "body_too_large"),
    (errors.Invalid("Content-Type", "must be", code="unsupported_media_type"), 415, "unsupported_media_type"),
    (errors.NotFound("there is none"), 404, "not_found"),
    (errors.ContentConflict("Idempotency-Key", "used before"), 422, "content_conflict"),
    (errors.ContentConflict("id", "used before"), 409, "content_conflict"),
    (errors.TooManySubmits("slower", 0.2), 429, "too_many_submits"),
    (errors.CursorExpired("too old"), 410, "cursor_expired"),
    (errors.NotCancellable("it may have been posted"), 409, "not_cancellable"),
    (errors.CleanupForbidden("not here"), 403, "cleanup_forbidden"),
    (errors.Unavailable("not now"), 503, "unavailable"),
    (errors.StoreUnavailable("Redis is away"), 503, "redis_unavailable"),
    (errors.StoreRefuses("Redis takes no writes"), 503, "redis_unavailable"),
    (errors.SettleLost("Redis is away"), 503, "redis_unavailable"),
    (errors.RecordUnreadable("a newer version's"), 503, "record_unreadable"),
    (errors.Overloaded("full", 1), 503, "overloaded"),
    (errors.NotDurable("appendonly is 'no'"), 503, "redis_not_durable"),
]


class _Raising:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def on_get(self, _request: falcon.Request, _response: falcon.Response) -> None:
        raise self._error


def answer(error: Exception) -> falcon.testing.Result:
    app: falcon.App[Any, Any] = falcon.App()
    problems.install(app)
    app.add_route("/", _Raising(error))
    return falcon.testing.TestClient(app).simulate_get("/")


def classes(module: Any, base: type) -> list[type]:
    return [found for _, found in inspect.getmembers(module, inspect.isclass) if issubclass(found, base)]


def test_every_error_of_ours_is_in_the_table() -> None:
    assert {type(error) for error, _, _ in ERRORS} == set(classes(errors, TxnError))


@pytest.mark.parametrize(("error", "status", "code"), ERRORS, ids=lambda value: str(value))
def test_every_error_of_ours_is_a_problem_document(error: TxnError, status: int, code: str) -> None:
    result = answer(error)
    assert result.status_code == status
    assert result.headers["Content-Type"] == "application/problem+json"
    problem = result.json
    assert (problem["status"], problem["code"], problem["detail"]) == (status, code, str(error))
    assert (problem["type"], problem["title"]) == ("about:blank", http.HTTPStatus(status).phrase)
    assert problem.get("field") == getattr(error, "field", None)


@pytest.mark.parametrize("error", [error for error, status, _ in ERRORS if status == 503], ids=str)
def test_whoever_is_sent_away_is_told_when_and_how_to_come_back(error: TxnError) -> None:
    result = answer(error)
    assert result.headers["Retry-After"] == "1"
    assert "Idempotency-Key" in result.json["hint"]


@pytest.mark.parametrize(
    ("error", "header"), [(errors.Overloaded("full", 7), "7"), (errors.TooManySubmits("slower", 1.2), "2")], ids=str
)
def test_whoever_comes_too_often_is_told_how_long_it_takes(error: TxnError, header: str) -> None:
    assert answer(error).headers["Retry-After"] == header


@pytest.mark.parametrize("error", [error for error, status, _ in ERRORS if status not in (429, 503)], ids=str)
def test_nobody_else_is_told_to_come_back(error: TxnError) -> None:
    result = answer(error)
    assert "Retry-After" not in result.headers
    assert "hint" not in result.json


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (falcon.HTTPNotFound(), 404, "not_found"),
        (falcon.HTTPRouteNotFound(), 404, "not_found"),
        (falcon.HTTPMethodNotAllowed(["GET", "POST"]), 405, "method_not_allowed"),
        (falcon.HTTPBadRequest(title="x", description="y"), 400, "bad_request"),
        (falcon.HTTPInvalidHeader("y", "Content-Length"), 400, "bad_request"),
        (falcon.HTTPUnauthorized(challenges=["Bearer"]), 401, "unauthorized"),
        (falcon.HTTPForbidden(), 403, "forbidden"),
        (falcon.HTTPContentTooLarge(), 413, "body_too_large"),
        (falcon.HTTPUnsupportedMediaType(), 415, "unsupported_media_type"),
        (falcon.HTTPGone(), 410, "bad_request"),
        (falcon.HTTPTooManyRequests(retry_after=3), 429, "bad_request"),
        (falcon.HTTPServiceUnavailable(retry_after=3), 503, "unavailable"),
        (falcon.HTTPInternalServerError(), 500, "internal"),
    ],
    ids=lambda value: str(value),
)
def test_every_error_of_falcon_is_a_problem_document(error: falcon.HTTPError, status: int, code: str) -> None:
    result = answer(error)
    assert result.status_code == status
    assert result.headers["Content-Type"] == "application/problem+json"
    assert (result.json["status"], result.json["code"]) == (status, code)
    assert result.json["detail"]
    for name, value in dict(error.headers or {}).items():
        assert result.headers[name] == value


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("secret"), KeyError("secret"), redis.ResponseError("secret")], ids=repr
)
def test_any_other_error_is_logged_and_tells_the_client_nothing(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    result = answer(error)
    assert result.status_code == 500
    assert result.headers["Content-Type"] == "application/problem+json"
    assert result.json["code"] == "internal"
    assert "secret" not in result.text
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_a_problem_can_carry_any_text() -> None:
    problem = answer(errors.Invalid("<b>\x00é", 'say "no"\n')).json
    assert (problem["field"], problem["detail"]) == ("<b>\x00é", 'say "no"\n')


# --- errors of Redis

ADDRESS = "Error 111 connecting to 10.1.2.3:6379. user:hunter2@redis"


def made(kind: type[redis.RedisError], text: str) -> redis.RedisError:
    error = kind.__new__(kind)
    Exception.__init__(error, text)
    return error


def redis_errors() -> list[type[redis.RedisError]]:
    found = {*classes(redis.exceptions, redis.RedisError), *classes(redis, redis.RedisError)}
    return sorted(found, key=lambda kind: kind.__name__)


def test_the_tree_of_redis_errors_was_found() -> None:
    assert {redis.RedisError, redis.ConnectionError, redis.TimeoutError, redis.ResponseError} < set(redis_errors())
    assert len(redis_errors()) > 20


@pytest.mark.parametrize("text", ["", "\n", "MISCONF Errors writing to the AOF file\r\nmore", "x" * 10_000, "é"])
@pytest.mark.parametrize("kind", redis_errors(), ids=lambda kind: kind.__name__)
def test_every_error_of_redis_means_that_the_store_is_unavailable(kind: type[redis.RedisError], text: str) -> None:
    ours = unavailable(made(kind, text))
    assert isinstance(ours, StoreUnavailable)
    assert str(ours)
    assert "\n" not in str(ours)
    assert len(str(ours)) < 300


@pytest.mark.parametrize("kind", [kind for kind in redis_errors() if issubclass(kind, redis.ConnectionError)])
def test_no_error_of_a_connection_shows_the_address_or_the_password(kind: type[redis.RedisError]) -> None:
    shown = str(unavailable(made(kind, ADDRESS)))
    assert "10.1.2.3" not in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (redis.TimeoutError("Timeout reading from socket"), "in time"),
        (redis.ConnectionError(ADDRESS), "cannot be reached"),
        (redis.AuthenticationError("WRONGPASS invalid username-password pair"), "credentials"),
        (redis.ReadOnlyError("You can't write against a read only replica."), "read only"),
        (redis.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "maxmemory"),
        (redis.ResponseError("MISCONF Errors writing to the AOF file: No space left"), "No space left"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_redis_says_helps_the_one_who_has_to_mend_it(error: redis.RedisError, said: str) -> None:
    assert said in str(unavailable(error))


@pytest.mark.parametrize("kind", redis_errors(), ids=lambda kind: kind.__name__)
def test_whatever_redis_says_can_be_sent_to_the_client(kind: type[redis.RedisError]) -> None:
    assert answer(unavailable(made(kind, "é\x00\n<b>"))).status_code == 503
