import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests.unit.answering import Answering
from txn.posting.results import NotPosted
from txn.posting.service import PostingService


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("7", 7_000),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90_000),
        ("Thu, 01 Jan 1970 00:00:05 GMT", 0),
        ("soon", 0),
        ("-1", 0),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", 0),
        # the three forms of an HTTP date, which is GMT, and what resembles them
        ("Thursday, 01-Jan-70 00:01:40 GMT", 90_000),
        ("Thu Jan  1 00:01:40 1970", 90_000),
        ("Thu Jan 1 00:01:40 1970", 90_000),
        ("Thu, 01 Jan 1970 00:01:40 -0000", 90_000),
        ("Thu, 01 Jan 1970 00:01:40 +0000", 90_000),
        ("Thu, 01 Jan 1970 00:01:40", 90_000),
        ("Thu, 01 Jan 1970 00:01:40 UTC", 90_000),
        ("Thu, 01 Jan 1970 01:01:40 +0100", 90_000),
        ("thu, 01 jan 1970 00:01:40 gmt", 90_000),
        (" 7 ", 7_000),
        ("007", 7_000),
        ("9" * 5_000, 999_999_999_000),
        ("7.5", 0),
        ("7, 8", 0),
        ("7s", 0),
        ("+7", 0),
        ("1e3", 0),
        ("\u0667", 0),
        ("\u00b2", 0),
        ("Thu, 31 Feb 1970 00:01:40 GMT", 0),
        ("Thu, 01 Jan 1970 24:61:99 GMT", 0),
        ("Thu, 01 Jan 99999 00:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 253_402_387_129_000),
        ("1970-01-01T00:01:40Z", 0),
        (",", 0),
        ("", 0),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_a_wait_is_read_or_there_is_none(text: str, ms: int, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    assert waits(text) == ms


@given(st.text(st.characters(max_codepoint=255)) | st.from_regex(r"[A-Za-z]{3},? [0-9 :A-Za-z+-]{0,30}"))
@examples(max_examples=500, deadline=None)
def test_nonsense_is_no_fault_of_ours(text: str) -> None:
    assert waits(text) >= 0


def waits(text: str) -> int:
    service = PostingService(Answering(429, b"", {"retry-after": text}), 1_000, wall_s=lambda: 10.0)
    result = service.post("a", b"{}", 0, lambda: True)
    assert isinstance(result, NotPosted)
    return result.retry_after_ms


@pytest.fixture(autouse=True)
def zone_as_before() -> Iterator[None]:
    yield
    time.tzset()
