"""The real thing: Redis, the mock posting service, the API and the workers."""

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
import redis
import requests

from ops.ports import free_port
from ops.redis_server import RedisServer
from ops.stand import health
from ops.waiting import until
from ops.welcome import BODY
from tests.ops.foreground import PATIENCE_S, Foreground, make_run, own_ports

pytestmark = pytest.mark.timeout(300)

#: With the default settings.
LEASE_AND_DOUBT_S = 35


def submit(ports: dict[str, str]) -> str:
    """The URL of a transaction that was accepted."""
    api = f"http://127.0.0.1:{ports['TXN_PORT']}/api/transactions"
    while True:
        answer = requests.post(api, data=BODY, headers={"Content-Type": "application/json"}, timeout=60)
        if answer.status_code != 503:  # else Redis stands still, and clients are told to ask again
            break
    assert answer.status_code == 202, answer.text
    return f"{api}/{answer.json()['transactionId']}"


def status(url: str) -> str:
    return str(requests.get(url, timeout=60).json()["status"])


def typed(line: str) -> dict[str, Any]:
    """What a curl prints, typed again if Redis stands still."""
    while True:
        found: dict[str, Any] = json.loads(subprocess.check_output(line, shell=True))
        if found["status"] != 503:
            return found


def until_completed(url: str, seconds: float = PATIENCE_S) -> None:
    until(lambda: status(url) == "completed", f"{url} is completed", seconds)


def txn(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """In a second terminal: nothing is set."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("TXN_")}
    line = [sys.executable, "-m", "txn", *arguments]
    environment = own | settings
    return subprocess.run(line, cwd=folder, env=environment, text=True, capture_output=True, timeout=60, check=False)


def log(folder: Path, name: str) -> str:
    return (folder / ".txn" / "logs" / f"{name}.log").read_text()


def worker_processes(running: Foreground) -> list[psutil.Process]:
    """Dramatiq's workers, not the process that leads them, nor its helpers."""
    parents = {}
    for process in running.left():
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            if "txn.worker" in process.cmdline():
                parents[process] = process.ppid()
    leaders = {process.pid for process in parents} & set(parents.values())
    return [process for process, parent in parents.items() if parent in leaders]


class Run(NamedTuple):
    """One that goes on while several tests look at it."""

    running: Foreground
    ports: dict[str, str]
    folder: Path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder, ports = tmp_path_factory.mktemp("run"), own_ports()
    with make_run(folder, **ports) as running:
        running.until("Ctrl-C stops everything")
        yield Run(running, ports, folder)


def test_one_screen_says_all_and_what_it_says_is_true(run: Run) -> None:
    running = run.running
    assert len(running.seen) < 24, "one screen"
    assert not running.said("WARNING", "Listening at", "booting up")
    curls = [line.strip() for line in running.seen if line.strip().startswith("curl")]
    assert len(curls) == 2
    found = [typed(line) for line in curls]
    assert found[0]["transactionId"] == found[1]["transactionId"]
    name, password = re.findall(r"as (\w+), password (\S+)\)", running.said_line("admin site"))[0]
    assert name == "operator"
    for path in (run.folder / ".txn").rglob("*"):
        assert not path.is_file() or password.encode() not in path.read_bytes(), path


def test_a_transaction_is_completed_and_is_there_at_the_next_run(tmp_path: Path) -> None:
    ports = own_ports()
    with make_run(tmp_path, **ports) as running:
        running.until("curl -s")
        transaction = submit(ports)
        until_completed(transaction)
        rows = requests.get(f"http://127.0.0.1:{ports['TXN_POSTING_PORT']}/transactions", timeout=60).json()["data"]
        assert [row["id"] for row in rows] == [transaction.rpartition("/")[2]]
        running.signal(signal.SIGINT)
        assert running.exit_code() == 0
        assert running.left() == []
        stops = ["stopping api", "stopping worker", "stopping mock", "stopping valkey"]
        assert running.said(*stops) == stops
        assert not running.said("killing")
    with make_run(tmp_path, **ports) as running:
        running.until("curl -s")
        until_completed(transaction)
        assert txn(tmp_path, "audit").returncode == 0, "the mock remembers what Redis does"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_process_that_ends_is_replaced_and_deliveries_go_on(run: Run, number: signal.Signals) -> None:
    until(lambda: "is booting up" in log(run.folder, "worker"), "Dramatiq has seen all its workers")
    before = worker_processes(run.running)
    assert len(before) == 2
    before[0].send_signal(number)
    run.running.until("worker ended")
    until(lambda: len(worker_processes(run.running)) == 2, "two workers are there again")
    assert not {process.pid for process in worker_processes(run.running)} & {process.pid for process in before}
    until_completed(submit(run.ports))


def test_a_killed_redis_is_started_again_with_what_was_acknowledged(run: Run) -> None:
    transaction = submit(run.ports)
    [server] = [process for process in run.running.left() if "valkey" in process.name()]
    os.kill(server.pid, signal.SIGKILL)
    run.running.until("valkey ended (signal 9, Killed)")
    ready = "Ready to accept connections"
    until(lambda: log(run.folder, "valkey").count(ready) == 2, "it is up again")
    # Whoever had claimed it when Redis died may have posted: then its lease and doubt window, 35 s, must end first.
    until_completed(transaction, LEASE_AND_DOUBT_S + PATIENCE_S)


def test_with_an_external_redis_none_is_started_and_it_is_used(valkey: RedisServer, tmp_path: Path) -> None:
    ports = own_ports()
    prefix = f"txn-{tmp_path.name}:"
    with make_run(tmp_path, **ports, TXN_REDIS_URL=valkey.url, TXN_PREFIX=prefix) as running:
        running.until("curl -s")
        assert not running.said("valkey")
        transaction = submit(ports)
        until_completed(transaction)
        with redis.Redis(port=valkey.port) as client:
            assert client.exists(f"{prefix}t:{transaction.rpartition('/')[2]}")
        running.signal(signal.SIGTERM)
        assert running.exit_code() == 0
        assert running.left() == []


def test_a_second_terminal_finds_what_runs_until_it_ends(tmp_path: Path) -> None:
    ports = own_ports()
    with make_run(
        tmp_path, **ports, TXN_PREFIX="other:", TXN_ADMIN_SECRET="s3cret" * 4, TXN_METRICS_TOKEN="t0ken" * 4
    ) as running:
        running.until("curl -s")
        env = tmp_path / ".txn" / "env"
        assert stat.S_IMODE(env.stat().st_mode) == 0o600
        assert "s3cret" not in env.read_text()
        assert "t0ken" not in env.read_text()
        done = txn(tmp_path, "submit", "1.00", "USD", "Payment", "--wait")
        assert done.returncode == 0, done.stderr
        done = txn(tmp_path, "status")
        assert (done.returncode, f":{ports['TXN_REDIS_PORT']}/0  other:" in done.stdout) == (0, True), done
        assert txn(tmp_path, "doctor").returncode == 0
        assert "nothing listens" in txn(tmp_path, "status", TXN_REDIS_URL="redis://127.0.0.1:1/0").stderr
        running.signal(signal.SIGINT)
        assert running.exit_code() == 0
    assert not env.exists()
    assert "redis://127.0.0.1:6379/0, as TXN_REDIS_URL is not set" in txn(tmp_path, "status").stderr


@pytest.mark.long
@pytest.mark.parametrize(
    ("topology", "count", "partitions"), [("sentinel", 6, "0"), ("cluster", 14, "0"), ("cluster", 14, "8")]
)
def test_the_primary_may_die_and_all_is_there_at_the_next_run(
    tmp_path: Path, topology: str, count: int, partitions: str
) -> None:
    ports = own_ports() | {"TXN_REDIS_PORT": str(free_row(count)), "TXN_TOPOLOGY": topology}
    ports |= {"TXN_PARTITIONS": partitions}
    with make_run(tmp_path, **ports) as running:
        running.until("curl -s")
        first = submit(ports)
        until_completed(first)
        place = f"127.0.0.1:{ports['TXN_REDIS_PORT']}"
        [primary] = [
            one for one in running.left() if place in " ".join(one.cmdline()) and "sentinel" not in one.cmdline()
        ]
        primary.kill()
        until(lambda: accepts(ports), "it accepts again")
        until_completed(first)
        assert health(int(ports["TXN_PORT"]))["durableOn"] == 2
        running.signal(signal.SIGINT)
        assert running.exit_code() == 0
        assert running.left() == []
    with make_run(tmp_path, **ports) as running:
        running.until("curl -s")
        assert status(first) == "completed"


def free_row(count: int) -> int:
    """The first of so many free ports in a row."""
    while True:
        first = free_port()
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            for port in range(first, first + count):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
            return first


def accepts(ports: dict[str, str]) -> bool:
    api = f"http://127.0.0.1:{ports['TXN_PORT']}/api/transactions"
    answer = requests.post(api, data=BODY, headers={"Content-Type": "application/json"}, timeout=60)
    return answer.status_code == 202


def test_an_unknown_topology_is_refused(tmp_path: Path) -> None:
    with make_run(tmp_path, **own_ports(), TXN_TOPOLOGY="ring") as running:
        assert running.exit_code() == 1
        assert running.said("TXN_TOPOLOGY='ring' is unknown: use single, sentinel ")
