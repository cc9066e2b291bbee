"""What one user does, once a second."""

import os
import random
import time

import gevent
from locust import FastHttpUser, task
from locust.contrib.fasthttp import ResponseContextManager

from ops.swarm.collected import Collected
from ops.swarm.traffic import PATH, Submission, wrong

collected = Collected()


class Client(FastHttpUser):
    """One request a second, whatever the others wait for: a stall of the API is felt by as many as in real life."""

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
