from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from tests.system.stack import BODY, Stack, stack_fixture

stack = stack_fixture(scope="module")


def test_the_same_batch_from_many_clients_at_once_is_delivered_once(stack: Stack) -> None:
    batch = [BODY | {"idempotencyKey": f"k{number}"} for number in range(40)]

    def send(_client: int) -> list[dict[str, Any]]:
        answer = requests.post(f"{stack.url}/api/transactions/batch", json=batch, timeout=30)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["results"]
        return found

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(send, range(8)))
    for same in zip(*told, strict=True):
        assert sorted(one["result"] for one in same) == ["created", *["replayed"] * 7]
        assert len({one["transaction"]["transactionId"] for one in same}) == 1
    ids = [one["transaction"]["transactionId"] for one in told[0]]
    stack.start_worker(1)
    stack.until(lambda: stack.count("completed") == len(ids), "all are completed")
    stack.check_ledger(ids)


def test_lines_in_chunks_are_a_batch_too(stack: Stack) -> None:
    lines = iter([b'{"id": "c1", "amount": 1, "currency": "USD",', b' "description": "x"}\n', b'{"id": "c2"}\n'])
    headers = {"Content-Type": "application/x-ndjson"}
    answer = requests.post(f"{stack.url}/api/transactions/batch", data=lines, headers=headers, timeout=30)
    assert [one["result"] for one in answer.json()["results"]] == ["created", "invalid"]
