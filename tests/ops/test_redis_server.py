import ctypes.util
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import redis_server
from ops.ports import free_port
from ops.redis_server import RedisServer, command, jemalloc


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    jemalloc.cache_clear()
    yield
    jemalloc.cache_clear()


def test_a_system_without_jemalloc_runs_the_server_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    assert command(1, tmp_path)[0] == str(redis_server.binary())


def test_a_library_that_cannot_be_loaded_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: "libnot-there.so.9")
    assert command(1, tmp_path)[0] == str(redis_server.binary())


def test_the_server_runs_with_the_library_that_the_system_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = ctypes.util.find_library("jemalloc") or ctypes.util.find_library(
        "z"
    )  # whichever: it is about how it is loaded
    assert name is not None
    monkeypatch.setattr(ctypes.util, "find_library", lambda _name: name)
    server = RedisServer(free_port(), tmp_path).start()
    try:
        assert server.process is not None
        mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
        assert name.partition(".so")[0] in mapped
        assert "valkey-server" in mapped, "env has become the server, under the same number"
    finally:
        server.stop()
    assert shutil.which("env")
