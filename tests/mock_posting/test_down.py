import socket

import pytest
import requests

from ops.mock_posting.client import MockPosting
from tests.mock_posting.caller import Caller, row, until_stats


def test_down_refuses_new_connections_and_up_takes_them_on_the_same_port_with_the_same_rows(
    http: requests.Session, mock: MockPosting
) -> None:
    http.post(f"{mock.url}/transactions", json=row("a"), timeout=60)
    for _ in range(3):
        mock.down()
        with pytest.raises(ConnectionRefusedError):
            Caller(mock)
        mock.up()
        with Caller(mock).get("/transactions/a") as caller:
            assert caller.status() == 200
    assert len(mock.rows()) == 1


def test_down_closes_idle_connections_and_those_that_wait_for_an_answer(mock: MockPosting) -> None:
    mock.faults(hang_until_released=1)
    with Caller(mock) as silent, Caller(mock) as idle, Caller(mock) as waiting:
        assert idle.get("/health").status() == 200
        waiting.post("a")
        until_stats(mock, in_flight=1)
        mock.down()
        assert [silent.closed(), idle.closed(), waiting.closed()] == [True, True, True]
    until_stats(mock, in_flight=0)


def test_what_hangs_is_written_while_the_port_is_down(mock: MockPosting) -> None:
    mock.faults(hang_until_released=1)
    with Caller(mock).post("a"):
        until_stats(mock, pending_late_writes=1)
        mock.down()
        mock.release()
        until_stats(mock, rows=1, pending_late_writes=0)
    mock.up()
    assert len(mock.rows()) == 1


def test_down_and_up_may_be_repeated(mock: MockPosting) -> None:
    mock.up()
    mock.down()
    mock.down()
    mock.up()
    mock.up()
    assert mock.rows() == []


def test_up_on_a_port_that_somebody_else_has_taken_says_so_and_works_later(mock: MockPosting) -> None:
    mock.down()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", mock.port))
        other.listen()
        answer = requests.post(f"{mock.control_url}/up", timeout=60)
    assert (answer.status_code, f"port {mock.port} " in answer.json()["detail"]) == (409, True)
    mock.up()
    assert mock.rows() == []
