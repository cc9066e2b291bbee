"""`make run`: Redis, a posting service, the API and the workers on one machine, in the foreground; logs in `.txn/logs`.

Ctrl-C, SIGTERM and SIGHUP stop them: exit code 0. If they cannot run: a sentence that says why, and exit code 1.
"""

import contextlib
import errno
import fcntl
import os
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import IO

import redis

from ops import clusters, redis_server, second_terminal, sentinels
from ops.login import NAME, new_login
from ops.mock_posting.client import command as mock_command
from ops.stand import HOST, ROOT, WORKERS, api_command, get, health, worker_command
from ops.supervisor import CannotRun, Child, Supervisor
from ops.welcome import welcome
from txn.admin.door.users import read_users
from txn.errors import BadSettings
from txn.settings import Settings
from txn.store.connection import connect

DATA = ROOT / ".txn"
#: Where there are replicas: one more than are waited for, so that one of the servers may be away.
REPLICAS = 2
#: `TXN_TOPOLOGY` → what makes URL and command lines, and all that needs a port.
_SEVERAL: Mapping[str, tuple[ModuleType, list[str]]] = {
    "sentinel": (sentinels, sentinels.names(REPLICAS)),
    "cluster": (clusters, clusters.with_buses(clusters.names(REPLICAS))),
}
#: Workers start last, because the API tells whether they are there; they stop once nothing new can come in.
STOP_ORDER = ["api", "worker", "mock", "valkey", *(name for _, names in _SEVERAL.values() for name in reversed(names))]


class Plan:
    """What to run, in which environment, on which ports.

    Raises: CannotRun, BadSettings, FileNotFoundError (no server for this platform), each with a sentence.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        self.environment = {"TXN_LOG_FORMAT": "text", **given, "PYTHONUNBUFFERED": "1"}
        self.children: list[Child] = []
        #: Port → the variable that moves it.
        self.ports: dict[int, str] = {}
        self.port = self._port("TXN_PORT", 8000)
        self.own_redis = not given.get("TXN_REDIS_URL")
        self.own_posting = not given.get("TXN_POSTING_URL")
        #: Of the mock: in step with what Redis remembers, or the audit says that something is lost.
        self._rows = DATA / "posting.jsonl"
        if self.own_redis:
            self._add_topology(given.get("TXN_TOPOLOGY") or "single")
        elif given.get("TXN_TOPOLOGY"):
            raise CannotRun("TXN_TOPOLOGY is for the servers of make run: unset it, or unset TXN_REDIS_URL")
        if self.own_posting:
            self._add_mock(self._port("TXN_POSTING_PORT", 8080, count=2))
        #: Name and password of the admin site's user; None: users were given.
        self.login: tuple[str, str] | None = None
        if made := new_login(given):
            password, self.environment["TXN_ADMIN_USERS"] = made
            self.login = NAME, password
        read_users(Settings.from_environment(self.environment).admin_users)
        self._add_python("api", api_command(self.port), lambda: get(self.port, "/api/health") is not None)
        self._add_python("worker", worker_command(), lambda: health(self.port).get("workers", 0) >= WORKERS)

    def _add_python(self, name: str, arguments: list[str], ready: Callable[[], bool]) -> None:
        self.children.append(Child(name, [sys.executable, *arguments], ready))

    def _add_topology(self, topology: str) -> None:
        if topology == "single":
            self._add_redis(self._port("TXN_REDIS_PORT", 6390))
        elif topology in _SEVERAL:
            several, names = _SEVERAL[topology]
            first = self._port("TXN_REDIS_PORT", 6390, count=len(names))
            ports = {name: first + number for number, name in enumerate(names)}
            self._add_several(ports, several.url(ports), several.commands(ports, self._folder(topology, first)))
        else:
            raise CannotRun(
                f"TXN_TOPOLOGY={topology!r} is unknown: use single, sentinel (a primary and two replicas), or cluster "
                "(three primaries with replicas)"
            )

    def _folder(self, topology: str, first: int) -> Path:
        """Of servers that have written each other's ports into their files."""
        folder = DATA / f"{topology}s-{first}"
        self._rows = folder / self._rows.name
        return folder

    def _add_several(self, ports: Mapping[str, int], url: str, commands: Mapping[str, list[str]]) -> None:
        self.environment["TXN_REDIS_URL"] = url
        self.environment.setdefault("TXN_REDIS_REPLICAS", str(REPLICAS - 1))
        for name, command in commands.items():
            one = f"redis://{HOST}:{ports[name]}"
            self.children.append(Child(name, command, lambda url=one: why_silent(url) is None))  # type: ignore[misc]

    def _add_redis(self, port: int) -> None:
        url = self.environment["TXN_REDIS_URL"] = f"redis://{HOST}:{port}/0"
        command = redis_server.command(port, DATA / "valkey")
        self.children.append(Child("valkey", command, lambda: why_silent(url) is None))

    def _add_mock(self, port: int) -> None:
        self.environment["TXN_POSTING_URL"] = f"http://{HOST}:{port}"
        self.environment.setdefault("TXN_ANSWER_IS_FINAL", "1")  # the mock writes before it answers, or never
        arguments = mock_command(port, port + 1, "--rows", str(self._rows))
        self._add_python("mock", arguments, lambda: get(port, "/health") is not None)

    def _port(self, name: str, default: int, count: int = 1) -> int:
        """The first of `count` ports in a row."""
        text = self.environment.get(name) or str(default)
        last = 65_536 - count
        if not text.isdecimal() or len(text) > 5 or not 0 < int(text) <= last:
            raise CannotRun(f"{name}={text!r} is not a port: give a number from 1 to {last}")
        for port in range(int(text), int(text) + count):
            if port in self.ports:
                raise CannotRun(f"port {port} is wanted twice: set {name} or {self.ports[port]} to another")
            self.ports[port] = name
        return int(text)


def main() -> int:
    """Run until a signal comes; the exit code."""
    os.chdir(ROOT)
    try:
        plan = Plan(os.environ)
        with contextlib.ExitStack() as held:
            held.enter_context(locked(DATA / "lock"))
            if not plan.own_redis and (reason := why_silent(plan.environment["TXN_REDIS_URL"])):
                raise CannotRun(f"the server of TXN_REDIS_URL does not answer: {reason}")
            for port, name in plan.ports.items():
                check_free(port, name)
            held.callback(second_terminal.forget, DATA)
            supervisor = Supervisor(plan.children, plan.environment, STOP_ORDER, logs=DATA / "logs")
            supervisor.run(lambda: up(plan, supervisor))
    except (CannotRun, BadSettings, FileNotFoundError) as error:
        print(f"make run: {error}", file=sys.stderr)
        return 1
    return 0


def up(plan: Plan, supervisor: Supervisor) -> None:
    """All of it answers."""
    second_terminal.tell(DATA, plan.environment, plan.port)
    supervisor.log.write(welcome(plan.environment, plan.port, plan.login, own=(plan.own_redis, plan.own_posting)))


def locked(path: Path) -> IO[str]:
    """Two servers on the same data would destroy it, whatever their ports.

    Raises: CannotRun.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise CannotRun("another `make run` is already running in this folder") from None
    return lock


def check_free(port: int, name: str) -> None:
    """Raises: CannotRun, naming the port and the variable that moves it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what closed connections leave does not count
        try:
            probe.bind((HOST, port))
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            raise CannotRun(f"port {port} {why}: set {name} to another, or stop what uses it") from None


def why_silent(url: str) -> str | None:
    """Why a Redis server does not answer PING; None if it does."""
    try:
        access = Settings.from_environment(os.environ).sentinel_access
        with connect(url, timeout_ms=1_000, access=access) as client:
            client.ping()
    except (redis.RedisError, ValueError, BadSettings) as error:
        return str(error)
    return None
