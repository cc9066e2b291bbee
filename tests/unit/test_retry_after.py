from collections.abc import Callable, Mapping

import pytest

from txn.posting.service import NotPosted, PostingService
from txn.posting.transport import Answer, always


class Throttling:
    """A transport whose every answer is a 429 with this header."""

    def __init__(self, retry_after: str) -> None:
        self._retry_after = retry_after

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
        return Answer(429, {"retry-after": self._retry_after}, b"")

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("7", 7_000),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90_000),
        ("Thu, 01 Jan 1970 00:00:05 GMT", 0),
        ("soon", 0),
        ("-1", 0),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", 0),
    ],
)
def test_a_wait_is_read_or_there_is_none(text: str, ms: int) -> None:
    service = PostingService(Throttling(text), 1_000, wall_s=lambda: 10.0)
    result = service.post("a", b"{}", 0, lambda: True)
    assert isinstance(result, NotPosted)
    assert result.retry_after_ms == ms
