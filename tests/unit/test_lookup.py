from collections.abc import Callable, Mapping

import pytest

from txn.posting.service import PostingService, Unknown
from txn.posting.transport import Answer, always


class Answering:
    """A transport whose every answer is this one."""

    def __init__(self, status: int, body: bytes) -> None:
        self._answer = Answer(status, {}, body)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str],
        timeout_ms: int,
        may_send: Callable[[], bool] = always,
    ) -> Answer:
        return self._answer

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("status", "body", "detail"),
    [
        (200, b"<html>welcome</html>", "GET: answered 200 without the service's JSON: check TXN_POSTING_URL"),
        (200, b"[]", "GET: answered 200 without the service's JSON: check TXN_POSTING_URL"),
        (404, b"no such page", "GET: answered 404 without the service's JSON: check TXN_POSTING_URL"),
        (401, b"{}", "GET: answered 401: check TXN_POSTING_URL and its credentials"),
        (403, b"{}", "GET: answered 403: check TXN_POSTING_URL and its credentials"),
        (405, b"{}", "GET: answered 405: check TXN_POSTING_URL and its credentials"),
        (500, b"{}", "GET: answered 500"),
    ],
)
def test_an_answer_that_tells_nothing_about_the_row_says_what_to_look_at(status: int, body: bytes, detail: str) -> None:
    found = PostingService(Answering(status, body), 1_000).find("a", b"{}")
    assert found == Unknown(detail, status)
