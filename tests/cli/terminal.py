"""The commands, in this process and as processes of their own, with and without a terminal."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import simplejson
from typer.testing import CliRunner

from txn.cli.app import app

ROOT = Path(__file__).parents[2]


class Result:
    """How a command has ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return simplejson.loads(self.out, use_decimal=True)


class Commands:
    """`txn ...` with the given TXN_* variables, and no others."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.environment = {name: None for name in os.environ if name.startswith("TXN_")} | dict(settings)

    #: The Python of this process.
    run_with = sys.executable

    def __call__(self, *arguments: str, columns: int = 80, **settings: str) -> Result:
        """In this process, without a terminal."""
        environment = {**self.environment, **settings, "COLUMNS": str(columns), "TERM": "dumb"}
        done = CliRunner().invoke(app, list(arguments), env=environment, prog_name="txn")
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Result(done.exit_code, done.stdout, done.stderr)

    def run(self, *arguments: str, **settings: str) -> Result:
        """As a process, without a terminal."""
        done = subprocess.run(
            self._command(*arguments),
            env=self._whole(settings),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def at_terminal(self, *arguments: str, **settings: str) -> "AtTerminal":
        """As a process, at a terminal."""
        return AtTerminal(self._command(*arguments), self._whole(settings))

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "txn", *arguments]

    def _whole(self, settings: Mapping[str, str]) -> dict[str, str]:
        merged = {**os.environ, "COLUMNS": None, **self.environment, **settings}
        return {name: value for name, value in merged.items() if value is not None}


class AtTerminal:
    """A process that takes the other end of a pseudo-terminal for its user."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command,
            env=environment,
            cwd=ROOT,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # who tests in the background ignores it
        )
        os.close(theirs)
        self.seen = ""

    def __enter__(self) -> "AtTerminal":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def until(self, text: str, seconds: float = 60) -> None:
        """Read until the text has been shown."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < deadline, f"not shown: {text!r}\n{self.seen}"
            assert self._read(), f"ended without {text!r}\n{self.seen}"

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def ends(self, seconds: float = 60) -> int:
        """Read to the end: the exit code."""
        while self._read():
            pass
        return self._process.wait(seconds)

    def interrupt_a_question(self) -> int:
        """Ctrl-C, and the exit code. Just before Python waits for a key it misses one: it is pressed again."""
        for _ in range(6):
            self.interrupt()
            if select.select([self._ours], [], [], 10)[0]:
                break
        return self.ends()

    def _read(self, seconds: float = 60) -> bool:
        ready, _, _ = select.select([self._ours], [], [], seconds)
        assert ready, f"silent for {seconds} s\n{self.seen}"
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            found = os.read(self._ours, 65_536)
            self.seen += found.decode(errors="replace")
            return bool(found)
        return False
