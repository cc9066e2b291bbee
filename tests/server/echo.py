"""A WSGI application that says what it was asked, and a gunicorn that serves it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

from ops.ports import free_port

ROOT = Path(__file__).parents[2]


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    try:
        body = None if environ["PATH_INFO"].startswith("/unread") else environ["wsgi.input"].read().decode("latin-1")
        if body is not None and len(body) < int(environ.get("CONTENT_LENGTH") or 0):
            body = "unreadable"  # gunicorn's own says nothing of a body that was cut short
    except Exception:  # noqa: BLE001 - each server has its own
        body = "unreadable"
    headers = {name: value.replace(", ", ",") for name, value in environ.items() if name.startswith("HTTP_")}
    told = {
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"],
        "query": environ["QUERY_STRING"],
        "type": environ.get("CONTENT_TYPE"),
        "length": environ.get("CONTENT_LENGTH"),
        "headers": {name: value for name, value in headers.items() if "." not in name},
        "body": body,
    }
    answer = json.dumps(told, sort_keys=True).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]


class Echo:
    """`worker` is gunicorn's --worker-class."""

    def __init__(self, folder: Path, worker: str, *options: str) -> None:
        self.port, self._folder = free_port(), folder
        self._command = [sys.executable, "-m", "gunicorn", "-k", worker, "-b", f"127.0.0.1:{self.port}", *options]
        self.log = folder / f"{worker}.log"

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._command, "--no-control-socket", "tests.server.echo:app"],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return self
            assert time.monotonic() < deadline, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)

    def __exit__(self, *exc_info: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def told(self, sent: bytes) -> bytes:
        """See `told`."""
        return told(self.port, sent)


def told(port: int, sent: bytes) -> bytes:
    """All that comes back for these bytes and an end."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        with contextlib.suppress(OSError):
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
        found = b""
        with contextlib.suppress(ConnectionError):
            while piece := client.recv(65536):
                found += piece
        return found


def answers(found: bytes) -> list[tuple[int, Any]]:
    """Status and JSON of each answer in a stream of them."""
    told = []
    while found:
        head, _, rest = found.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        if status == 100:
            found = rest
            continue
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = int(lengths[0].partition(b":")[2])
        body, found = rest[:length], rest[length:]
        told.append((status, json.loads(body) if body.startswith(b"{") else None))
    return told
