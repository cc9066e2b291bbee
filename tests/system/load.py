"""A small load that does what the docs tell clients: what is refused is repeated with the same key."""

import threading
import time
import uuid
from collections import Counter
from typing import Any, Self

import requests

from tests.system.stack import BODY, Stack

#: Submits a second in all, of so many clients.
RATE, CLIENTS = 20, 4


class Load:
    """From `with` on; when it ends, everything that was begun is accepted."""

    def __init__(self, stack: Stack) -> None:
        self._stack, self._over, self._name = stack, threading.Event(), uuid.uuid4()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]
        self.accepted: list[str] = []
        #: Status and code of every answer, and what else happened.
        self.met: Counter[tuple[int, str]] = Counter()
        #: How long each refusal took, in s, by when it began (monotonic).
        self.refusals: list[tuple[float, float]] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Begin nothing more, and wait for what has begun."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        count = 0
        with requests.Session() as session:
            while not self._over.wait(CLIENTS / RATE):
                count += 1
                headers = {"Idempotency-Key": f"{self._name}-{number}-{count}"}
                deadline_s = time.monotonic() + 90
                while not self._is_accepted(session, headers) and time.monotonic() < deadline_s:
                    time.sleep(0.1)

    def _is_accepted(self, session: requests.Session, headers: dict[str, str]) -> bool:
        began_s = time.monotonic()
        try:
            answer = session.post(f"{self._stack.url}/api/transactions", json=BODY, headers=headers, timeout=30)
        except requests.RequestException as error:
            self.met[0, type(error).__name__] += 1
            return False
        document: dict[str, Any] = answer.json()
        self.met[answer.status_code, str(document.get("code", ""))] += 1
        if answer.status_code in (200, 202):
            self.accepted.append(document["transactionId"])
            return True
        self.refusals.append((began_s, time.monotonic() - began_s))
        return False
