"""Clients that send more than is their due, and a good one beside them."""

import json
import socket
import time

import pytest
import requests

from tests.hostile import attacks
from tests.hostile.rig import Swarm, good_client, workers
from tests.hostile.test_connections import ELSEWHERE, LEAST
from tests.system.stack import BODY, Stack, stack_fixture

pytestmark = pytest.mark.timeout(300)

#: Submits a second of one client: twice what the good one sends.
ALLOWED = 100

stack = stack_fixture({"WEB_CONCURRENCY": "1"})


@pytest.mark.parametrize("seconds", [3, pytest.param(40, marks=pytest.mark.long)])
@pytest.mark.parametrize("stack", [{"TXN_CLIENT_SUBMITS_PER_SECOND": str(ALLOWED)}], indirect=True, ids=["rate"])
def test_a_client_that_floods_is_limited_and_a_good_one_is_let_in(stack: Stack, seconds: float) -> None:
    before, began = workers(stack), time.monotonic()
    with Swarm(stack.api_port, attacks.submits, 20, ELSEWHERE), good_client(stack, LEAST) as figures:
        stack.until(lambda: time.monotonic() - began > seconds, "it has gone on for a while", 120)
    took_s = time.monotonic() - began
    print(json.dumps(figures))
    assert figures["answered"] == figures["sent"] >= LEAST
    assert "429" not in figures["found"]
    flooded = stack.count("accepted") - figures["answered"]
    assert 0 < flooded <= ALLOWED * (took_s + 2)
    stack.until(lambda: stack.count("shed:rate") > 0, "what was refused is counted")
    assert workers(stack) == before


@pytest.mark.parametrize("stack", [{"TXN_MAX_UNFINISHED": "20"}], indirect=True, ids=["unfinished"])
def test_a_submit_above_the_limit_is_refused_at_once_and_what_was_accepted_is_delivered(stack: Stack) -> None:
    accepted = stack.submit_many(20)
    stack.until(lambda: stack.health().get("status") == "unhealthy", "it is known")
    with requests.Session() as client, Swarm(stack.api_port, attacks.submits, 5, ELSEWHERE):
        took_ms = sorted(refused_ms(stack, client) for _ in range(200))
    print(f"refused in p50 {took_ms[100]:.1f} ms, p99 {took_ms[198]:.1f} ms")
    assert stack.count("accepted") == len(accepted)
    stack.start_worker()
    stack.until(
        lambda: requests.post(f"{stack.url}/api/transactions", json=BODY, timeout=60).status_code == 202, "room"
    )
    stack.until_quiet()
    stack.check_ledger(accepted)


def refused_ms(stack: Stack, client: requests.Session) -> float:
    began = time.perf_counter()
    answer = client.post(f"{stack.url}/api/transactions", data=b"{", timeout=60)
    took_ms = (time.perf_counter() - began) * 1000
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert int(answer.headers["Retry-After"]) > 0
    return took_ms


@pytest.mark.parametrize("stack", [{"TXN_MAX_UNFINISHED": "1"}], indirect=True, ids=["unfinished"])
def test_a_large_body_is_not_waited_for(stack: Stack) -> None:
    stack.submit()
    stack.until(lambda: stack.health().get("status") == "unhealthy", "it is known")
    with socket.create_connection(("127.0.0.1", stack.api_port), 30) as client:
        client.sendall(attacks.POST + b"Content-Length: 60000\r\n\r\n")
        assert client.recv(12, socket.MSG_WAITALL) == b"HTTP/1.1 503"
