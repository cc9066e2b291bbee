import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.ports import free_port
from ops.redis_server import RedisServer
from tests.parts import Clock, Parts
from txn.errors import NotFound
from txn.model.transaction import Status
from txn.settings import Settings


def accepted_then_killed(folder: Path, appendonly: str) -> Iterator[Parts]:
    """A store that accepted the transaction `a`, whose server was killed and started again on the same data."""
    server = RedisServer(free_port(), folder, appendonly=appendonly).start()
    with Parts(server.url, Settings(), Clock()) as parts:
        parts.accept("a")
        server.kill()
        server.start()
        yield parts
    server.kill()


def test_what_was_acknowledged_is_there_after_a_kill_of_redis(tmp_path: Path) -> None:
    for parts in accepted_then_killed(tmp_path, "yes"):
        assert parts.store.read("a").status is Status.PENDING


def test_without_the_append_only_file_the_loss_is_found(tmp_path: Path) -> None:
    for parts in accepted_then_killed(tmp_path, "no"):
        with pytest.raises(NotFound):
            parts.store.read("a")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_disk_has_it_before_the_answer_leaves(tmp_path: Path) -> None:
    server = RedisServer(free_port(), tmp_path / "redis").start()
    with Parts(server.url, Settings(), Clock()) as parts:
        parts.accept("before")
        assert server.process is not None
        trace = tmp_path / "trace"
        command = ["strace", "-f", "-e", "trace=write,writev,sendto,fsync,fdatasync", "-s", "4000"]
        command += ["-o", str(trace), "-p", str(server.process.pid)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
            assert strace.stderr is not None
            attached = strace.stderr.readline()
            if "attached" not in attached:
                pytest.skip("strace may not attach here")
            parts.accept("traced")
            strace.terminate()
            strace.communicate(timeout=60)
    server.kill()
    lines = trace.read_text().splitlines()
    logged = next(number for number, line in enumerate(lines) if "traced" in line and "HSET" in line)
    synced = next(number for number, line in enumerate(lines) if number > logged and re.search(r"f(data)?sync\(", line))
    answered = next(number for number, line in enumerate(lines) if number > logged and "accepted" in line)
    assert logged < synced < answered
