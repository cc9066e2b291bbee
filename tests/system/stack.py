"""The whole thing as real processes, and a client that keeps what it was promised."""

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from ops.stand import ROOT, Process, Stand

__all__ = ["ROOT", "Process", "Stack", "stack_fixture"]

BODY = {"amount": 100.50, "currency": "USD", "description": "Payment", "metadata": {"order_id": "12345"}}

#: Short times, in the proportions of the defaults.
QUICK = {
    "TXN_POSTING_TIMEOUT_MS": "500",
    "TXN_DOUBT_WINDOW_MS": "2000",
    "TXN_GRACE_MS": "1000",
    "TXN_MIN_BACKOFF_MS": "50",
    "TXN_MAX_BACKOFF_MS": "1000",
    "TXN_ALLOW_CLEANUP": "1",
}
#: All of it on partitions: `TXN_TEST_PARTITIONS=8 make test ARGS=tests/system`.
PARTITIONED = {"TXN_PARTITIONS": os.environ.get("TXN_TEST_PARTITIONS", "0")}
#: Lease (4 x timeout) + doubt window of QUICK.
RECOVERY_S = 4.0
#: For an answer, and for an acknowledgement: the machine may be busy.
PATIENCE_S = 60.0


def catches_sigterm(process: Process) -> bool:
    """Dramatiq's master does so last of all: before, SIGTERM kills it, and its workers are told nothing.

    (It blocks the signal, and `multiprocessing` lets it through again when it starts its resource tracker.)
    """
    assert process.popen is not None
    caught = re.search(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{process.popen.pid}/status").read_text(), re.M)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


class Stack(Stand):
    """The API from the start, workers on demand: `processes` and `threads` of each.

    The API waits for Redis for long (`patient_api.py`): a test that makes Redis silent needs a `ShippedStack`.
    """

    api_module = "tests.system.patient_api"

    def __init__(
        self, folder: Path, settings: dict[str, str] | None = None, processes: int = 2, threads: int = 8
    ) -> None:
        super().__init__(folder, QUICK | PARTITIONED | (settings or {}))
        self.workers_each, self.threads_each = processes, threads
        self._session = requests.Session()
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=64))

    def _begin(self) -> None:
        self.ending.callback(self._session.close)
        self.start_api()

    def begin_anew(self) -> None:
        """As at the start, but for the API, the mock and Redis, which go on: starting them takes seconds of a core."""
        for name, process in list(self.processes.items()):
            if name != "api":
                self._end(process)
                process.log.unlink()
                del self.processes[name]
        self.redis_port = self.redis_server.port
        self.mock.reset()
        self.client.flushall()

    def start_worker(self, processes: int = 0, threads: int = 0, **options: Any) -> Process:
        """Returns when every process of it has a heartbeat, and its master passes on what it is told."""
        before, processes = self.heartbeats(), processes or self.workers_each
        worker = super().start_worker(processes, threads or self.threads_each, **options)
        self.until(lambda: len(self.heartbeats() - before) >= processes, "the workers have a heartbeat")
        self.until(lambda: catches_sigterm(worker), "their master can be told to end")
        return worker

    def heartbeats(self) -> set[bytes]:
        """Every process that had one, by name: how many are alive says nothing soon after one has died."""
        return set(self.client.zrange(f"{self.prefixes[0]}dramatiq:__heartbeats__", 0, -1))

    def submit(self, key: str | None = None, body: dict[str, Any] | None = None) -> str:
        """POST a transaction until it is acknowledged, always with the same key, as the docs tell users to; its id."""
        headers = {} if key is None else {"Idempotency-Key": key}
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = self._session.post(
                    f"{self.url}/api/transactions", json=body or BODY, headers=headers, timeout=PATIENCE_S
                )
            except requests.RequestException:
                assert key is not None, "a submit without a key got no answer"
            else:
                if answer.status_code in (200, 202):
                    return str(answer.json()["transactionId"])
                assert answer.status_code == 503, answer.text
            assert time.monotonic() < deadline, "no acknowledgement in time"
            time.sleep(0.1)

    def submit_many(self, count: int, name: str = "n", clients: int = 16) -> list[str]:
        """`count` transactions from `clients` clients at once."""
        with ThreadPoolExecutor(clients) as pool:
            return list(pool.map(lambda number: self.submit(f"{name}-{number}"), range(count)))

    def status(self, transaction_id: str) -> dict[str, Any]:
        """What there is to read of one; a machine that stands still makes the API tell its clients to ask again."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = self._session.get(f"{self.url}/api/transactions/{transaction_id}", timeout=PATIENCE_S)
            if answer.status_code != 503:
                found: dict[str, Any] = answer.json()
                return found
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.1)

    def numbers(self) -> dict[str, Any]:
        """What the API says of all of them, once Redis answers it in time."""
        found: dict[str, Any] = {}

        def counted() -> bool:
            found.clear()
            found.update(self.health())
            return "completed" in found

        self.until(counted, "the API can count")
        return found

    def check_ledger(self, accepted: Iterable[str]) -> None:
        """Every accepted id is completed, and in the posting service's list exactly once."""
        accepted = set(accepted)
        states = Counter(self.status(name)["status"] for name in accepted)
        assert states == {"completed": len(accepted)}
        rows = Counter(row["id"] for row in self.mock.rows())
        assert {name: count for name, count in rows.items() if count > 1} == {}
        assert accepted - set(rows) == set()
        assert self.mock.stats()["max_posts_in_flight_of_one_id"] <= 1


class ShippedStack(Stack):
    """With the API as it ships."""

    api_module = "txn.wsgi"


def stack_fixture(
    settings: dict[str, str] | None = None, *, workers: int = 0, scope: Any = "function", kind: type[Stack] = Stack
) -> Any:
    """For `stack = stack_fixture(...)` in a file of tests.

    `workers`: processes of the worker that runs from the start. A test may add settings as the fixture's parameter.
    """

    @pytest.fixture(scope=scope, name="stack")
    def start(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stack]:
        with kind(tmp_path_factory.mktemp("stack"), (settings or {}) | getattr(request, "param", {})) as found:
            if workers:
                found.start_worker(workers)
            yield found

    return start
