"""The real processes on this machine, and what each of them costs."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import psutil
import redis
import requests

from ops.mock_posting.client import MockPosting
from ops.ports import free_port
from ops.redis_server import RedisServer

ROOT = Path(__file__).parents[1]


class Stand:
    """Valkey with every write on disk, the mock posting service, and on demand the API and workers.

    `faults`: of the mock posting service. `pin` puts a role's processes on one core.
    """

    def __init__(self, settings: dict[str, str] | None = None, faults: dict[str, float] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="txn-bench-")
        self.folder = Path(self._folder.name)
        self.server = RedisServer(free_port(), self.folder / "redis")
        self.mock = MockPosting()
        self.url = f"http://127.0.0.1:{free_port()}"
        self.redis = redis.Redis(port=self.server.port, socket_timeout=60)
        self._settings, self._faults = settings or {}, faults or {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.server.start()
        self.mock.start()
        self.mock.faults(**self._faults)
        return self

    def __exit__(self, *exc_info: object) -> None:
        for role in list(self._processes):
            self.stop(role)
        self.mock.stop()
        self.server.kill()
        self.redis.close()
        self._folder.cleanup()

    def start_api(self, *options: str, cores: Sequence[int] = ()) -> None:
        """gunicorn as it ships; `options` go to its command line."""
        address = self.url.removeprefix("http://")
        self._start("api", ["gunicorn", "-c", "ops/gunicorn.conf.py", "-b", address, *options, "wsgi:app"], cores)
        self.until(lambda: self.health() is not None, "the API answers")

    def start_worker(self, *options: str, target: str = "txn.worker", cores: Sequence[int] = ()) -> None:
        """A worker as it ships; `options` go to dramatiq's command line."""
        self._start("worker", ["dramatiq", target, *options], cores)

    def confine(self, core: int) -> None:
        """Put Redis and the posting service on one core, so that the other one is for what is measured."""
        for process in (self.server.process, self.mock.process):
            if process is not None:
                for one in _tree(process.pid):
                    one.cpu_affinity([core])

    def stop(self, role: str) -> None:
        """Ask it to end, and see to it."""
        process = self._processes.pop(role)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def load(self, rate: float, seconds: float) -> subprocess.Popen[bytes]:
        """Begin to submit on a fixed schedule; its figures are JSON on standard output."""
        command = [sys.executable, "-m", "bench.load", self.url, str(rate), str(seconds)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)

    def health(self) -> dict[str, Any] | None:
        """What the API says of itself; None if it does not answer."""
        try:
            found: dict[str, Any] = requests.get(f"{self.url}/api/health", timeout=2).json()
        except requests.RequestException:
            return None
        return found

    def count(self, name: str) -> int:
        """One of the store's totals."""
        return int(self.redis.hget("txn:count", name) or 0)

    def unfinished(self) -> int:
        """Transactions that are not completed or failed."""
        return int(self.redis.zcard("txn:due"))

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds used so far, by role, children included."""
        roots = {role: process.pid for role, process in self._processes.items()}
        for role, owner in (("redis", self.server.process), ("mock", self.mock.process)):
            if owner is not None:
                roots[role] = owner.pid
        return {role: _cpu_of_tree(pid) for role, pid in roots.items()}

    def resident_mib(self, role: str) -> float:
        """Resident memory of a role's processes together."""
        return sum(process.memory_info().rss for process in _tree(self._processes[role].pid)) / 2**20

    def writes(self) -> int:
        """Entries of the append-only file so far: single commands, and scripts as one each."""
        count, inside = 0, False
        for path in self.folder.glob("redis/appendonlydir/*.incr.aof"):
            for name in re.findall(rb"^\*\d+\r\n\$\d+\r\n(\w+)\r\n", path.read_bytes(), re.MULTILINE):
                count += not inside
                inside = name.upper() == b"MULTI" or (inside and name.upper() != b"EXEC")
        return count

    def used_memory(self) -> int:
        """Bytes of data in Redis."""
        return int(self.redis.info("memory")["used_memory_dataset"])

    def histogram(self) -> dict[float, int]:
        """Submit to completed: upper end of each bucket in ms -> how many."""
        totals = self.redis.hgetall("txn:count")
        prefix = b"end_to_end:"
        return {
            float(name.removeprefix(prefix)): int(count) for name, count in totals.items() if name.startswith(prefix)
        }

    def audit(self) -> dict[str, Any]:
        """The ledger check's own report."""
        command = [sys.executable, "-m", "txn", "audit", "--json"]
        done = subprocess.run(command, cwd=ROOT, env=self.environment(), stdout=subprocess.PIPE, check=False)
        found: dict[str, Any] = json.loads(done.stdout)
        return found | {"exit_code": done.returncode}

    def environment(self) -> dict[str, str]:
        """What the processes are told."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("TXN_")}
        return own | self._settings | {"TXN_REDIS_URL": self.server.url, "TXN_POSTING_URL": self.mock.url}

    def until(self, true: Callable[[], bool], what: str, seconds: float = 60) -> float:
        """Wait for a condition: how long it took, in s. Raises: TimeoutError."""
        began = time.monotonic()
        while not true():
            if time.monotonic() - began > seconds:
                logs = "\n".join(path.read_text()[-2000:] for path in self.folder.glob("*.log"))
                raise TimeoutError(f"not within {seconds:.0f} s: {what}\n{logs}")
            time.sleep(0.02)
        return time.monotonic() - began

    def _start(self, role: str, module: list[str], cores: Sequence[int]) -> None:
        command = [sys.executable, "-m", *module]
        if cores:
            command = ["taskset", "-c", ",".join(map(str, cores)), *command]
        with (self.folder / f"{role}.log").open("ab") as log:
            self._processes[role] = subprocess.Popen(
                command, env=self.environment(), cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def _cpu_of_tree(pid: int) -> float:
    total = 0.0
    for process in _tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total
