"""Starts a mock posting service and steers it, for tests and drills."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import requests
import simplejson

from ops.mock_posting.faults import GetFault, PostFault
from ops.ports import free_port

_ROOT = Path(__file__).parents[2]


class MockPosting:
    """One mock as a process of its own, on free ports of this machine. Start it with `start` or `with`."""

    def __init__(self, port: int | None = None, control_port: int | None = None) -> None:
        self.port, self._control_port = port or free_port(), control_port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._control = f"http://127.0.0.1:{self._control_port}"
        self._session = requests.Session()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Returns when it answers. Raises: RuntimeError, if it ends instead."""
        command = [sys.executable, "-m", "ops.mock_posting", "--port", str(self.port)]
        command += ["--control-port", str(self._control_port)]
        self._process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
        if self._process.stdout is None or not self._process.stdout.readline():
            raise RuntimeError("the mock posting service did not start")
        return self

    def stop(self) -> None:
        """End the process."""
        self._session.close()
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    def faults(self, **rates_and_times: float) -> None:
        """Replace all faults; see `Faults` for the names. Raises: ValueError for a wrong one."""
        self._call("PUT", "/faults", rates_and_times)

    def script(self, row_id: str, post: list[PostFault] | None = None, get: list[GetFault] | None = None) -> None:
        """Say what happens to the 1st, 2nd, ... POST and GET of one id."""
        self._call("PUT", f"/script/{row_id}", {"post": post or [], "get": get or []})

    def down(self) -> None:
        """Close the data port and its connections."""
        self._call("POST", "/down")

    def up(self) -> None:
        """Open the data port again."""
        self._call("POST", "/up")

    def release(self) -> None:
        """Let what hangs until released be written now."""
        self._call("POST", "/release")

    def reset(self) -> None:
        """No rows, no faults, no scripts, nothing counted; the data port open."""
        self.up()
        self._call("POST", "/reset")

    def stats(self) -> dict[str, Any]:
        """See `Ledger.statistics`."""
        found: dict[str, Any] = self._call("GET", "/stats").json()
        return found

    def rows(self) -> list[dict[str, Any]]:
        """The whole list; amounts are Decimals."""
        answer = self._session.get(f"{self.url}/transactions", timeout=60)
        found: list[dict[str, Any]] = simplejson.loads(answer.text, use_decimal=True)
        return found

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        answer = self._session.request(method, self._control + path, json=body, timeout=10)
        if answer.status_code == 400:
            raise ValueError(answer.json()["description"])
        answer.raise_for_status()
        return answer
