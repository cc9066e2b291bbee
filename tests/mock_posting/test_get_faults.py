import time

import pytest
import requests

from ops.mock_posting.client import MockPosting
from ops.mock_posting.faults import GetFault
from ops.waiting import until
from tests.mock_posting.caller import Caller, row, until_stats


def get(http: requests.Session, mock: MockPosting) -> requests.Response:
    return http.get(f"{mock.url}/transactions/a", timeout=60)


@pytest.fixture(autouse=True)
def written(http: requests.Session, mock: MockPosting) -> None:
    http.post(f"{mock.url}/transactions", json=row("a"), timeout=60).raise_for_status()


@pytest.mark.parametrize(
    ("fault", "status"), [("fail", 500), ("missing", 404), ("throttle", 429), ("unavailable", 503)]
)
def test_a_scripted_get_is_answered_as_scripted_and_the_next_one_is_fine(
    http: requests.Session, mock: MockPosting, fault: GetFault, status: int
) -> None:
    mock.script("a", get=["ok", fault])
    assert [get(http, mock).status_code for _ in range(3)] == [200, status, 200]


@pytest.mark.parametrize(
    ("fault", "said"), [("other_json", {"error": "not found"}), ("other_row", row("a") | {"id": "a-of-another"})]
)
def test_a_scripted_get_may_say_something_that_is_not_this_row(
    http: requests.Session, mock: MockPosting, fault: GetFault, said: dict[str, object]
) -> None:
    mock.script("a", get=[fault])
    answer = get(http, mock)
    assert (answer.status_code, answer.json()) == (200, said)
    assert get(http, mock).json()["id"] == "a"


def test_a_truncated_get_breaks_off(http: requests.Session, mock: MockPosting) -> None:
    mock.script("a", get=["truncate"])
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        get(http, mock)


def test_a_hanging_get_is_answered_when_released(mock: MockPosting) -> None:
    mock.script("a", get=["hang"])
    with Caller(mock).get("/transactions/a") as caller:
        until_stats(mock, gets=1)
        mock.release()
        assert caller.status() == 200


def test_a_rate_of_failing_gets_leaves_posts_alone(http: requests.Session, mock: MockPosting) -> None:
    mock.faults(get_fail=1)
    assert get(http, mock).status_code == 500
    assert http.post(f"{mock.url}/transactions", json=row("b"), timeout=60).status_code == 201


def test_a_stale_get_says_404_of_what_the_list_already_shows(http: requests.Session, mock: MockPosting) -> None:
    mock.reset()
    mock.faults(get_stale=1, stale_ms=3_600_000)
    http.post(f"{mock.url}/transactions", json=row("a"), timeout=60)
    found = get(http, mock)
    assert (found.status_code, found.json()) == (404, {"detail": "Transaction not found"})
    assert len(mock.rows()) == 1


def test_a_stale_get_finds_the_row_in_the_end(http: requests.Session, mock: MockPosting) -> None:
    mock.reset()
    mock.faults(get_stale=1, stale_ms=50)
    began = time.monotonic()
    http.post(f"{mock.url}/transactions", json=row("a"), timeout=60)
    until(lambda: get(http, mock).status_code == 200, "the row shows")
    assert time.monotonic() - began > 0.045


@pytest.mark.parametrize("path", ["/transactions/a", "/transactions", "/health"])
def test_latency_slows_every_call(http: requests.Session, mock: MockPosting, path: str) -> None:
    mock.faults(latency_ms=50)
    began = time.monotonic()
    assert http.get(mock.url + path, timeout=60).status_code == 200
    assert time.monotonic() - began > 0.045
