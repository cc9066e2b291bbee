import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from ops.ports import free_port
from ops.stand import api_command, health
from tests.system.stack import BODY, Stack, stack_fixture
from txn.model.ids import id_for_key

THREADS = 200

stack = stack_fixture(scope="module")


@pytest.fixture(scope="module")
def other(stack: Stack) -> str:
    """Another API on the same Redis."""
    port = free_port()
    stack._start("other", api_command(port, module=stack.api_module))
    stack.until(lambda: health(port), "the other API answers")
    return f"http://127.0.0.1:{port}"


def all_at_once(key: str, urls: list[str]) -> list[requests.Response]:
    """Each thread on a connection that stands already, all of them together."""
    ready = threading.Barrier(THREADS, timeout=60)

    def submit(number: int) -> requests.Response:
        url = urls[number % len(urls)]
        with requests.Session() as session:
            session.get(f"{url}/livez", timeout=60)
            ready.wait()
            return session.post(f"{url}/api/transactions", json=BODY, headers={"Idempotency-Key": key}, timeout=60)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(submit, range(THREADS)))


@pytest.mark.parametrize("processes", [1, 2])
def test_of_200_submits_with_one_key_at_once_one_is_new(stack: Stack, other: str, processes: int) -> None:
    key, before = f"same-{processes}", stack.count("accepted")
    answers = all_at_once(key, [stack.url, other][:processes])
    assert Counter(answer.status_code for answer in answers) == {202: 1, 200: THREADS - 1}
    assert {answer.status_code for answer in answers if "Idempotent-Replayed" not in answer.headers} == {202}
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == THREADS - 1
    assert {answer.json()["transactionId"] for answer in answers} == {id_for_key(key)}
    assert len({answer.text for answer in answers}) == 1
    assert stack.count("accepted") == before + 1
    listed = requests.get(f"{stack.url}/api/transactions", timeout=60).json()["transactions"]
    assert sum(one["transactionId"] == id_for_key(key) for one in listed) == 1
