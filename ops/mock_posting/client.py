"""Starts a mock posting service and steers it, for tests and drills."""

import selectors
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import requests
import simplejson

from ops.mock_posting.faults import GetFault, PostFault
from ops.ports import free_port

_ROOT = Path(__file__).parents[2]
#: How long it may take to start, to answer, and to end: the machine may be busy.
_PATIENCE_S = 60.0


def command(port: int, control_port: int, *options: str) -> list[str]:
    """The command line of one, for a Python to run."""
    module = ["-m", "ops.mock_posting", "--port", str(port), "--control-port", str(control_port)]
    return [*module, *options]


class MockPosting:
    """One mock as a process in a session of its own, on free ports of this machine. Start it with `start` or `with`.

    `options`: more of its command line, such as ["--seed", "1"]. Not for several threads at once.
    """

    def __init__(self, port: int | None = None, control_port: int | None = None, options: Sequence[str] = ()) -> None:
        self.port, self.control_port = port or free_port(), control_port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.control_url = f"http://127.0.0.1:{self.control_port}"
        self.process: subprocess.Popen[str] | None = None
        self._options = options

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Returns when it answers. Raises: RuntimeError, if it ends instead, or is silent for 60 s."""
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy stands between us
        line = [sys.executable, *command(self.port, self.control_port, *self._options)]
        self.process = subprocess.Popen(line, cwd=_ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
        if not self._said_something(self.process):
            self.stop()
            raise RuntimeError("the mock posting service did not start; why not, it says on standard error")
        return self

    def stop(self) -> None:
        """End the process, if it runs; its rows are gone."""
        self._session.close()
        if self.process is not None:
            self.process.terminate()
            self.process.wait(_PATIENCE_S)
            if self.process.stdout is not None:
                self.process.stdout.close()
            self.process = None

    def faults(self, **rates_and_times: float) -> None:
        """Replace all faults; see `Faults` for the names. Raises: ValueError for a wrong one."""
        self._call("PUT", "/faults", rates_and_times)

    def script(self, row_id: str, post: Sequence[PostFault] = (), get: Sequence[GetFault] = ()) -> None:
        """Say what happens to the next POSTs and GETs of one id, whatever the rates; after the lists: nothing does.

        Raises: ValueError for an unknown fault.
        """
        self._call("PUT", f"/script/{quote(row_id, safe='')}", {"post": list(post), "get": list(get)})

    def forget_scripts(self) -> None:
        """Rates decide about every id again."""
        self._call("DELETE", "/script")

    def down(self) -> None:
        """Close the data port and its connections; what hangs is written all the same."""
        self._call("POST", "/down")

    def up(self) -> None:
        """Open the data port again. Raises: requests.HTTPError, if somebody else has taken it."""
        self._call("POST", "/up")

    def move(self) -> None:
        """The connections that are there lead to an old server from now on: 404 to each GET, 503 to each POST."""
        self._session.close()  # ours are not what is meant
        self._call("POST", "/move")

    def moved(self) -> dict[str, int]:
        """{connections: that stayed at the old server, answers: of the old server}."""
        found: dict[str, int] = self._call("GET", "/moved").json()
        return found

    def release(self) -> None:
        """Let what hangs until released be written now."""
        self._call("POST", "/release")

    def reset(self) -> None:
        """No rows, no faults, no scripts, nothing counted, nothing still to be written; the data port open."""
        self._call("POST", "/reset")

    def stats(self) -> dict[str, Any]:
        """See `PostingService.statistics`."""
        found: dict[str, Any] = self._call("GET", "/stats").json()
        return found

    def calls(self) -> int:
        """How many GETs and POSTs have come."""
        stats = self.stats()
        return int(stats["gets"] + stats["posts"])

    def rows(self) -> list[dict[str, Any]]:
        """The whole list, in the order in which it was written; amounts are Decimals."""
        answer = self._session.get(f"{self.url}/transactions", timeout=_PATIENCE_S)
        answer.raise_for_status()
        found = simplejson.loads(answer.content, use_decimal=True)
        rows: list[dict[str, Any]] = found if isinstance(found, list) else found["data"]
        return rows

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        answer = self._session.request(method, self.control_url + path, json=body, timeout=_PATIENCE_S)
        if answer.status_code == 400:
            raise ValueError(answer.json()["detail"])
        answer.raise_for_status()
        return answer

    @staticmethod
    def _said_something(process: subprocess.Popen[str]) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)  # type: ignore[arg-type]
            return bool(selector.select(_PATIENCE_S)) and process.stdout is not None and bool(process.stdout.readline())
