import base64
import hashlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from falcon.testing import Result, TestClient
from jsonschema import Draft202012Validator, ValidationError

from tests.api.conforming import check, operation
from tests.api.test_keys import routes
from tests.callbacks.receiver import KEY
from tests.callbacks.rig import REJECTED, ended
from tests.parts import BODY, Parts
from txn.api.openapi import document
from txn.callbacks.sender import headers_of
from txn.model.content import loads
from txn.model.submission import parse_submission
from txn.store.callbacks import Callbacks, Room


def schema(name: str) -> Draft202012Validator:
    return Draft202012Validator({"components": document()["components"], "$ref": f"#/components/schemas/{name}"})


def test_the_document_is_served_and_is_openapi_3_1(api: TestClient) -> None:
    found = api.simulate_get("/openapi.json")
    assert (found.status_code, found.headers["content-type"]) == (200, "application/json")
    assert found.json == document()
    assert found.json["openapi"].startswith("3.1")
    for one in found.json["components"]["schemas"].values():
        Draft202012Validator.check_schema(one)


def test_it_says_something_of_every_route_and_of_nothing_else(api: TestClient) -> None:
    served = {(method, template.replace("transaction_id", "transactionId")) for method, template in routes(api.app)}
    said = {(method.upper(), path) for path, methods in document()["paths"].items() for method in methods}
    assert served == said


def test_every_reference_leads_somewhere() -> None:
    schemas = document()["components"]["schemas"]
    names = set(re.findall(r"#/components/schemas/(\w+)", str(document())))
    assert names
    assert names <= set(schemas)


@pytest.mark.parametrize(
    "body",
    [
        BODY,
        b'{"amount": "7.10", "currency": "USD", "description": "x", "metadata": null, "id": null, "timestamp": 7}',
        b'{"amount": 7, "currency": "JPY", "description": "x", "id": "a.b"}',
        b'{"amount": "7.00", "currency": "JPY", "description": "x"}',
    ],
)
def test_what_is_accepted_is_what_the_document_says(body: bytes) -> None:
    parse_submission(body)
    schema("NewTransaction").validate({**loads(body)})


@pytest.mark.parametrize(
    "changes",
    [
        *(
            {"amount": 0},
            {"amount": "1e3"},
            {"amount": 1e9},
            {"amount": None},
            {"currency": "XXY"},
            {"description": ""},
        ),
        *({"description": "x" * 256}, {"metadata": []}, {"id": ".."}, {"id": "a b"}, {"more": 1}),
        {"currency": "JPY", "amount": 1.5},
    ],
)
def test_what_is_refused_the_document_does_not_allow(api: TestClient, changes: dict[str, Any]) -> None:
    body = {"amount": 1, "currency": "USD", "description": "x"} | changes
    with pytest.raises(ValidationError):
        schema("NewTransaction").validate(body)
    assert api.simulate_post("/api/transactions", json=body).status_code == 400


def test_an_answer_that_is_not_as_the_document_says_is_noticed(api: TestClient) -> None:
    health = api.simulate_get("/api/health")
    with pytest.raises(ValidationError):
        check("GET", "/api/transactions/a", health)
    with pytest.raises(AssertionError):
        check("GET", "/nowhere", health)
    assert operation("GET", "/api/transactions/a") != operation("POST", "/api/transactions/batch")


def page(api: TestClient) -> Result:
    return api.simulate_get("/docs")


def test_the_page_names_every_path_shape_and_code(api: TestClient) -> None:
    text = page(api).text
    for name in (
        *document()["paths"],
        *document()["webhooks"],
        *document()["components"]["schemas"],
        "content_conflict",
    ):
        assert name in text


def test_a_callback_is_as_the_document_says(parts: Parts) -> None:
    ended(parts, "a", REJECTED)
    [callback] = Callbacks(parts.database).take("me", Room(1, 1, 1, 1, {}), 1, 1)
    webhook = document()["webhooks"]["transactionEnded"]["post"]
    told = webhook["requestBody"]["content"]["application/json"]["schema"]
    Draft202012Validator(told | {"components": document()["components"]}).validate(loads(callback.body()))
    headers = headers_of("name", (KEY,), 1, b"")
    assert {one["name"] for one in webhook["parameters"]} == {name for name in headers if name.startswith("webhook-")}


def test_the_page_needs_nothing_from_elsewhere_and_its_policy_allows_nothing(api: TestClient) -> None:
    found = page(api)
    [style] = re.findall(r"<style>(.*)</style>", found.text, re.DOTALL)
    policy = found.headers["content-security-policy"]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"<script|<img|<link|src=|https?://| on\w+=| style=", found.text)
    links = re.findall(r'href="#(\w+)"', found.text)
    assert links
    assert set(links) <= set(re.findall(r'id="(\w+)"', found.text))


def test_it_names_the_headers_that_say_whose_request_it_is() -> None:
    named = {
        found["operationId"]: {one["name"] for one in found["parameters"]}
        for methods in document()["paths"].values()
        for found in methods.values()
    }
    assert all("X-Request-Id" in names for names in named.values())
    assert {operation for operation, names in named.items() if "traceparent" in names} == {"submit", "submitBatch"}
    submitted = operation("POST", "/api/transactions")
    assert submitted is not None
    assert all("X-Request-Id" in answer["headers"] for answer in submitted["responses"].values())


def defaults(schema: Any) -> Iterator[dict[str, Any]]:
    """Each schema that has a default."""
    if isinstance(schema, dict):
        if schema.get("default") is not None and "properties" not in schema:
            yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for one in schema:
            yield from defaults(one)


def test_a_default_that_a_generated_client_sends_is_allowed() -> None:
    found = list(defaults(document()))
    assert len(found) > 3
    wrong = [one for one in found if "$ref" not in str(one) and not Draft202012Validator(one).is_valid(one["default"])]
    assert wrong == []
