"""The whole thing as real processes: Redis, mock posting service, API, workers."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import psutil
import redis
import requests

from ops.mock_posting.client import MockPosting
from ops.ports import free_port
from ops.redis_server import RedisServer

ROOT = Path(__file__).parents[2]
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
#: Lease (4 x timeout) + doubt window of QUICK.
RECOVERY_S = 4.0


class Process:
    """A child in a session of its own, with its log in a file."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.name, self._command, self._environment, self.log = name, command, environment, log
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=log, cwd=ROOT, start_new_session=True
            )

    def children(self) -> list[psutil.Process]:
        """The worker processes, not their helpers."""
        assert self.popen is not None
        return [
            child
            for child in psutil.Process(self.popen.pid).children()
            if "resource_tracker" not in str(child.cmdline())
        ]

    def stop(self, patience_s: float = 15) -> int:
        """SIGTERM, wait, then SIGKILL for whatever is left of the session; the exit code."""
        if self.popen is None:
            return 0
        self.popen.terminate()
        try:
            code = self.popen.wait(patience_s)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        self.kill()
        return code

    def kill(self) -> None:
        """SIGKILL to the whole session."""
        if self.popen is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()
            self.popen = None


class Stack:
    """Brings everything up and down. `settings` are TXN_* variables; `redis_port` lets a proxy stand in between."""

    def __init__(
        self, folder: Path, settings: dict[str, str] | None = None, processes: int = 2, threads: int = 8
    ) -> None:
        self.folder = folder
        self.mock = MockPosting()
        self.redis_server = RedisServer(free_port(), folder / "redis")
        self.api_port = free_port()
        self.url = f"http://127.0.0.1:{self.api_port}"
        self.settings = QUICK | (settings or {})
        self.processes, self.threads = processes, threads
        self.worker_redis_port = self.redis_server.port
        self._workers: list[Process] = []
        self._session = requests.Session()
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=64))
        self.api: Process | None = None

    def __enter__(self) -> Self:
        self.redis_server.start()
        self.mock.start()
        self.client = redis.Redis(port=self.redis_server.port)
        self.api = Process(
            "api",
            [*self._python("gunicorn"), "-c", "ops/gunicorn.conf.py", "-b", f"127.0.0.1:{self.api_port}", "wsgi:app"],
            self._environment(self.redis_server.port),
            self.folder / "api.log",
        )
        self.api.start()
        self.until(self._api_answers, "the API answers")
        return self

    def __exit__(self, *exc_info: object) -> None:
        for process in (*self._workers, self.api):
            if process is not None:
                process.kill()
        self.mock.stop()
        self.redis_server.kill()
        self._session.close()
        self.client.close()

    def start_worker(self, processes: int | None = None, threads: int | None = None) -> Process:
        """One `dramatiq txn.worker`; returns when its heartbeat is there."""
        before = self._heartbeats()
        processes = processes or self.processes
        command = [*self._python("dramatiq"), "txn.worker", "--processes", str(processes)]
        command += ["--threads", str(threads or self.threads), "--worker-shutdown-timeout", "10000"]
        number = len(self._workers)
        worker = Process(
            "worker", command, self._environment(self.worker_redis_port), self.folder / f"worker{number}.log"
        )
        worker.start()
        self._workers.append(worker)
        self.until(lambda: len(self._heartbeats() - before) >= processes, "the workers have a heartbeat")
        return worker

    def submit(self, key: str | None = None, body: dict[str, Any] | None = None) -> str:
        """POST a transaction until it is acknowledged, always with the same key, as the docs tell users to; its id."""
        headers = {} if key is None else {"Idempotency-Key": key}
        deadline = time.monotonic() + 30
        while True:
            try:
                answer = self._session.post(
                    f"{self.url}/api/transactions", json=body or BODY, headers=headers, timeout=10
                )
            except requests.RequestException:
                assert key is not None, "a submit without a key got no answer"
            else:
                if answer.status_code in (200, 202):
                    return str(answer.json()["transactionId"])
                assert answer.status_code == 503, answer.text
            assert time.monotonic() < deadline, "no acknowledgement within 30 s"
            time.sleep(0.1)

    def submit_many(self, count: int, name: str = "n", clients: int = 16) -> list[str]:
        """`count` transactions from `clients` clients at once."""
        with ThreadPoolExecutor(clients) as pool:
            return list(pool.map(lambda number: self.submit(f"{name}-{number}"), range(count)))

    def status(self, transaction_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._session.get(f"{self.url}/api/transactions/{transaction_id}", timeout=10).json()
        return found

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = self._session.get(f"{self.url}/api/health", timeout=10).json()
        return found

    def until(self, true: Callable[[], bool], what: str, seconds: float = 30) -> float:
        """Wait for a condition: how long it took, in s."""
        began = time.monotonic()
        while not true():
            assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}\n{self.logs()}"
            time.sleep(0.02)
        return time.monotonic() - began

    def until_quiet(self, seconds: float = 60) -> float:
        """Wait until no transaction is unfinished: how long it took, in s."""
        return self.until(lambda: self.health().get("queueDepth") == 0, "everything is finished", seconds)

    def check_ledger(self, accepted: Iterable[str]) -> None:
        """Every accepted id is completed, and in the posting service's list exactly once."""
        accepted = set(accepted)
        states = Counter(self.status(name)["status"] for name in accepted)
        assert states == {"completed": len(accepted)}
        rows = Counter(row["id"] for row in self.mock.rows())
        assert {name: count for name, count in rows.items() if count > 1} == {}
        assert accepted - set(rows) == set()
        assert self.mock.stats()["max_posts_in_flight_of_one_id"] <= 1

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in sorted(self.folder.glob("*.log")))

    def _heartbeats(self) -> set[bytes]:
        """Every process that had one, by name: how many are alive says nothing soon after one has died."""
        return set(self.client.zrange("txn:dramatiq:__heartbeats__", 0, -1))

    def _api_answers(self) -> bool:
        try:
            return bool(self.health())
        except requests.RequestException:
            return False

    def _environment(self, redis_port: int) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("TXN_")}
        redis_url = f"redis://127.0.0.1:{redis_port}/0"
        return own | self.settings | {"TXN_REDIS_URL": redis_url, "TXN_POSTING_URL": self.mock.url}

    def _python(self, module: str) -> list[str]:
        return [sys.executable, "-m", module]
