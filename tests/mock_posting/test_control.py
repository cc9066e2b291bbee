from typing import Any

import pytest
import requests

from ops.mock_posting.client import MockPosting
from ops.mock_posting.faults import Faults
from tests.mock_posting.caller import row


def test_put_faults_replaces_them_all(http: requests.Session, mock: MockPosting) -> None:
    mock.faults(fail_before=0.5, latency_ms=20)
    mock.faults(get_fail=0.25)
    found = http.get(f"{mock.control_url}/faults", timeout=60).json()
    assert found == Faults(get_fail=0.25).model_dump()


def test_wrong_faults_are_refused_and_change_nothing(http: requests.Session, mock: MockPosting) -> None:
    mock.faults(fail_before=0.5)
    answer = http.put(f"{mock.control_url}/faults", json={"latency": 5}, timeout=60)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("latency: unknown (known: fail_before, fail_after,")
    assert http.get(f"{mock.control_url}/faults", timeout=60).json()["fail_before"] == 0.5
    with pytest.raises(ValueError, match="fail_befor: unknown"):
        mock.faults(fail_befor=0.5)


@pytest.mark.parametrize("body", [b"", b"{", b"fail_before=0.5"])
def test_faults_that_are_not_json_are_refused(http: requests.Session, mock: MockPosting, body: bytes) -> None:
    answer = http.put(f"{mock.control_url}/faults", data=body, timeout=60)
    assert (answer.status_code, "not JSON" in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ({"post": ["explode"]}, "post.0: "),
        ({"get": ["ok", "fail_before"]}, "get.1: "),
        ({"posts": []}, "posts: unknown"),
        ({"post": "reject"}, "post: "),
    ],
)
def test_a_wrong_script_is_refused(http: requests.Session, mock: MockPosting, script: Any, named: str) -> None:
    answer = http.put(f"{mock.control_url}/script/a", json=script, timeout=60)
    assert answer.status_code == 400
    assert named in answer.json()["detail"]


@pytest.mark.parametrize("row_id", ["a.b:c_d-e", "with space", "\u00e9", "100%41"])
def test_a_script_finds_its_id_whatever_it_is_called(http: requests.Session, mock: MockPosting, row_id: str) -> None:
    mock.script(row_id, post=["reject"])
    assert http.post(f"{mock.url}/transactions", json=row(row_id), timeout=60).status_code == 400


def test_statistics_count_what_was_read(http: requests.Session, mock: MockPosting) -> None:
    for name in ("a", "a", "b"):
        http.post(f"{mock.url}/transactions", json=row(name), timeout=60)
    http.get(f"{mock.url}/transactions/a", timeout=60)
    http.get(f"{mock.url}/transactions", timeout=60)
    assert mock.stats() == {
        "rows": 3,
        "distinct": 2,
        "duplicates": 1,
        "duplicate_ids": ["a"],
        "posts": 3,
        "gets": 1,
        "max_posts_in_flight": 1,
        "max_posts_in_flight_of_one_id": 1,
        "in_flight": 0,
        "pending_late_writes": 0,
    }


def test_reset_forgets_everything_and_opens_the_data_port(http: requests.Session, mock: MockPosting) -> None:
    empty = mock.stats()
    mock.script("a", post=["ok", "reject"])
    http.post(f"{mock.url}/transactions", json=row("a"), timeout=60)
    mock.faults(fail_before=1)
    mock.down()
    mock.reset()
    assert mock.stats() == empty
    assert [http.post(f"{mock.url}/transactions", json=row("a"), timeout=60).status_code for _ in range(3)] == [201] * 3


def test_what_is_not_there_is_404_as_json(http: requests.Session, mock: MockPosting) -> None:
    for url in (mock.url, mock.control_url):
        answer = http.get(f"{url}/nothing", timeout=60)
        assert (answer.status_code, "detail" in answer.json()) == (404, True)
