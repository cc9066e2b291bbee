"""Hostile clients, and a good one beside them."""

import contextlib
import heapq
import json
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

import psutil

from tests.hostile.attacks import Steps
from tests.system.stack import ROOT, Stack

RATE = 50
#: For thousands of connections from one process.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(_soft, min(_hard, 8192)), _hard))


class Swarm:
    """So many connections of one kind from one address; who is thrown out comes back."""

    def __init__(self, port: int, attack: Callable[[socket.socket], Steps], count: int, address: str) -> None:
        self._port, self._attack, self._count, self._address = port, attack, count, address
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.began = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        waiting: list[tuple[float, int, socket.socket | None, Steps]] = []
        for number in range(self._count):
            heapq.heappush(waiting, (0.0, number, None, iter(())))
        while not self._over.is_set():
            due_s, number, client, steps = heapq.heappop(waiting)
            time.sleep(max(0.0, min(0.1, due_s - time.monotonic())))
            wait_s = 0.0
            try:
                if client is None:
                    client = socket.create_connection(("127.0.0.1", self._port), 5, (self._address, 0))
                    client.settimeout(0)
                    steps, self.began = self._attack(client), self.began + 1
                wait_s = next(steps)
            except (OSError, StopIteration):
                with contextlib.suppress(AttributeError):
                    client.close()  # type: ignore[union-attr]
                client, wait_s = None, 0.01
            heapq.heappush(waiting, (time.monotonic() + wait_s, number, client, steps))
        for *_, client, _ in waiting:
            if client is not None:
                client.close()


@contextlib.contextmanager
def good_client(stack: Stack, least: int) -> Iterator[dict[str, Any]]:
    """Submits at 50/s meanwhile, and until it has sent so many; its figures are there at the end."""
    command = [sys.executable, "-m", "tests.hostile.good_client", str(stack.api_port), str(RATE), str(least)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    figures: dict[str, Any] = {}
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begins\n"
        yield figures
        out, _ = process.communicate(timeout=90)
        figures.update(json.loads(out))
    finally:
        process.kill()
        process.wait()


def workers(stack: Stack) -> list[psutil.Process]:
    return stack.processes["api"].children()


def memory_mib(stack: Stack) -> float:
    return sum(process.memory_info().rss for process in workers(stack)) / 2**20
