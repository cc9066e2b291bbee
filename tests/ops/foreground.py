"""A command as somebody at a terminal sees it: lines, Ctrl-C, and what is left behind."""

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil

from ops.ports import free_port

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90.0


class Foreground:
    """Runs a Python command in a process group of its own; everything it starts carries a mark in its environment."""

    def __init__(self, arguments: Sequence[str], folder: Path = ROOT, **settings: str) -> None:
        self._mark, self._folder = uuid.uuid4().hex, folder
        self._lines = queue.SimpleQueue[str | None]()
        self.seen: list[str] = []
        #: They never become ours.
        self._others: set[psutil.Process] = set()
        own = {name: value for name, value in os.environ.items() if not name.startswith("TXN_")}
        self.popen = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env=own | settings | {"PYTHONPATH": str(folder), "MARK": self._mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
            preexec_fn=_as_at_a_terminal,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for process in [psutil.Process(self.popen.pid), *self.left()] if self.popen.poll() is None else self.left():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.popen.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)

    def until(self, text: str) -> str:
        """The next line with `text` in it."""
        return self.until_all(text)[0]

    def until_all(self, *texts: str) -> list[str]:
        """The next line with each of `texts` in it, in whatever order they come."""
        found: dict[str, str] = {}
        deadline = time.monotonic() + PATIENCE_S
        with contextlib.suppress(queue.Empty):
            while (line := self._lines.get(timeout=max(0, deadline - time.monotonic()))) is not None:
                found = {text: line for text in texts if text in line} | found
                if len(found) == len(texts):
                    return [found[text] for text in texts]
        missing = [text for text in texts if text not in found]
        raise AssertionError(f"no line has {missing} in it:\n" + "\n".join(self.seen))

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def exit_code(self) -> int:
        """Wait for its end."""
        code = self.popen.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code

    def left(self) -> list[psutil.Process]:
        """What it has started, and what that has started, and still lives."""
        found = []
        for process in psutil.process_iter():
            if process in self._others or process.pid == self.popen.pid:
                continue
            with contextlib.suppress(psutil.Error):
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                environment = process.environ()  # read once: there is none while it becomes another program
                if self._is_ours(process, environment):
                    found.append(process)
                elif environment:
                    self._others.add(process)
        return found

    def said(self, *texts: str) -> list[str]:
        """Those of `texts` that stand in a line, in the order of the lines."""
        return [text for line in self.seen for text in texts if text in line]

    def said_line(self, text: str) -> str:
        """The first line with `text` in it."""
        return next(line for line in self.seen if text in line)

    def _is_ours(self, process: psutil.Process, environment: Mapping[str, str]) -> bool:
        if environment.get("MARK") == self._mark:
            return True
        # Valkey writes its title over its environment.
        return self._folder != ROOT and Path(process.cwd()).is_relative_to(self._folder)

    def _read(self) -> None:
        assert self.popen.stdout is not None
        with self.popen.stdout as pipe:
            for line in pipe:
                self.seen.append(line.rstrip("\n"))
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)


def make_run(folder: Path, *options: str, **settings: str) -> Foreground:
    """`make run`, with options for Python, in a folder that looks like this one, with data and ports of its own."""
    for name in ("ops", "txn"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    return Foreground([*options, "-m", "ops"], folder, **own_ports() | settings)


def own_ports() -> dict[str, str]:
    """The second port of the posting service is the next one."""
    while True:
        posting = free_port()
        numbers = {posting, posting + 1, free_port(), free_port()}
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", posting + 1)):
            if len(numbers) == 4:
                api, redis = sorted(numbers - {posting, posting + 1})
                return {"TXN_PORT": str(api), "TXN_REDIS_PORT": str(redis), "TXN_POSTING_PORT": str(posting)}


def _as_at_a_terminal() -> None:
    """Who runs the tests with nohup, or in the background, ignores what a terminal's user can send."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
