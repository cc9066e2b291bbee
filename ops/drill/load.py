"""Clients on a fixed schedule, each repeating an unanswered submit with the same key, as the docs tell users to."""

import itertools
import threading
import time

import requests

CLIENTS = 32
BODY = {"amount": "100.50", "currency": "USD", "description": "Drill", "metadata": {"order_id": "12345"}}


class Load:
    """`rate` submits a second for `seconds`. Latency counts from the moment a submit was due."""

    def __init__(self, url: str, rate: int, seconds: float, seed: int) -> None:
        self._url, self._rate, self._total, self._seed = f"{url}/api/transactions", rate, round(rate * seconds), seed
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self.accepted: list[str] = []
        self.latencies_ms: list[float] = []
        self.refused = self.unanswered = 0
        #: What ended a client; there must be none.
        self.errors: list[str] = []
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(CLIENTS)]

    @property
    def planned(self) -> int:
        """Submits in all."""
        return self._total

    def start(self) -> None:
        """Begin; returns at once."""
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until every submit is acknowledged."""
        for thread in self._threads:
            thread.join()

    def _client(self) -> None:
        try:
            self._submit_all()
        except Exception as error:  # noqa: BLE001 - the report says it, whatever it is
            self.errors.append(f"{type(error).__name__}: {error}"[:300])

    def _submit_all(self) -> None:
        with requests.Session() as session:
            while (number := next(self._numbers)) < self._total:
                due = self._began + number / self._rate
                time.sleep(max(0.0, due - time.monotonic()))
                transaction = self._submit(session, f"drill-{self._seed}-{number}")
                with self._lock:
                    self.accepted.append(transaction)
                    self.latencies_ms.append((time.monotonic() - due) * 1_000)

    def _submit(self, session: requests.Session, key: str) -> str:
        while True:
            try:
                answer = session.post(self._url, json=BODY, headers={"Idempotency-Key": key}, timeout=5)
            except requests.RequestException:
                self._count("unanswered")
            else:
                if answer.status_code in (200, 202):
                    return str(answer.json()["transactionId"])
                if answer.status_code != 503:
                    raise RuntimeError(f"a submit was answered with {answer.status_code}: {answer.text}")
                self._count("refused")
            time.sleep(0.2)

    def _count(self, name: str) -> None:
        with self._lock:
            setattr(self, name, getattr(self, name) + 1)
