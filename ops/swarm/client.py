"""What one user does, once a second, and what the process of many users knows beside locust's own statistics."""

import os
import random
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import gevent
from locust import FastHttpUser, task
from locust.contrib.fasthttp import ResponseContextManager

from ops.swarm.traffic import PATH, Submission, wrong

#: Acknowledged transactions that users ask about and repeat.
RECENT = 2_000
LOOK_S = 0.05


class Collected:
    """Acknowledged ids, and how late this process was when it wanted to run, in ms: workers hand both to the master."""

    def __init__(self) -> None:
        self.running = False
        self.clear()

    def clear(self) -> None:
        """A new run begins."""
        self.acknowledged: list[str] = []
        self.late_ms: list[float] = []
        self._recent = deque[tuple[Submission, str]](maxlen=RECENT)

    def accepted(self, sent: Submission, transaction: str) -> None:
        """A new one was acknowledged."""
        self.acknowledged.append(transaction)
        self._recent.append((sent, transaction))

    def earlier(self) -> tuple[Submission, str] | None:
        """One that was acknowledged before, and its id."""
        return random.choice(self._recent) if self._recent else None

    def hand_over(self, data: dict[str, Any]) -> None:
        """Put what is new into a worker's report."""
        data["acknowledged"], data["late_ms"] = self.acknowledged, self.late_ms
        self.acknowledged, self.late_ms = [], []

    def take(self, data: Mapping[str, Any]) -> None:
        """What a worker reports."""
        self.acknowledged += data.get("acknowledged", [])
        self.late_ms += data.get("late_ms", [])

    def look_at_the_clock(self) -> None:
        """For ever: a generator that is itself late measures itself and not the API."""
        while True:
            began = time.perf_counter()
            gevent.sleep(LOOK_S)
            self.late_ms.append((time.perf_counter() - began - LOOK_S) * 1_000)


collected = Collected()


class Client(FastHttpUser):
    """One request a second, whatever the others wait for: a stall of the API is felt by as many as in real life.

    Not on `txn.client`: that repeats a 503 until it goes well, and cannot send what is wrong. Here each answer counts.
    (It would also cost 1.0 ms of CPU a submit in place of 0.6 ms: an eighth of a core at 300 a second.)
    """

    host = os.environ.get("TXN_SWARM_HOST", "http://127.0.0.1:8000")
    connection_timeout = network_timeout = 10

    def on_start(self) -> None:
        """Users are started all at once, and are spread over a second here."""
        self._due = time.perf_counter() + random.random()
        gevent.sleep(self._due - time.perf_counter())

    def wait_time(self) -> float:
        """`constant_throughput` would count from the start, undo the spreading, and let all users act as one."""
        self._due += 1
        return max(0.0, self._due - time.perf_counter())

    @task(60)
    def submit(self) -> None:
        """A new transaction: 202."""
        sent = Submission()
        with self.client.post(
            PATH, data=sent.body(), headers=sent.headers, name="submit", catch_response=True
        ) as answer:
            if answer.status_code == 202:
                collected.accepted(sent, answer.json()["transactionId"])
            else:
                answer.failure(f"not 202 but {told(answer)}")

    @task(10)
    def repeat(self) -> None:
        """The same again: 200, and the same id."""
        if (earlier := collected.earlier()) is None:
            self.submit()
            return
        sent, transaction = earlier
        with self.client.post(
            PATH, data=sent.body(), headers=sent.headers, name="repeat", catch_response=True
        ) as answer:
            if answer.status_code != 200 or answer.headers.get("Idempotent-Replayed") != "true":
                answer.failure(f"not a replay but {told(answer)}")
            elif answer.json()["transactionId"] != transaction:
                answer.failure("another id than the first time")

    @task(25)
    def status(self) -> None:
        """One that was acknowledged: 200."""
        if (earlier := collected.earlier()) is None:
            self.submit()
            return
        with self.client.get(f"{PATH}/{earlier[1]}", name="status", catch_response=True) as answer:
            if answer.status_code != 200 or answer.json()["transactionId"] != earlier[1]:
                answer.failure(f"an acknowledged id, and not 200 but {told(answer)}")

    @task(5)
    def invalid(self) -> None:
        """What must be refused: a problem document with the right status and code."""
        earlier = collected.earlier()
        sent = wrong(earlier and earlier[0])
        with self.client.request(
            sent.method, sent.path, data=sent.body, headers=sent.headers, name="invalid", catch_response=True
        ) as answer:
            problem = (answer.headers or {}).get("Content-Type") == "application/problem+json"
            code = answer.json().get("code") if problem else None
            if (answer.status_code, code) == (sent.status, sent.code):
                answer.success()
            else:
                answer.failure(f"not {sent.status} {sent.code} but {told(answer)} {code or 'without a code'}")


def told(answer: ResponseContextManager) -> str:
    """The status, or why there is none."""
    return str(answer.status_code or f"no answer ({type(answer.error).__name__})")
