"""A client that holds every answer against /openapi.json."""

import re
from typing import Any

from falcon.testing import Result, TestClient
from jsonschema import Draft202012Validator, FormatChecker

from txn.api.openapi import document


def operation(method: str, path: str) -> dict[str, Any] | None:
    """What the document says of a request, or None. A path of letters goes before one with a parameter."""
    paths = document()["paths"]
    for template in sorted(paths, key=lambda one: "{" in one):
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
            found: dict[str, Any] | None = paths[template].get(method.lower())
            return found
    return None


def check(method: str, path: str, result: Result) -> None:
    """Raises: AssertionError, jsonschema's ValidationError."""
    said = operation("GET" if method == "HEAD" else method, path.partition("?")[0])
    if method in ("HEAD", "OPTIONS"):
        return
    if said is None:
        assert result.headers["content-type"] == "application/problem+json"
        answer: Any = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    else:
        answer = said["responses"].get(str(result.status_code), said["responses"]["default"])
    media_type = result.headers["content-type"].partition(";")[0]
    if media_type == "application/openmetrics-text":
        return
    assert media_type in answer["content"], f"{method} {path} {result.status_code}: {media_type}"
    if media_type.endswith("json"):
        schema = {"components": document()["components"]} | answer["content"][media_type].get("schema", {})
        Draft202012Validator(schema, format_checker=FormatChecker()).validate(result.json)


class Conforming(TestClient):
    def simulate_request(self, *arguments: Any, **words: Any) -> Result:
        result = super().simulate_request(*arguments, **words)
        method, path = [*arguments, "GET", "/"][:2]
        check(words.get("method", method), words.get("path", path), result)
        return result
