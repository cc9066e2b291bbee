"""Errors as `application/problem+json` (RFC 9457)."""

import http
import json
from typing import Any

from txn.server.codes import is_retryable

PROBLEM_JSON = "application/problem+json"


class Malformed(Exception):
    """A request that is answered by the server itself, after which its connection is closed.

    `detail` is a sentence of ours: never the client's bytes.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


def problem(status: int, code: str, detail: str, **extra: Any) -> bytes:
    """The document of an error; `code` is one of `CODES`."""
    document = {
        "type": "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "retryable": is_retryable(status, code),
        "detail": detail,
    }
    return json.dumps(document | extra).encode()
