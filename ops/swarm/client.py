"""What one user does, once a second, and what the process of many users knows beside locust's own statistics."""

import os
import random
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gevent
import requests
from locust import User, task

from ops.swarm import ledger, traffic
from txn.client import Client as TxnClient
from txn.client import ClientError, Refused, Submission

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


class Failure(Exception):
    """Another answer than was promised."""


class Client(User):
    """One request a second, whatever the others wait for: a stall of the API is felt by as many as in real life.

    Through `txn.client`, as clients are told to; but without its patience, or a 503 would be repeated and not be seen.
    """

    host = os.environ.get("TXN_SWARM_HOST", "http://127.0.0.1:8000")

    def on_start(self) -> None:
        """Users are started all at once, and are spread over a second here."""
        self.client = TxnClient(self.host, ledger.api_key(), patience_s=0)
        self._due = time.perf_counter() + random.random()
        gevent.sleep(self._due - time.perf_counter())

    def on_stop(self) -> None:
        """Close the connection."""
        self.client.close()

    def wait_time(self) -> float:
        """`constant_throughput` would count from the start, undo the spreading, and let all users act as one."""
        self._due += 1
        return max(0.0, self._due - time.perf_counter())

    @task(60)
    def submit(self) -> None:
        """A new transaction: 202."""
        with self._counted("submit"):
            sent = traffic.submission()
            accepted = self.client.submit_one(sent)
            if accepted.replayed:
                raise Failure("not 202 but 200")
            collected.accepted(sent, accepted.id)

    @task(10)
    def repeat(self) -> None:
        """The same again: 200, and the same id."""
        if (earlier := collected.earlier()) is None:
            self.submit()
            return
        sent, transaction = earlier
        with self._counted("repeat"):
            again = self.client.submit_one(sent)
            if not again.replayed:
                raise Failure("not a replay but 202")
            if again.id != transaction:
                raise Failure("another id than the first time")

    @task(25)
    def status(self) -> None:
        """One that was acknowledged: 200."""
        if (earlier := collected.earlier()) is None:
            self.submit()
            return
        with self._counted("status", "GET"):
            if self.client.read(earlier[1]).id != earlier[1]:
                raise Failure("an acknowledged id, and another one in the answer")

    @task(5)
    def invalid(self) -> None:
        """What must be refused: a problem document with the right status and code. `txn.client` cannot send these."""
        earlier = collected.earlier()
        sent = traffic.wrong(earlier and earlier[0])
        with self._counted("invalid", sent.method):
            answer = self.client.session.request(
                *(sent.method, f"{self.host}{sent.path}"),
                data=sent.body,
                headers=ledger.authorization() | sent.headers,
                timeout=10,
            )
            problem = answer.headers.get("Content-Type") == "application/problem+json"
            code = answer.json().get("code") if problem else None
            if (answer.status_code, code) != (sent.status, sent.code):
                found = f"{answer.status_code} {code or 'without a code'}"
                raise Failure(f"not {sent.status} {sent.code} but {found}")

    @contextmanager
    def _counted(self, name: str, method: str = "POST") -> Iterator[None]:
        """One request in locust's statistics."""
        began, failure = time.perf_counter(), ""
        try:
            yield
        except (Failure, ClientError, requests.RequestException) as error:
            failure = told(error)
        self.environment.events.request.fire(
            request_type=method,
            name=name,
            response_time=(time.perf_counter() - began) * 1_000,
            response_length=0,
            exception=failure or None,
            context={},
        )


def told(error: Exception) -> str:
    """Why it is none of the answers that were promised. Locust counts by text: no ids, no addresses of objects."""
    if isinstance(error, Refused):
        return f"refused with {error.status} {error.code}"
    return str(error) if isinstance(error, Failure | ClientError) else f"no answer ({type(error).__name__})"
