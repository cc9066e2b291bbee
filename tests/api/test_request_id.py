import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from falcon.testing import TestClient

from tests.api.client import problem, status, submit, with_id
from tests.parts import Parts
from txn.logs.setup import formatter
from txn.server.answer import refusal
from txn.server.problem import Malformed
from txn.server.request_id import REQUEST_ID, stamp


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    """Lines as `configure` has them written."""
    found: list[dict[str, Any]] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(json.loads(self.format(record)))

    handler = Lines()
    handler.setFormatter(formatter(text=False))
    handler.addFilter(stamp)
    logging.getLogger().addHandler(handler)
    yield found
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize("sent", ["a", "5f0c-11.x:y/z=~!", "x" * 128])
def test_a_request_keeps_the_id_that_its_client_chose(api: TestClient, sent: str) -> None:
    assert submit(api, **{"X-Request-Id": sent}).headers["X-Request-Id"] == sent
    assert status(api, "nobody").headers["X-Request-Id"] != sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "a, a", 'a"b', "it's", "\xe9", "a\tb"])
def test_what_is_no_id_is_replaced_and_refuses_nothing(api: TestClient, sent: str) -> None:
    result = submit(api, **{"X-Request-Id": sent})
    assert result.status_code == 202
    assert result.headers["X-Request-Id"] != sent
    assert len(result.headers["X-Request-Id"]) == 32


@pytest.mark.parametrize("path", ["/", "/nowhere", "/livez", "/api/transactions/a/b", "/metrics", "/docs"])
def test_every_answer_has_one_and_each_another(api: TestClient, path: str) -> None:
    first, second = (api.simulate_get(path).headers["X-Request-Id"] for _ in range(2))
    assert len(first) == 32
    assert first != second
    assert api.simulate_get(path, headers={"X-Request-Id": "mine"}).headers["X-Request-Id"] == "mine"


def test_it_is_in_a_problem_document_s_head_and_in_the_log_lines_of_its_request(
    api: TestClient, parts: Parts, raw: redis.Redis, logged: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(api, with_id("a"))

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(parts.store, "read", fails)
    for sent in ("first", "second"):
        result = api.simulate_get("/api/transactions/a", headers={"X-Request-Id": sent})
        problem(result, 500, "internal")
        assert result.headers["X-Request-Id"] == sent
    assert [line["request_id"] for line in logged if "unexpected error" in line["event"]] == ["first", "second"]


def test_a_line_that_is_about_no_request_names_none(logged: list[dict[str, Any]]) -> None:
    token = REQUEST_ID.set("")
    logging.getLogger("txn.state").warning("Redis is away")
    REQUEST_ID.reset(token)
    assert "request_id" not in logged[0]


def test_the_server_s_own_answers_have_one_too() -> None:
    REQUEST_ID.set("")
    first, second = (dict(refusal(Malformed(400, "bad_request", "no")).headers) for _ in range(2))
    assert len(first["X-Request-Id"]) == 32
    assert first["X-Request-Id"] != second["X-Request-Id"]
    assert (first["Cache-Control"], first["X-Content-Type-Options"], first["Referrer-Policy"]) == (
        "no-store",
        "nosniff",
        "no-referrer",
    )
