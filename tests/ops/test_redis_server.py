import ctypes.util
import importlib.metadata
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import redis_server
from ops.ports import free_port
from ops.redis_server import RedisServer, allocator, command


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    allocator.cache_clear()
    yield
    allocator.cache_clear()


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)


@pytest.mark.usefixtures("no_wheel")
def test_a_system_without_an_allocator_runs_the_server_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    assert command(1, tmp_path)[0] == str(redis_server.binary())


@pytest.mark.usefixtures("no_wheel")
def test_a_library_that_cannot_be_loaded_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: "libnot-there.so.9")
    assert command(1, tmp_path)[0] == str(redis_server.binary())


@pytest.mark.parametrize("of_the_system", [None, "libnot-there.so.9"])
def test_without_jemalloc_the_server_runs_with_the_mimalloc_of_a_wheel(
    of_the_system: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: of_the_system)
    server = RedisServer(free_port(), tmp_path).start()
    try:
        assert server.process is not None
        assert "libmimalloc" in Path(f"/proc/{server.process.pid}/maps").read_text()
    finally:
        server.stop()


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
