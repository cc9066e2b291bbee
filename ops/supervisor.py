"""Keeps processes running: up in order, started again when they die, down in order; what they leave behind is ended."""

import contextlib
import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from ops.log import Log

#: The wait before a restart: the first, the longest, and for how long a child must have lived to begin anew, in s.
FIRST_DELAY_S, MAX_DELAY_S, STABLE_S = 0.5, 10.0, 30.0
LONGEST_LINE = 64 * 1024  # bytes
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class CannotRun(Exception):
    """Why not, in a sentence for whoever typed `make run`."""


class Stop(Exception):
    """A signal, by name, has asked for it."""


@dataclass(frozen=True)
class Child:
    """What to run. `ready` says whether it answers, within a second or two."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool]


class Process:
    """A child and the process that runs it now, if one does."""

    def __init__(self, child: Child, environment: Mapping[str, str], log: Log) -> None:
        self.name, self.ready, self._last = child.name, child.ready, deque[str](maxlen=10)
        self._command, self._environment, self._log = child.command, environment, log
        self._popen: subprocess.Popen[bytes] | None = None
        self._began = self._again_at = self._delay_s = 0.0

    def start(self) -> None:
        """Raises: OSError, if the command cannot be run."""
        self._began = time.monotonic()
        self._popen = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_the_supervisor,
        )
        self._reader = threading.Thread(target=self._read, args=(self._popen,), daemon=True)
        self._reader.start()

    def runs(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def tend(self) -> None:
        """If it has died, say so and put its restart off; start it again when that is over."""
        if self._popen is not None and not self.runs():
            self._put_off(f"ended ({self.bury()})")
        elif self._popen is None and time.monotonic() >= self._again_at:
            try:
                self.start()
            except OSError as error:
                self._put_off(f"cannot be started ({error})")

    def terminate(self) -> None:
        """SIGTERM to the one that leads: it tells its own, and must not hear of it twice."""
        if self._popen is not None:
            self._popen.terminate()

    def bury(self) -> str:
        """SIGKILL for whatever is left of its session; how it ended, in words."""
        if self._popen is None:
            return "not running"
        for pid in psutil.pids():  # the number of a session is not given away again while one of its processes lives
            with contextlib.suppress(OSError):
                if os.getsid(pid) == self._popen.pid:
                    os.killpg(os.getpgid(pid), signal.SIGKILL)
        code = self._popen.wait()
        self._reader.join(5)  # longer only if somebody who has left the session holds the pipe
        self._popen = None
        return f"exit code {code}" if code >= 0 else f"signal {-code}, {signal.strsignal(-code)}"

    def last_words(self) -> str:
        return "".join(f"\n    {line}" for line in list(self._last))

    def _put_off(self, why: str) -> None:
        longer_s = 2 * self._delay_s if time.monotonic() - self._began < STABLE_S else 0
        self._delay_s = min(max(longer_s, FIRST_DELAY_S), MAX_DELAY_S)
        self._again_at = time.monotonic() + self._delay_s
        self._log.line("txn", f"{self.name} {why}: starting it again in {self._delay_s:g} s")

    def _read(self, popen: subprocess.Popen[bytes]) -> None:
        assert popen.stdout is not None  # noqa: S101
        with popen.stdout as pipe:
            while line := pipe.readline(LONGEST_LINE):
                text = line.decode(errors="replace").rstrip("\r\n")
                self._last.append(text)
                self._log.line(self.name, text)


class Supervisor:
    """Brings `children` up in the order given and down in the order of `stop_order`, their names (else the reverse).

    `logs`: a folder for what they say; else it is heard.
    """

    def __init__(
        self,
        children: Sequence[Child],
        environment: Mapping[str, str],
        stop_order: Sequence[str] = (),
        ready_s: float = 30,
        patience_s: float = 15,
        logs: Path | None = None,
    ) -> None:
        self.log = Log(["txn", *(child.name for child in children)], logs)
        self._processes = {child.name: Process(child, environment, self.log) for child in children}
        self._stop_order = stop_order or list(reversed(self._processes))
        self._ready_s, self._patience_s = ready_s, patience_s
        self._signals = queue.SimpleQueue[int]()  # a signal handler may put while the main thread gets

    def run(self, when_up: Callable[[], None]) -> None:
        """Until a signal comes. Call it in the main thread.

        Raises: CannotRun, if one of them does not come up; the others are stopped by then.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, lambda number, _frame: self._signals.put(number))
        try:
            tended: list[Process] = []
            for process in self._processes.values():
                self._bring_up(process, tended)
                tended.append(process)
            when_up()
            while True:
                self._pause(tended)
        except Stop as stop:
            self.log.line("txn", f"{stop}: stopping")
        finally:
            self._stop()

    def _bring_up(self, process: Process, tended: Sequence[Process]) -> None:
        self.log.line("txn", f"starting {process.name}")
        deadline = time.monotonic() + self._ready_s
        try:
            process.start()
        except OSError as error:
            raise CannotRun(f"{process.name} cannot be started ({error})") from None
        while True:
            if not process.runs():
                raise CannotRun(f"{process.name} ended before it answered ({process.bury()})" + process.last_words())
            if process.ready():
                return
            if time.monotonic() > deadline:
                raise CannotRun(f"{process.name} does not answer after {self._ready_s:g} s" + process.last_words())
            self._pause(tended)

    def _pause(self, tended: Sequence[Process]) -> None:
        with contextlib.suppress(queue.Empty):
            raise Stop(signal.Signals(self._signals.get(timeout=0.1)).name)
        for process in tended:
            process.tend()

    def _stop(self) -> None:
        """A second Ctrl-C ends all patience. A second SIGTERM does not: `make` passes its own on."""
        patience_s = self._patience_s
        for process in (self._processes[name] for name in self._stop_order if name in self._processes):
            if process.runs():
                self.log.line("txn", f"stopping {process.name}")
            process.terminate()
            began = time.monotonic()
            while process.runs() and time.monotonic() - began < patience_s:
                with contextlib.suppress(queue.Empty):
                    if self._signals.get(timeout=0.05) == signal.SIGINT:
                        patience_s = 0
            if process.runs():
                self.log.line("txn", f"killing {process.name}")
            process.bury()


def _end_with_the_supervisor() -> None:
    """In the child, before its command: a SIGTERM for it should the supervisor be killed. Only Linux has that."""
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
