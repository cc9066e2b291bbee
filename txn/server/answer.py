"""What the application answers, put together so that it leaves in one piece."""

import http
import time
from collections.abc import Callable, Iterable, Mapping
from email.utils import formatdate
from typing import Any

from txn.server import request_id
from txn.server.problem import PROBLEM_JSON, Malformed, problem

Headers = list[tuple[str, str]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

#: Of every answer: nobody keeps it or guesses its type, and no page of ours tells others its address.
STRICT: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Answer:
    """Status, headers and body. `start` and `write` are WSGI's `start_response` and what that returns."""

    def __init__(self) -> None:
        self.status, self.headers = "", Headers()
        self.parts: list[bytes] = []

    def start(self, status: str, headers: Headers, exc_info: object = None) -> Callable[[bytes], None]:
        """Nothing has left before the end: an application may always think again, if it has `exc_info`."""
        if self.status and not exc_info:
            raise AssertionError("the answer has begun already")
        self.status, self.headers = status, headers
        return self.parts.append

    def encode(self, method: str, *, keeps_alive: bool) -> bytes:
        """All of it, as it goes to the client. Raises: ValueError, if a header would not be one line of latin-1."""
        lines, body = [f"{name}: {value}" for name, value in self.headers], b"".join(self.parts)
        without_body = self.status.startswith(("1", "204", "304"))
        if not (without_body or any(name.lower() == "content-length" for name, _ in self.headers)):
            lines.append(f"Content-Length: {len(body)}")
        connection = "keep-alive" if keeps_alive else "close"
        lines = [f"HTTP/1.1 {self.status}", f"Date: {_date()}", f"Connection: {connection}", *lines]
        text = "\r\n".join(lines)
        if text.count("\r") != len(lines) - 1 or text.count("\n") != len(lines) - 1:
            raise ValueError("a header of the answer holds a line break")
        return text.encode("latin-1") + b"\r\n\r\n" + (b"" if without_body or method == "HEAD" else body)


def ask(application: Wsgi, environ: dict[str, Any]) -> Answer:
    """The application's answer. Raises: whatever it raises."""
    answer = Answer()
    parts = application(environ, answer.start)
    try:
        answer.parts.extend(parts)
    finally:
        if close := getattr(parts, "close", None):
            close()
    return answer


def refusal(error: Malformed) -> Answer:
    """The server's own answer, as a problem document."""
    answer = Answer()
    own_id = request_id.REQUEST_ID.get() or request_id.new()
    headers = [("Content-Type", PROBLEM_JSON), *STRICT.items(), (request_id.HEADER, own_id)]
    answer.start(f"{error.status} {http.HTTPStatus(error.status).phrase}", headers)
    answer.parts.append(problem(error.status, error.code, error.detail))
    return answer


_dated = (0, "")


def _date() -> str:
    global _dated
    second = int(time.time())
    if _dated[0] != second:
        _dated = (second, formatdate(second, usegmt=True))
    return _dated[1]
