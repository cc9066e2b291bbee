"""Whatever happens to Redis: submits are refused quickly, nothing dies, and all goes on by itself."""

import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import redis

from ops.load import Load
from ops.redis_server import RedisServer, command
from tests.proxy import CuttingProxy
from tests.system.stack import ShippedStack

pytestmark = pytest.mark.timeout(300)

#: Keys that are read from the disk at a start, so that it takes a while.
FILLER = 5_000
#: What one process may say of one trouble, however long it lasts.
MOST_LINES = 40
#: Submits a second, and for longer than any trouble: the load is ended when it is over.
RATE, LONGEST_S = 20, 3_600


class TroubledStack(ShippedStack):
    """The processes reach Redis through a proxy."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {"WEB_CONCURRENCY": "1"}, processes=1, threads=4)
        more = {"enable_protected_configs": "yes", "loading_process_events_interval_bytes": "1024"}
        self.redis_server = RedisServer(self.redis_port, folder / "redis", **more)
        self.proxy = CuttingProxy(self.redis_server.port)
        self.redis_port = self.proxy.port

    def _begin(self) -> None:
        self.ending.callback(self.proxy.__exit__)
        with self.client.pipeline(transaction=False) as pipeline:
            for number in range(FILLER):
                pipeline.set(f"filler:{number}", "x" * 100)
            pipeline.execute()
        self.client.bgrewriteaof()
        self.until(lambda: not self.client.info("persistence")["aof_rewrite_in_progress"], "the file is rewritten")
        super()._begin()
        self.start_worker()

    @property
    def redis_pid(self) -> int:
        assert self.redis_server.process is not None
        return self.redis_server.process.pid

    def pids(self) -> list[psutil.Process]:
        """Everything that must not die."""
        return [one for process in self.processes.values() for one in process.children()]

    def lines(self) -> dict[str, int]:
        """How much each process has said so far."""
        return {path.name: len(path.read_text().splitlines()) for path in self.folder.glob("*.log")}

    def begin_to_load(self) -> None:
        """Start the server on its data, slowly."""
        self.redis_server.kill()
        line = command(self.redis_server.port, self.folder / "redis", key_load_delay="5000")
        line += ["--enable-protected-configs", "yes", "--loading-process-events-interval-bytes", "1024"]
        with (self.folder / "redis" / "server.log").open("ab") as log:
            self.redis_server.process = subprocess.Popen(line, stdout=log, stderr=log, start_new_session=True)
        self.until(self.is_loading, "it is loading")

    def is_loading(self) -> bool:
        try:
            return bool(self.client.info("persistence")["loading"])
        except redis.RedisError:
            return False

    def fail_to_save(self) -> None:
        """As with a full disk: no writes are taken after a save that failed."""
        gone = self.folder / "gone"
        gone.mkdir(exist_ok=True)
        self.client.config_set("dir", str(gone))
        self.client.config_set("save", "3600 1000000")
        shutil.rmtree(gone)
        self.client.bgsave()
        self.until(lambda: self.client.info("persistence")["rdb_last_bgsave_status"] == "err", "it has failed")

    def save(self) -> None:
        self.client.config_set("dir", str(self.folder / "redis"))
        self.client.config_set("save", "")
        self.client.execute_command("SAVE")

    def restart(self) -> None:
        for _ in range(3):
            self.redis_server.kill()
            self.redis_server.start()


class Trouble(NamedTuple):
    strike: Callable[[TroubledStack], object]
    mend: Callable[[TroubledStack], object]
    #: Submits are refused while it lasts.
    refuses: bool = True


TROUBLES = {
    "stopped": Trouble(lambda stack: stack.redis_server.kill(), lambda stack: stack.redis_server.start()),
    "restarting": Trouble(lambda stack: stack.restart(), lambda stack: None, refuses=False),
    "loading": Trouble(lambda stack: stack.begin_to_load(), lambda stack: stack.client.config_set("key-load-delay", 0)),
    "out of memory": Trouble(
        lambda stack: stack.client.config_set("maxmemory", 1), lambda stack: stack.client.config_set("maxmemory", 0)
    ),
    "disk full": Trouble(lambda stack: stack.fail_to_save(), lambda stack: stack.save()),
    "read-only": Trouble(
        lambda stack: stack.client.execute_command("REPLICAOF", "127.0.0.1", "1"),
        lambda stack: stack.client.execute_command("REPLICAOF", "NO", "ONE"),
    ),
    "frozen": Trouble(
        lambda stack: os.kill(stack.redis_pid, signal.SIGSTOP), lambda stack: os.kill(stack.redis_pid, signal.SIGCONT)
    ),
    "connections hang": Trouble(lambda stack: stack.proxy.swallow(), lambda stack: stack.proxy.mend()),
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TroubledStack]:
    folder: Path = tmp_path_factory.mktemp("stack")
    with TroubledStack(folder) as found:
        yield found


@pytest.mark.parametrize("seconds", [1, pytest.param(20, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", TROUBLES)
def test_nothing_dies_and_all_goes_on_by_itself(
    stack: TroubledStack, name: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.load.ANSWER_S", 60)  # the machine may be busy
    trouble, pids, said = TROUBLES[name], stack.pids(), stack.lines()
    load = Load(stack.url, RATE, LONGEST_S, f"{uuid.uuid4()}")
    load.start()
    stack.until(lambda: len(load.accepted) > 10, "there is a load")
    try:
        trouble.strike(stack)
        struck_s = time.perf_counter()
        try:
            if trouble.refuses:
                stack.until(lambda: min(refusals(load, struck_s), default=9) < 1, "a submit is refused at once")
            stack.until(lambda: time.perf_counter() - struck_s > seconds, "it lasts")
        finally:
            trouble.mend(stack)
        mended_s, before = time.monotonic(), len(load.accepted)
        stack.until(lambda: len(load.accepted) > before + 10, "submits are accepted again")
        again_s = time.monotonic() - mended_s
    finally:
        load.end()
        load.join()
    quiet_s = stack.until_quiet(120)
    found = refusals(load, struck_s)
    lines = {name: count - said[name] for name, count in stack.lines().items()}
    shown = [round(one, 2) for one in found[:8]]
    print(f"{name}: {dict(load.statuses)}, refused in {shown} s, the longest {max(found, default=0):.2f} s")
    print(f"{name}: accepted again after {again_s:.1f} s, quiet {quiet_s:.1f} s later; lines {lines}")
    assert ({*load.statuses} <= {"200", "202", "503"}, load.errors) == (True, []), load.statuses
    assert stack.pids() == pids
    assert all(count <= MOST_LINES for count in lines.values()), stack.logs()
    stack.check_ledger(load.accepted)


def test_what_waits_is_completed_while_redis_is_full(stack: TroubledStack) -> None:
    stack.mock.down()
    accepted = stack.submit_many(50, "full")
    stack.client.config_set("maxmemory", 1)
    try:
        stack.mock.up()
        stack.until_quiet(120)
        stack.check_ledger(accepted)
    finally:
        stack.client.config_set("maxmemory", 0)
    again = stack.submit_many(5, "again")
    stack.until_quiet(120)
    stack.check_ledger([*accepted, *again])


def refusals(load: Load, since_s: float) -> list[float]:
    return [took_s for began_s, took_s in load.refusals if began_s >= since_s]
