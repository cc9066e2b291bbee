"""The real processes on this machine, and what each of them costs."""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Self

import psutil

from ops import stand
from ops.stand import ROOT
from txn.api_keys import Role, new_key

#: Submits a second: more than one core of anything here can take.
TOO_FAST = 12_000


class Stand(stand.Stand):
    """With `faults` of the mock posting service, in a folder that goes with it. `keys`: of ten clients, for the API."""

    def __init__(self, faults: dict[str, float] | None = None, *, keys: bool = False) -> None:
        folder = tempfile.TemporaryDirectory(prefix="txn-bench-")
        made = [new_key(f"client-{number}", list(Role), date(2026, 1, 1)) for number in range(10 if keys else 0)]
        lines = "\n".join(key.line() for _, key in made)
        super().__init__(Path(folder.name), {"TXN_API_KEYS": lines} if keys else {})
        self._api_key = made[0][0] if keys else ""
        self.ending.callback(folder.cleanup)
        self._faults = faults or {}

    def _begin(self) -> None:
        self.mock.faults(**self._faults)

    def start_everything(self) -> Self:
        """The API and one `dramatiq`, as advised."""
        self.start_api()
        self.start_worker()
        self.until_workers(stand.WORKERS)
        return self

    def confine(self, core: int) -> None:
        """Put Redis and the posting service on one core, so that the other one is for what is measured."""
        for process in (self.redis_server.process, self.mock.process):
            if process is not None:
                for one in _tree(process.pid):
                    one.cpu_affinity([core])

    def load(self, rate: float, seconds: float, pin: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Begin to submit on a fixed schedule; its figures are JSON on standard output."""
        command = [*pin, sys.executable, "-m", "ops.load", self.url, str(rate), str(seconds)]
        own = os.environ | {"TXN_API_KEY": self._api_key}
        return subprocess.Popen(command, cwd=ROOT, env=own, stdout=subprocess.PIPE)

    def saturate(self, seconds: float) -> float:
        """Answers a second to submits from the second core, all due in the first quarter of `seconds`."""
        load = self.load(TOO_FAST, seconds / 4, pin=["taskset", "-c", "1"])
        return round(float(json.loads(load.communicate()[0])["answers_per_s"]), 1)

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds used so far, by role, children included."""
        return {role: _cpu_of_tree(pid) for role, pid in self._pids()}

    def resident_mib(self, role: str) -> float:
        """Resident memory of a role's processes together."""
        return sum(process.memory_info().rss for process in _tree(dict(self._pids())[role])) / 2**20

    def writes(self) -> int:
        """Entries of the append-only file so far: single commands, and scripts as one each."""
        count, inside = 0, False
        for path in self.folder.glob("redis/appendonlydir/*.incr.aof"):
            for name in re.findall(rb"^\*\d+\r\n\$\d+\r\n(\w+)\r\n", path.read_bytes(), re.MULTILINE):
                count += not inside
                inside = name.upper() == b"MULTI" or (inside and name.upper() != b"EXEC")
        return count

    def used_memory(self) -> int:
        """Bytes of data in Redis."""
        return int(self.client.info("memory")["used_memory_dataset"])

    def histogram(self) -> dict[float, int]:
        """Submit to completed: upper end of each bucket in ms -> how many."""
        found: Counter[float] = Counter()
        for of_keys in self.prefixes:
            totals: dict[bytes, bytes] = self.client.hgetall(f"{of_keys}count")  # type: ignore[assignment]
            for name, count in totals.items():
                if name.startswith(prefix := b"end_to_end:"):
                    found[float(name.removeprefix(prefix))] += int(count)
        return found

    def _servers(self) -> list[tuple[str, Any]]:
        """(role, process) of each server."""
        return [("redis", self.redis_server.process)]

    def _pids(self) -> list[tuple[str, int]]:
        """(role, process) of all that run, of one worker at most."""
        running = [*self._servers(), ("mock", self.mock.process)]
        running += [(name.rstrip("0123456789"), process.popen) for name, process in self.processes.items()]
        return [(role, popen.pid) for role, popen in running if popen is not None]


class Spent:
    """What a stand's processes, and all others of this machine, use from now on."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._began, self._roles_s, self._ours_s, self._all_s = self._now()

    @property
    def seconds(self) -> float:
        """Since then."""
        return time.monotonic() - self._began

    def figures(self, count: int) -> dict[str, float]:
        """CPU microseconds for each of `count`, by role and together, and the cores that others have used meanwhile."""
        now, roles_s, ours_s, all_s = self._now()
        spent_s = {role: used - self._roles_s.get(role, 0) for role, used in roles_s.items()}
        foreign_s = all_s - self._all_s - sum(spent_s.values()) - (ours_s - self._ours_s)
        costs = {f"{role}_cpu_us": used / count * 1e6 for role, used in spent_s.items()}
        rounded = {name: float(round(cost)) for name, cost in (costs | {"cpu_us": sum(costs.values())}).items()}
        return rounded | {"foreign_cores": round(max(0.0, foreign_s / (now - self._began)), 2)}

    def _now(self) -> tuple[float, dict[str, float], float, float]:
        """(monotonic s, CPU s by role, CPU s of the bench and its load, CPU s of everybody)."""
        own = psutil.Process().cpu_times()
        ours = own.user + own.system + own.children_user + own.children_system
        times = psutil.cpu_times()
        everybody = sum(times) - times.idle - getattr(times, "iowait", 0.0)
        return time.monotonic(), self._stand.cpu_s(), ours, float(everybody)


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def _cpu_of_tree(pid: int) -> float:
    total = 0.0
    for process in _tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total
