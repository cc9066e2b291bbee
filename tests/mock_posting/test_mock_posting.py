import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from ops.mock_posting.client import MockPosting
from ops.mock_posting.faults import FaultPlan, Faults
from ops.ports import free_port

ROOT = Path(__file__).parents[2]
ROW = {"id": "a", "amount": 100.5, "currency": "USD", "description": "x", "timestamp": "t", "metadata": {"k": 1}}


def post(mock: MockPosting, row: dict[str, Any] | None = None, timeout: float = 5) -> int:
    return requests.post(f"{mock.url}/transactions", json=row or ROW, timeout=timeout).status_code


def get(mock: MockPosting, name: str = "a") -> int:
    return requests.get(f"{mock.url}/transactions/{name}", timeout=5).status_code


def test_its_ids_are_not_unique_and_a_get_shows_the_first(mock: MockPosting) -> None:
    assert (get(mock), post(mock), post(mock, ROW | {"amount": 7})) == (404, 201, 201)
    assert [str(row["amount"]) for row in mock.rows()] == ["100.50", "7.00"]
    assert requests.get(f"{mock.url}/transactions/a", timeout=5).json()["amount"] == 100.5
    stats = mock.stats()
    assert (stats["rows"], stats["distinct"], stats["duplicates"], stats["duplicate_ids"]) == (2, 1, 1, ["a"])


def test_the_list_is_one_array_and_can_be_paged(mock: MockPosting) -> None:
    for number in range(5):
        post(mock, ROW | {"id": str(number)})
    assert len(requests.get(f"{mock.url}/transactions", timeout=5).json()) == 5
    page = requests.get(f"{mock.url}/transactions?offset=3&limit=1", timeout=5).json()
    assert [row["id"] for row in page] == ["3"]


def test_cleanup_empties_it(mock: MockPosting) -> None:
    post(mock)
    requests.post(f"{mock.url}/cleanup", timeout=5).raise_for_status()
    assert mock.rows() == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": 1}', b"not json"])
def test_what_is_no_row_is_refused(mock: MockPosting, body: bytes) -> None:
    assert requests.post(f"{mock.url}/transactions", data=body, timeout=5).status_code == 422
    assert mock.rows() == []


@pytest.mark.parametrize(
    ("fault", "status", "rows"),
    [
        ("fail_before", 500, 0),
        ("fail_after", 500, 1),
        ("reject", 400, 0),
        ("throttle", 429, 0),
        ("unavailable", 503, 0),
    ],
)
@pytest.mark.parametrize("scripted", [True, False])
def test_it_fails_before_or_after_the_write(
    mock: MockPosting, fault: Any, status: int, rows: int, scripted: bool
) -> None:
    if scripted:
        mock.script("a", post=[fault])
    else:
        mock.faults(**{fault: 1.0})
    assert (post(mock), len(mock.rows())) == (status, rows)


@pytest.mark.parametrize("status", ["throttle", "unavailable"])
def test_sending_away_says_for_how_long(mock: MockPosting, status: Any) -> None:
    mock.faults(retry_after_s=7)
    mock.script("a", post=[status])
    assert requests.post(f"{mock.url}/transactions", json=ROW, timeout=5).headers["Retry-After"] == "7"


def test_a_truncated_answer_breaks_off_after_the_write(mock: MockPosting) -> None:
    mock.script("a", post=["truncate"])
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        post(mock)
    assert len(mock.rows()) == 1


def test_a_late_write_survives_its_caller(mock: MockPosting) -> None:
    mock.script("a", post=["hang_until_released"])
    with pytest.raises(requests.Timeout):
        post(mock, timeout=0.1)
    assert (mock.rows(), mock.stats()["pending_late_writes"]) == ([], 1)
    mock.release()
    while mock.stats()["pending_late_writes"]:
        pass
    assert len(mock.rows()) == 1


def test_a_hanging_post_is_in_flight_only_while_its_caller_waits(mock: MockPosting) -> None:
    mock.script("a", post=["hang_until_released", "hang_until_released"])
    for _ in range(2):
        with pytest.raises(requests.Timeout):
            post(mock, timeout=0.1)
        while mock.stats()["in_flight"]:
            pass
    assert mock.stats()["max_posts_in_flight_of_one_id"] == 1


def test_two_posts_of_one_id_at_once_are_noticed(mock: MockPosting) -> None:
    mock.faults(hang_until_released=1.0)
    body = b'{"id":"a","amount":1,"currency":"USD","description":"x","timestamp":"t","metadata":{}}'
    request = b"POST /transactions HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    data_port = ("127.0.0.1", mock.port)
    with socket.create_connection(data_port) as one, socket.create_connection(data_port) as other:
        one.sendall(request)
        other.sendall(request)
        while mock.stats()["in_flight"] < 2:
            pass
    assert mock.stats()["max_posts_in_flight_of_one_id"] == 2


def test_a_get_fails_or_does_not_see_the_row_as_scripted(mock: MockPosting) -> None:
    post(mock)
    mock.script("a", get=["fail", "missing"])
    assert [get(mock) for _ in range(3)] == [500, 404, 200]


def test_a_stale_get_says_404_for_a_while_after_the_write(mock: MockPosting) -> None:
    mock.faults(get_stale=1.0, stale_ms=200)
    post(mock)
    assert get(mock) == 404
    while get(mock) == 404:
        pass
    assert get(mock) == 200


def test_down_refuses_connections_and_closes_open_ones_until_up(mock: MockPosting) -> None:
    with requests.Session() as session:
        session.get(f"{mock.url}/health", timeout=5).raise_for_status()
        mock.down()
        with pytest.raises(requests.ConnectionError):
            session.get(f"{mock.url}/health", timeout=5)
        mock.up()
        assert session.get(f"{mock.url}/health", timeout=5).status_code == 200


@pytest.mark.parametrize("wrong", [{"nonsense": 1.0}, {"fail_before": 2.0}, {"latency_ms": -1.0}])
def test_a_fault_that_is_none_is_refused_by_name(mock: MockPosting, wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        mock.faults(**wrong)


def test_faults_follow_from_seed_id_and_attempt() -> None:
    def drawn(seed: int) -> list[str]:
        plan = FaultPlan(seed, Faults(fail_before=0.3, fail_after=0.3))
        return [plan.for_post(str(number % 50)) for number in range(200)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert {"ok", "fail_before", "fail_after"} == set(drawn(1))


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ops.mock_posting", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_taken_port_is_said_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        process = start("--port", str(taken), "--control-port", str(free_port()))
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    assert f"port {taken}" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_also_while_it_hangs(number: signal.Signals) -> None:
    port = free_port()
    process = start("--port", str(port), "--control-port", str(free_port()), "--faults", "hang_until_released=1")
    assert process.stdout is not None
    assert f":{port}, control on" in process.stdout.readline()
    with pytest.raises(requests.Timeout):
        requests.post(f"http://127.0.0.1:{port}/transactions", json=ROW, timeout=0.1)
    process.send_signal(number)
    process.communicate(timeout=5)
    assert process.returncode == 0
