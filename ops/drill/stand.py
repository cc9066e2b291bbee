"""The processes of a drill: up, up again when they die, down at the end."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import psutil
import redis
import requests

from ops.drill.relay import Relay
from ops.mock_posting.client import MockPosting
from ops.ports import free_port
from ops.redis_server import RedisServer

ROOT = Path(__file__).parents[2]
WORKER_MASTERS = 2

#: Short times, in the proportions of the defaults.
SETTINGS = {
    "TXN_POSTING_TIMEOUT_MS": "1000",
    "TXN_DOUBT_WINDOW_MS": "4000",
    "TXN_GRACE_MS": "1000",
    "TXN_MIN_BACKOFF_MS": "100",
    "TXN_MAX_BACKOFF_MS": "2000",
}
#: Lease (4 x timeout) + doubt window, in s.
LEASE_AND_DOUBT_S = 8.0
#: How late after its deadline the posting service writes, at most: 80 % of the doubt window.
LATEST_WRITE_MS = 1_000 + 3_200


class Stand:
    """Valkey, mock posting service, API and two worker masters, each in a session of its own, logs in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = RedisServer(free_port(), folder / "redis")
        self.mock = MockPosting()
        self.url = f"http://127.0.0.1:{free_port()}"
        self.name = Relay(free_port(), self.server.port)
        self._servers = [self.server]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._commands = self._all_commands()
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep_running, daemon=True)
        self.restarts = 0

    def __enter__(self) -> Self:
        self.server.start()
        self.name.start()
        self.mock.start()
        for name in self._commands:
            self._start(name)
        self._until(lambda: self._workers() >= 2 * WORKER_MASTERS, "the workers answer")
        self._keeper.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopping.set()
        self._keeper.join()
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.mock.stop()
        self.name.stop()
        for server in self._servers:
            server.kill()

    @property
    def redis(self) -> redis.Redis:
        """A client of the primary, without the name."""
        return redis.Redis(port=self.server.port, socket_timeout=5)

    def fail_over(self) -> tuple[RedisServer, int]:
        """To a replica that has everything: what is tested is the move, not what a failover can lose.

        Returns the demoted server, which stays up, and how many connections stay there until somebody leaves it.
        Raises: TimeoutError.
        """
        demoted = self.server
        promoted = RedisServer(free_port(), self.folder / f"redis{len(self._servers)}")
        self._servers.append(promoted.start())
        with redis.Redis(port=demoted.port) as old, redis.Redis(port=promoted.port) as new:
            old.config_set("repl-diskless-sync-delay", 0)
            new.execute_command("REPLICAOF", "127.0.0.1", str(demoted.port))
            self._until(lambda: new.info("replication")["master_link_status"] == "up", "the replica is in step")
            self._until(lambda: not new.info("persistence")["aof_rewrite_in_progress"], "its log is complete")
            # Lets nobody write until the replica has everything, then swaps the two.
            old.execute_command("FAILOVER", "TO", "127.0.0.1", str(promoted.port), "TIMEOUT", "10000")
            self._until(lambda: new.info("replication")["role"] == "master", "the replica is the primary")
            self.server = promoted
            stayed = self.name.lead_to(promoted.port)
            self._until(lambda: old.info("replication")["role"] == "slave", "the primary is the replica")
            return demoted, stayed

    def children(self, name: str) -> list[psutil.Process]:
        """The processes that do the work of `api`, `worker0` or `worker1`."""
        try:
            found = psutil.Process(self._processes[name].pid).children()
        except psutil.NoSuchProcess:
            return []
        return [child for child in found if "resource_tracker" not in " ".join(child.cmdline())]

    def environment(self) -> dict[str, str]:
        """What the children are told, and what the audit must be told too."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("TXN_")}
        return (
            own
            | SETTINGS
            | {"TXN_REDIS_URL": f"redis://127.0.0.1:{self.name.port}/0", "TXN_POSTING_URL": self.mock.url}
        )

    def until_quiet(self, seconds: float) -> float:
        """Wait until nothing is unfinished: how long it took, in s. Raises: TimeoutError."""
        return self._until(lambda: self.redis.zcard("txn:due") == 0, "nothing is unfinished", seconds)

    def _all_commands(self) -> dict[str, list[str]]:
        address = self.url.removeprefix("http://")
        worker = ["dramatiq", "txn.worker", "--processes", "2", "--threads", "32", "--worker-fork-timeout", "5000"]
        modules = {"api": ["gunicorn", "-c", "ops/gunicorn.conf.py", "-b", address, "wsgi:app"]}
        modules |= {f"worker{number}": worker for number in range(WORKER_MASTERS)}
        return {name: [sys.executable, "-m", *module] for name, module in modules.items()}

    def _start(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._commands[name], env=self.environment(), cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )

    def _keep_running(self) -> None:
        """What `Restart=always` does for users."""
        while not self._stopping.wait(0.2):
            for name, process in list(self._processes.items()):
                if process.poll() is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    self.restarts += 1
                    self._start(name)

    def _workers(self) -> int:
        try:
            return int(requests.get(f"{self.url}/api/health", timeout=2).json().get("workers", 0))
        except requests.RequestException:
            return 0

    @staticmethod
    def _until(true: Callable[[], bool], what: str, seconds: float = 60) -> float:
        began = time.monotonic()
        while not true():
            if time.monotonic() - began > seconds:
                raise TimeoutError(f"not within {seconds:.0f} s: {what}")
            time.sleep(0.1)
        return time.monotonic() - began
