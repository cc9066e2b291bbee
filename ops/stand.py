"""The real processes on this machine: Redis, the mock posting service, the API and workers.

Drills, swarms, benchmarks and tests start them as a `Stand`; `make run` gives the same commands to its supervisor.
"""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psutil
import redis

from ops import redis_server
from ops.mock_posting.client import MockPosting
from ops.ports import free_port
from ops.waiting import until
from txn import advice
from txn.partitions.place import partition_of

ROOT = Path(__file__).parents[1]
HOST = "127.0.0.1"
#: How long the API may be silent: the machine may be busy.
PATIENCE_S = 30.0
#: Of one `dramatiq`, as the documentation advises.
WORKERS, THREADS = advice.PROCESSES, advice.THREADS


def api_command(port: int, *options: str, module: str = "txn.wsgi") -> list[str]:
    """The API, for a Python to run; `options` go to gunicorn."""
    return ["-m", "gunicorn", "-c", "python:txn.gunicorn_conf", "-b", f"{HOST}:{port}", *options, f"{module}:app"]


def worker_command(
    processes: int = WORKERS, threads: int = THREADS, module: str = "txn.worker", shutdown_s: int = 10
) -> list[str]:
    """A Dramatiq master and its worker processes. It waits less for them than whoever stops it waits for it."""
    command = ["-m", "dramatiq", module, "--processes", str(processes), "--threads", str(threads)]
    return [*command, "--worker-fork-timeout", "5000", "--worker-shutdown-timeout", str(shutdown_s * 1000)]


def get(port: int, path: str, patience_s: float = 2) -> bytes | None:
    """The body of whatever answer there is; never through a proxy."""
    connection = http.client.HTTPConnection(HOST, port, timeout=patience_s)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def health(port: int, patience_s: float = 2) -> dict[str, Any]:
    """What the API says about itself; empty if it does not answer."""
    with contextlib.suppress(ValueError):
        found = json.loads(get(port, "/api/health", patience_s) or b"{}")
        return found if isinstance(found, dict) else {}
    return {}


def _ended_like_ctrl_c() -> None:
    """From now on, whoever ends this program with SIGTERM also ends what it has started."""
    on_main_thread = threading.current_thread() is threading.main_thread()
    if on_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)


class Process:
    """A child in a session of its own, with its log in a file."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path, cwd: Path = ROOT) -> None:
        self._command, self._environment, self._cwd, self.log = command, environment, cwd, log
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Returns at once."""
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=log, cwd=self._cwd, start_new_session=True
            )
        return self

    def children(self) -> list[psutil.Process]:
        """The processes that do its work, not their helpers."""
        try:
            found = psutil.Process(self.popen.pid).children() if self.popen else []
            return [child for child in found if "resource_tracker" not in str(child.cmdline())]
        except psutil.NoSuchProcess:
            return []

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


class Stand:
    """Redis (every write on disk) and the mock posting service; on demand the API and workers. Logs are in `folder`.

    `settings`: TXN_* variables; no others are taken over. `redis_port`: what is told to processes started from now on,
    so that a proxy can stand in between. `python`, `txn`, `cwd`: what is run, and where; those of the checkout.
    """

    python, cwd = sys.executable, ROOT
    api_module = "txn.wsgi"
    #: How long a worker process that is told to end waits for its deliveries.
    shutdown_s = 10
    txn: Sequence[str] = (sys.executable, "-m", "txn")

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder, self.settings = folder, dict(settings or {})
        self.prefix = self.settings.get("TXN_PREFIX", "txn:")
        self.redis_server = redis_server.RedisServer(free_port(), folder / "redis")
        self.redis_port = self.redis_server.port
        self.mock = MockPosting()
        self.api_port = free_port()
        self.url = f"http://{HOST}:{self.api_port}"
        #: By name: "api", "worker0", "worker1" and so on.
        self.processes: dict[str, Process] = {}
        #: What is to be done at the end, the latest first.
        self.ending = contextlib.ExitStack()

    def __enter__(self) -> Self:
        _ended_like_ctrl_c()
        try:
            self.ending.callback(self.redis_server.start().kill)
            self.ending.enter_context(self.mock)
            self.client = redis.Redis(port=self.redis_server.port, socket_timeout=60)
            self.ending.callback(self._kill_processes)
            self._begin()
        except BaseException:
            self.ending.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.ending.close()

    def _begin(self) -> None:
        """What else runs from the start."""

    def _kill_processes(self) -> None:
        for process in self.processes.values():
            self._end(process)

    @staticmethod
    def _end(process: Process) -> None:
        if "COVERAGE_PROCESS_CONFIG" in os.environ:  # what has run is written down at the end, if there is one
            process.stop()
        process.kill()

    @property
    def workers(self) -> list[Process]:
        """Every Dramatiq master that was started."""
        return [process for name, process in self.processes.items() if name != "api"]

    def start_api(self, *options: str, cores: Sequence[int] = ()) -> Process:
        """gunicorn as it ships; `options` go to its command line. Returns when it answers."""
        process = self._start("api", api_command(self.api_port, *options, module=self.api_module), cores)
        self.until(lambda: self.health() != {}, "the API answers")
        return process

    def start_worker(
        self, processes: int = WORKERS, threads: int = THREADS, module: str = "txn.worker", cores: Sequence[int] = ()
    ) -> Process:
        """A Dramatiq master as it ships. Returns at once."""
        command = worker_command(processes, threads, module, self.shutdown_s)
        return self._start(f"worker{len(self.workers)}", command, cores)

    def health(self) -> dict[str, Any]:
        """What the API says of itself; empty if nobody listens, or nothing is said for half a minute."""
        return health(self.api_port, PATIENCE_S)

    @property
    def prefixes(self) -> list[str]:
        """With what the keys begin: of each partition, if there are any."""
        partitions = int(self.settings.get("TXN_PARTITIONS", 0))
        return [f"{self.prefix}{{{number}}}:" for number in range(partitions)] or [self.prefix]

    def record(self, transaction_id: str) -> str:
        """Its key."""
        prefixes = self.prefixes
        return f"{prefixes[partition_of(transaction_id, len(prefixes))]}t:{transaction_id}"

    def count(self, name: str) -> int:
        """One of the store's totals."""
        return sum(int(self.client.hget(f"{prefix}count", name) or 0) for prefix in self.prefixes)

    def unfinished(self) -> int:
        """Transactions that are not completed or failed."""
        return sum(int(self.client.zcard(f"{prefix}due")) for prefix in self.prefixes)

    def audit(self) -> dict[str, Any]:
        """The certificate of `txn audit`, or the `error` why there is none; and its `exit_code`."""
        done = self.command("audit", "--json")
        found = json.loads(done.stdout) if done.stdout.startswith("{") else {"error": done.stderr[-500:]}
        return found | {"exit_code": done.returncode}

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`txn` with these arguments, on this system."""
        line, own = [*self.txn, *arguments], self.environment()
        return subprocess.run(line, cwd=self.cwd, env=own, capture_output=True, text=True, check=False)

    def environment(self) -> dict[str, str]:
        """What the processes are told, and what a command must be told to work on the same system."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("TXN_")}
        urls = {"TXN_REDIS_URL": f"redis://{HOST}:{self.redis_port}/0", "TXN_POSTING_URL": self.mock.url}
        return own | urls | self.settings

    def until(self, true: Callable[[], object], what: str, seconds: float = 60) -> float:
        """Wait for a condition: how long it took, in s. Raises: TimeoutError, with the last lines of each log."""
        return until(true, what, seconds, self.logs)

    def until_workers(self, processes: int) -> None:
        """Wait until the API knows of so many worker processes."""
        self.until(lambda: self.health().get("workers", 0) >= processes, "the workers answer")

    def until_quiet(self, seconds: float = 60) -> float:
        """Wait until no transaction is unfinished: how long it took, in s."""
        return self.until(lambda: self.unfinished() == 0, "everything is finished", seconds)

    def logs(self) -> str:
        """The end of each process's log."""
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in sorted(self.folder.glob("*.log")))

    def _start(self, name: str, command: Sequence[str], cores: Sequence[int] = ()) -> Process:
        pinned = ["taskset", "-c", ",".join(map(str, cores))] if cores else []
        line, log = [*pinned, self.python, *command], self.folder / f"{name}.log"
        process = self.processes[name] = Process(line, self.environment(), log, self.cwd).start()
        return process
