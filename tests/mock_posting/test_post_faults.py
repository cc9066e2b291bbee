import time

import pytest
import requests

from ops.mock_posting.client import MockPosting
from ops.mock_posting.faults import PostFault
from tests.mock_posting.caller import Caller, row, until_stats


def post(http: requests.Session, mock: MockPosting, row_id: str = "a") -> requests.Response:
    return http.post(f"{mock.url}/transactions", json=row(row_id), timeout=60)


@pytest.mark.parametrize(
    ("fault", "status", "rows"),
    [
        ("ok", 201, 1),
        ("fail_before", 500, 0),
        ("fail_after", 500, 1),
        ("reject", 400, 0),
        ("throttle", 429, 0),
        ("unavailable", 503, 0),
        ("page", 200, 0),
        ("decline", 201, 0),
        ("bare", 201, 1),
        ("reject_after", 400, 1),
    ],
)
def test_a_scripted_post_is_answered_as_scripted_and_the_next_one_is_fine(
    http: requests.Session, mock: MockPosting, fault: PostFault, status: int, rows: int
) -> None:
    mock.script("a", post=[fault])
    assert (post(http, mock).status_code, len(mock.rows())) == (status, rows)
    assert (post(http, mock).status_code, len(mock.rows())) == (201, rows + 1)


@pytest.mark.parametrize("fault", ["fail_before", "fail_after", "reject", "throttle", "unavailable"])
def test_every_post_has_a_fault_whose_rate_is_1(http: requests.Session, mock: MockPosting, fault: str) -> None:
    mock.faults(**{fault: 1})
    assert {post(http, mock, f"n{number}").status_code for number in range(5)}.isdisjoint({200, 201})
    mock.faults()
    assert post(http, mock).status_code == 201


@pytest.mark.parametrize("fault", ["throttle", "unavailable"])
def test_a_refusal_says_when_to_come_back(http: requests.Session, mock: MockPosting, fault: str) -> None:
    mock.faults(**{fault: 1, "retry_after_s": 7})
    assert post(http, mock).headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("fault", "said"),
    [("page", b"<!doctype html>"), ("decline", b'{"status":"DECLINED","id":null}'), ("bare", b"")],
)
def test_an_answer_that_proves_nothing_carries_no_id(
    http: requests.Session, mock: MockPosting, fault: PostFault, said: bytes
) -> None:
    mock.script("a", post=[fault])
    answer = post(http, mock)
    assert answer.content.startswith(said)
    assert b'"a"' not in answer.content
    assert ("html" in answer.headers["Content-Type"]) == (fault == "page")


def test_an_answer_to_a_post_is_the_row_with_its_id(http: requests.Session, mock: MockPosting) -> None:
    assert post(http, mock).json() == mock.rows()[0] | {"amount": 100.5}


def test_a_rejection_gives_a_reason(http: requests.Session, mock: MockPosting) -> None:
    mock.script("a", post=["reject"])
    assert post(http, mock).json()["reason"]


def test_a_truncated_answer_promises_more_than_it_sends_and_the_row_is_there(
    http: requests.Session, mock: MockPosting
) -> None:
    mock.script("a", post=["truncate"])
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        post(http, mock)
    assert len(mock.rows()) == 1


def test_a_scripted_id_follows_no_rate_until_the_scripts_are_forgotten(
    http: requests.Session, mock: MockPosting
) -> None:
    mock.faults(fail_before=1)
    mock.script("a", post=["ok"])
    assert [post(http, mock).status_code for _ in range(3)] == [201, 201, 201]
    assert post(http, mock, "b").status_code == 500
    mock.forget_scripts()
    assert post(http, mock).status_code == 500


def test_what_hangs_until_released_is_neither_written_nor_answered_before(mock: MockPosting) -> None:
    mock.script("a", post=["hang_until_released"])
    with Caller(mock).post("a") as caller:
        until_stats(mock, in_flight=1, pending_late_writes=1)
        assert mock.rows() == []
        mock.release()
        assert caller.status() == 201
    until_stats(mock, rows=1, in_flight=0, pending_late_writes=0)


def test_what_hangs_is_written_after_its_caller_has_gone(mock: MockPosting) -> None:
    mock.script("a", post=["hang_until_released"])
    with Caller(mock).post("a"):
        until_stats(mock, in_flight=1)
    until_stats(mock, in_flight=0, pending_late_writes=1, rows=0)
    mock.release()
    until_stats(mock, rows=1, pending_late_writes=0)


def test_a_release_lets_go_only_what_hangs_by_then(mock: MockPosting) -> None:
    mock.faults(hang_until_released=1)
    with Caller(mock).post("a"), Caller(mock).post("b"):
        until_stats(mock, pending_late_writes=2)
        mock.release()
        until_stats(mock, rows=2)
        with Caller(mock).post("c"):
            until_stats(mock, pending_late_writes=1)
    assert mock.stats()["rows"] == 2


def test_a_timed_hang_writes_and_answers_late(mock: MockPosting) -> None:
    mock.faults(hang_write=1, hang_ms=60)
    began = time.monotonic()
    with Caller(mock).post("a") as caller:
        assert caller.status() == 201
    assert time.monotonic() - began > 0.055
    until_stats(mock, rows=1, pending_late_writes=0)


def test_a_timed_hang_is_written_although_nobody_waits_any_more(mock: MockPosting) -> None:
    mock.faults(hang_write=1, hang_min_ms=100, hang_max_ms=200)
    with Caller(mock).post("a"):
        until_stats(mock, posts=1)
    until_stats(mock, rows=1, in_flight=0, pending_late_writes=0)


def test_latency_comes_before_the_write_and_the_write_does_not_need_its_caller(mock: MockPosting) -> None:
    mock.faults(latency_ms=100)
    began = time.monotonic()
    with Caller(mock).post("a") as caller:
        assert caller.status() == 201
    assert time.monotonic() - began > 0.095
    mock.faults(latency_ms=2_000)  # long enough to be seen in it
    with Caller(mock).post("b"):
        until_stats(mock, in_flight=1, pending_late_writes=0)
    until_stats(mock, rows=2, in_flight=0, pending_late_writes=0)


def test_a_write_whose_caller_left_during_the_latency_counts_as_late(mock: MockPosting) -> None:
    mock.faults(latency_ms=3_600_000)
    with Caller(mock).post("a"):
        until_stats(mock, in_flight=1)
    until_stats(mock, in_flight=0, pending_late_writes=1, rows=0)


def test_a_failure_whose_caller_left_during_the_latency_is_no_late_write(mock: MockPosting) -> None:
    mock.faults(latency_ms=3_600_000, fail_before=1)
    with Caller(mock).post("a"):
        until_stats(mock, in_flight=1)
    until_stats(mock, in_flight=0, pending_late_writes=0)


def test_two_posts_of_one_id_at_once_are_seen(mock: MockPosting) -> None:
    mock.faults(hang_until_released=1)
    with Caller(mock).post("a"), Caller(mock).post("b"):
        until_stats(mock, in_flight=2, max_posts_in_flight_of_one_id=1)
        with Caller(mock).post("a"):
            until_stats(mock, in_flight=3, max_posts_in_flight_of_one_id=2)
    until_stats(mock, in_flight=0, pending_late_writes=3)


def test_a_post_after_one_whose_caller_was_seen_to_go_is_not_two_at_once(mock: MockPosting) -> None:
    mock.script("a", post=["hang_until_released"] * 5)
    for number in range(5):
        with Caller(mock).post("a"):
            until_stats(mock, posts=number + 1)
        until_stats(mock, in_flight=0)
    assert mock.stats()["max_posts_in_flight_of_one_id"] == 1


def test_posts_of_one_id_that_are_answered_in_turn_are_never_two_at_once(
    http: requests.Session, mock: MockPosting
) -> None:
    mock.faults(fail_after=0.3, hang_write=0.3, hang_ms=1)
    for _ in range(100):
        post(http, mock)
    assert mock.stats()["max_posts_in_flight_of_one_id"] == 1


def test_cleanup_does_not_stop_a_late_write_and_reset_does(http: requests.Session, mock: MockPosting) -> None:
    mock.script("a", post=["hang_until_released"] * 2)
    with Caller(mock).post("a") as caller:
        until_stats(mock, pending_late_writes=1)
        http.post(f"{mock.url}/cleanup", timeout=60)
        mock.release()
        assert caller.status() == 201
    assert len(mock.rows()) == 1
    with Caller(mock).post("a") as caller:
        until_stats(mock, pending_late_writes=1)
        mock.reset()
        assert caller.status() == 500
    mock.release()
    until_stats(mock, rows=0, posts=0, in_flight=0, pending_late_writes=0)
