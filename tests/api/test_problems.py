import gzip
import io
import json
from typing import Any

import falcon
import falcon.testing
import pytest
import redis
from falcon.testing import TestClient

from tests.api.client import problem, status, submit, with_id
from tests.parts import BODY, Parts
from txn.errors import Unavailable

LIMIT = 64 * 1024
JSON = "application/json"


def padded(size: int) -> bytes:
    return BODY + b" " * (size - len(BODY))


class Answer(falcon.testing.StartResponseMock):
    body = b""


def served(api: TestClient, body: bytes, **environment: Any) -> Answer:
    # As a server hands it over: what the client says about the length, and a stream that ends by itself.
    request = falcon.testing.create_environ(path="/api/transactions", method="POST", headers={"Content-Type": JSON})
    request.pop("CONTENT_LENGTH", None)
    request |= {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True} | environment
    answer = Answer()
    application: Any = api.app
    answer.body = b"".join(application(request, answer))
    return answer


def chunked(api: TestClient, body: bytes) -> Answer:
    return served(api, body, HTTP_TRANSFER_ENCODING="chunked")


@pytest.mark.parametrize(
    "path", ["/swagger", "/index.html", "/api", "/api/", "/api/nowhere", "/api/transactionsx", "/api/health/x"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_path_is_404(api: TestClient, method: str, path: str) -> None:
    document = problem(api.simulate_request(method, path), 404, "not_found")
    assert document["detail"] == "there is nothing at this path; GET / lists what there is"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/transactions", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("/api/transactions/a", {"GET", "HEAD", "OPTIONS"}),
        ("/api/health", {"GET", "HEAD", "OPTIONS"}),
        ("/", {"GET", "HEAD", "OPTIONS"}),
        ("/livez", {"GET", "HEAD", "OPTIONS"}),
        ("/api/cleanup", {"POST", "OPTIONS"}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_a_method_that_a_path_does_not_have_is_405_with_what_it_has(
    api: TestClient, path: str, allowed: set[str], method: str
) -> None:
    result = api.simulate_request(method, path)
    if method in allowed:
        assert result.status_code != 405
    else:
        assert result.status_code == 405
        if method != "HEAD":
            document = problem(result, 405, "method_not_allowed")
            assert document["detail"] == f"this path takes no {method}; the header Allow names what it takes"
        assert set(result.headers["Allow"].split(", ")) == allowed


def test_all_fields_that_are_wrong_are_named_and_the_first_stands_where_it_stood(api: TestClient) -> None:
    document = problem(
        submit(api, b'{"amount": 1.005, "currency": "USD", "memo": "x"}', key="k"), 400, "invalid", "amount"
    )
    assert document["detail"] == "must have at most 2 decimals in USD"
    assert document["errors"][0] == {"field": "amount", "detail": document["detail"]}
    assert [one["field"] for one in document["errors"]] == ["amount", "description", "memo"]


@pytest.mark.parametrize(
    "header", [{"X-Idempotency-Key": "a"}, {"Idempotency-Key": "a, b"}, {"Idempotency-Key": "a b"}]
)
def test_a_key_that_is_refused_is_named_beside_what_is_wrong_in_the_body(
    api: TestClient, header: dict[str, str]
) -> None:
    document = problem(submit(api, BODY.replace(b"100.50", b"-1"), **header), 400, "invalid", "Idempotency-Key")
    assert [one["field"] for one in document["errors"]] == ["Idempotency-Key", "amount"]


def test_a_single_fault_is_a_list_of_one(api: TestClient) -> None:
    document = problem(submit(api, b"{", key="k"), 400, "invalid_json", "body")
    assert document["errors"] == [{"field": "body", "detail": document["detail"]}]


def test_a_body_of_exactly_the_limit_is_accepted(api: TestClient) -> None:
    assert submit(api, padded(LIMIT)).status_code == 202


@pytest.mark.parametrize("size", [LIMIT + 1, 10 * LIMIT])
def test_a_body_over_the_limit_is_413(api: TestClient, size: int) -> None:
    problem(submit(api, padded(size)), 413, "body_too_large", "body")


def test_a_body_that_only_claims_to_be_over_the_limit_is_not_read(api: TestClient) -> None:
    answer = served(api, BODY, CONTENT_LENGTH=str(10**12))
    assert json.loads(answer.body)["code"] == "body_too_large"


def test_a_body_that_ends_before_its_length_is_400(api: TestClient) -> None:
    answer = served(api, BODY[:-1], CONTENT_LENGTH=str(len(BODY)))
    assert json.loads(answer.body)["code"] == "invalid_json"


def test_what_follows_the_length_is_not_read(api: TestClient) -> None:
    assert served(api, BODY + b"junk", CONTENT_LENGTH=str(len(BODY))).status == "202 Accepted"


def test_an_empty_length_is_no_length(api: TestClient) -> None:
    assert served(api, BODY, CONTENT_LENGTH="").status == "202 Accepted"


@pytest.mark.parametrize("length", ["-1", "x", "1.5"])
def test_a_length_that_is_no_length_is_400(api: TestClient, length: str) -> None:
    answer = served(api, BODY, CONTENT_LENGTH=length)
    assert answer.status == "400 Bad Request"
    assert answer.headers_dict["Content-Type"] == "application/problem+json"
    assert json.loads(answer.body)["code"] == "bad_request"


def test_a_chunked_body_up_to_the_limit_is_accepted(api: TestClient) -> None:
    assert chunked(api, BODY).status == "202 Accepted"
    assert chunked(api, padded(LIMIT)).status == "202 Accepted"


def test_a_chunked_body_over_the_limit_is_413_and_read_no_further(api: TestClient) -> None:
    body = io.BytesIO(padded(10 * LIMIT))
    answer = served(api, b"", HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input": body})
    assert body.tell() <= LIMIT + 1
    assert (answer.status or "").startswith("413 ")
    assert answer.headers_dict["Content-Type"] == "application/problem+json"
    assert json.loads(answer.body)["code"] == "body_too_large"


@pytest.mark.parametrize(
    "media_type",
    [
        *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml"),
        *("application/problem+json", "application/jsonx", "json", "text/json", "", ";application/json"),
    ],
)
def test_anything_but_json_is_415(api: TestClient, media_type: str) -> None:
    result = api.simulate_post("/api/transactions", body=BODY, headers={"Content-Type": media_type})
    problem(result, 415, "unsupported_media_type", "Content-Type")


def test_no_media_type_is_415(api: TestClient) -> None:
    problem(api.simulate_post("/api/transactions", body=BODY), 415, "unsupported_media_type", "Content-Type")


@pytest.mark.parametrize(
    "media_type",
    [
        JSON,
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/json ;v=1",
        'application/json; charset="UTF-8"',
    ],
)
def test_json_may_be_named_with_parameters(api: TestClient, media_type: str) -> None:
    result = api.simulate_post("/api/transactions", body=BODY, headers={"Content-Type": media_type})
    assert result.status_code == 202


@pytest.mark.parametrize("charset", ["utf-16", "UTF-16LE", "iso-8859-1", '"utf-16"', "latin1", "utf-7"])
def test_json_in_another_charset_is_415(api: TestClient, charset: str) -> None:
    headers = {"Content-Type": f"application/json; charset={charset}"}
    result = api.simulate_post("/api/transactions", body=BODY, headers=headers)
    assert "UTF-8" in problem(result, 415, "unsupported_media_type", "Content-Type")["detail"]


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "deflate", "br", "identity, gzip", "aws-chunked", "x"])
def test_a_compressed_body_is_415_and_its_header_is_named(api: TestClient, coding: str) -> None:
    result = submit(api, gzip.compress(BODY), **{"Content-Encoding": coding})
    problem(result, 415, "unsupported_media_type", "Content-Encoding")


@pytest.mark.parametrize("coding", ["identity", "Identity", "", "identity, identity"])
def test_a_body_that_is_said_to_be_as_it_is_is_taken(api: TestClient, coding: str) -> None:
    assert submit(api, **{"Content-Encoding": coding}).status_code == 202


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "/api/transactions", BODY, 202),
        ("POST", "/api/transactions", b"{", 400),
        ("POST", "/api/transactions", padded(LIMIT + 1), 413),
        ("GET", "/api/transactions/nobody", b"", 404),
        ("GET", "/api/transactions/a/b", b"", 400),
        ("GET", "/nowhere", b"", 404),
        ("DELETE", "/api/transactions", b"", 405),
        ("GET", "/api/health", b"", 200),
        ("POST", "/api/cleanup", b"", 403),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_no_answer_is_stored_or_taken_for_a_page(
    api: TestClient, method: str, path: str, body: bytes, expected: int
) -> None:
    result = api.simulate_request(method, path, body=body, headers={"Content-Type": JSON})
    assert result.status_code == expected
    assert result.headers["Cache-Control"] == "no-store"
    assert result.headers["X-Content-Type-Options"] == "nosniff"
    assert result.headers["Referrer-Policy"] == "no-referrer"
    assert result.headers["X-Request-Id"]
    assert result.headers["Content-Type"] in ("application/json", "application/problem+json")


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*", "application/xml;q=1, text/html", "x"])
def test_a_browser_gets_the_same_documents(api: TestClient, accept: str) -> None:
    problem(api.simulate_get("/nowhere", headers={"Accept": accept}), 404, "not_found")
    problem(submit(api, b"{", Accept=accept), 400, "invalid_json", "body")


def test_a_damaged_record_is_a_problem_and_not_an_answer(api: TestClient, parts: Parts, raw: redis.Redis) -> None:
    submit(api, with_id("a"))
    raw.hdel(parts.keys.record("a"), "submitted")
    problem(status(api, "a"), 503, "record_unreadable")
    raw.hset(parts.keys.record("a"), mapping={"submitted": 1, "status": "expired"})
    problem(status(api, "a"), 503, "record_unreadable")
    problem(submit(api, with_id("a")), 503, "record_unreadable")
    raw.delete(parts.keys.record("a"))
    raw.set(parts.keys.record("a"), "text")
    problem(status(api, "a"), 503, "redis_unavailable")
    problem(submit(api, with_id("a")), 503, "record_unreadable")


def test_whatever_is_unavailable_is_503_with_its_own_code(api: TestClient) -> None:
    class Unreadable(Unavailable):
        code = "record_unreadable"

    class Resource:
        def on_get(self, _request: falcon.Request, _response: falcon.Response) -> None:
            raise Unreadable("the record of a has a status that this version does not know")

    application: Any = api.app
    application.add_route("/unreadable", Resource())
    result = api.simulate_get("/unreadable")
    problem(result, 503, "record_unreadable")
    assert result.headers["Retry-After"] == "1"
