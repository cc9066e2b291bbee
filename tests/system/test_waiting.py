import signal
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import requests

from tests.system.stack import Stack, stack_fixture

COUNT = 300
T = TypeVar("T")

stack = stack_fixture()


def read(stack: Stack, name: str) -> dict[str, Any]:
    while True:
        answer = requests.get(f"{stack.url}/api/transactions/{name}?wait=30", timeout=90)
        if answer.status_code != 503:  # else Redis stands still, and clients are told to ask again
            found: dict[str, Any] = answer.json()
            return found


def waiting_for(stack: Stack, pool: ThreadPoolExecutor, asked: Callable[[], T]) -> "Future[T]":
    """One that the API looks at the feed for."""
    while True:
        waiting = pool.submit(asked)
        stack.until(lambda: waits(stack) or waiting.done(), "somebody waits")  # noqa: B023 - it is over before the next
        if not waiting.done():
            return waiting


def waits(stack: Stack) -> bool:
    """Whether the API looks at the feed for somebody."""
    return any(client["cmd"] == "xread" for client in stack.client.client_list())


def test_whoever_waits_is_answered_and_the_feed_has_each_end_once_though_the_processes_are_killed(stack: Stack) -> None:
    told, over = list[dict[str, Any]](), threading.Event()

    def follow() -> None:
        cursor = ""
        while not (over.is_set() and len(told) >= COUNT):
            try:
                query = f"?wait=5&limit=50{cursor}"
                answer = requests.get(f"{stack.url}/api/events{query}", timeout=30)
            except requests.RequestException:
                continue
            if answer.status_code == 200:
                told.extend(answer.json()["events"])
                cursor = f"&after={answer.json()['cursor']}"

    stack.start_worker(1)
    follower = threading.Thread(target=follow)
    follower.start()
    try:
        ids = stack.submit_many(COUNT // 2, "a")
        stack.processes["api"].kill()
        stack.workers[0].kill()
        stack.start_api()
        stack.start_worker(1)
        ids += stack.submit_many(COUNT // 2, "b")
        with ThreadPoolExecutor(16) as pool:
            ends = [found["status"] for found in pool.map(lambda name: read(stack, name), ids)]
        assert Counter(ends) == {"completed": COUNT}
    finally:
        over.set()
        follower.join(60)
    assert Counter(event["transactionId"] for event in told) == dict.fromkeys(ids, 1)
    stack.check_ledger(ids)


def test_a_restart_of_redis_ends_no_wait_in_silence(stack: Stack) -> None:
    name = stack.submit("k")
    with ThreadPoolExecutor(1) as pool:
        url = f"{stack.url}/api/transactions/{name}?wait=30"
        waiting = waiting_for(stack, pool, lambda: requests.get(url, timeout=90))
        stack.redis_server.kill()
        stack.redis_server.start()
        stack.start_worker(1)
        answer = waiting.result(90)
    assert answer.status_code == 503 or answer.json()["status"] == "completed"
    assert read(stack, name)["status"] == "completed"


def test_an_api_that_is_to_end_answers_those_who_wait(stack: Stack) -> None:
    name = stack.submit("k")
    with ThreadPoolExecutor(1) as pool:
        url = f"{stack.url}/api/transactions/{name}?wait=30"
        waiting = waiting_for(stack, pool, lambda: requests.get(url, timeout=90))
        api = stack.processes["api"].popen
        assert api is not None
        api.send_signal(signal.SIGTERM)
        answer = waiting.result(60)
        assert answer.status_code == 503 or answer.json()["status"] == "pending"  # 503: Redis stands still
        assert api.wait(60) == 0


def test_those_who_wait_leave_room_for_the_others(stack: Stack) -> None:
    name = stack.submit("k")
    with ThreadPoolExecutor(300) as pool:
        waiting = [pool.submit(read, stack, name) for _ in range(300)]
        # Beyond those that may wait, all are answered at once.
        stack.until(lambda: sum(one.done() for one in waiting) == 50, "the others are answered")
        assert stack.submit("l") != name
        assert requests.get(f"{stack.url}/api/transactions/{name}", timeout=60).json()["status"] == "pending"
        stack.start_worker(1)
        assert Counter(one.result(60)["status"] for one in waiting) == {"completed": 250, "pending": 50}
