import os
import signal
import time

import pytest
import requests

from tests.system.stack import BODY, ShippedStack, Stack, stack_fixture

pytestmark = pytest.mark.timeout(300)

stack = stack_fixture({"WEB_CONCURRENCY": "1"}, kind=ShippedStack)


def test_a_redis_that_is_known_not_to_answer_is_not_waited_for(stack: Stack) -> None:
    stack.submit()
    assert stack.redis_server.process is not None
    pid = stack.redis_server.process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        stack.until(lambda: "Redis is away" in (stack.folder / "api.log").read_text(), "it is known")
        stack.until(lambda: quickest(stack) < 0.3, "a submit is refused without a wait")
    finally:
        os.kill(pid, signal.SIGCONT)
    stack.until(lambda: answer(stack).status_code == 202, "it is used again as soon as it answers")


def answer(stack: Stack) -> requests.Response:
    return requests.post(f"{stack.url}/api/transactions", json=BODY, timeout=30)


def quickest(stack: Stack) -> float:
    """The quickest of a few, in s: the machine may be slow, its patience with Redis is the same for all."""
    found = []
    for _ in range(10):
        began = time.monotonic()
        document = answer(stack)
        assert (document.status_code, document.json()["code"]) == (503, "redis_unavailable")
        found.append(time.monotonic() - began)
    return min(found)
