"""What became of every acknowledged transaction: asked of the API one by one, and of the audit."""

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gevent
import requests
from gevent.pool import Pool
from geventhttpclient import HTTPClient

from ops.swarm.traffic import PATH
from ops.swarm.verdict import Ledger

ROOT = Path(__file__).parents[2]
QUIET_WITHIN_S = 120.0
AT_ONCE = 16
NEEDED = ("TXN_REDIS_URL", "TXN_POSTING_URL")


def api_key() -> str | None:
    """For an API that wants one: to submit and to read."""
    return os.environ.get("TXN_API_KEY") or None


def authorization() -> dict[str, str]:
    """The header with it."""
    return {} if (key := api_key()) is None else {"Authorization": f"Bearer {key}"}


def check(host: str, acknowledged: Sequence[str], environment: Mapping[str, str]) -> Ledger:
    """Wait until txn is quiet, then look at both sides."""
    if environment.get("TXN_SWARM_LEDGER") == "skip":
        return Ledger(len(acknowledged), skipped=True)
    if acknowledged:
        _wait_until_quiet(host)
    told = _ask_for_each(host, acknowledged)
    return Ledger(len(acknowledged), told, *_audit(environment, acknowledged))


def _wait_until_quiet(host: str) -> None:
    """Returns after QUIET_WITHIN_S at the latest: what is unfinished then will be seen."""
    deadline = time.monotonic() + QUIET_WITHIN_S
    with requests.Session() as session:
        session.trust_env = False  # no proxy stands between us
        session.headers.update(authorization())
        while time.monotonic() < deadline and _queue_depth(session, host) != 0:
            gevent.sleep(0.2)


def _queue_depth(session: requests.Session, host: str) -> int | None:
    try:
        depth: int | None = session.get(f"{host}/api/health", timeout=5).json().get("queueDepth")
    except (requests.RequestException, ValueError):
        return None
    return depth


def _ask_for_each(host: str, ids: Sequence[str]) -> dict[str, list[str]]:
    found = defaultdict[str, list[str]](list)
    client = HTTPClient.from_url(host, concurrency=AT_ONCE, network_timeout=10, connection_timeout=10)
    with contextlib.closing(client):
        for name, what in zip(ids, Pool(AT_ONCE).imap(lambda name: _status(client, name), ids), strict=True):
            found[what].append(name)
    return found


def _status(client: HTTPClient, name: str) -> str:
    """`completed`, `failed` (with a reason), `unexplained` (failed without), `unfinished`, `lost` or `unread`."""
    try:
        answer = client.get(f"{PATH}/{name}", headers=authorization())
        body = json.loads(answer.read())
    except (OSError, ValueError):
        return "unread"
    if answer.status_code == 404:
        return "lost"
    status = body.get("status") if answer.status_code == 200 else "unread"
    if status == "failed" and not (body.get("error") or {}).get("code"):
        return "unexplained"
    return "unfinished" if status in ("pending", "processing") else str(status)


def _audit(environment: Mapping[str, str], ids: Sequence[str]) -> tuple[dict[str, Any] | None, str]:
    """The certificate, or why there is none; about what this swarm was promised: others were here before."""
    if missing := [name for name in NEEDED if not environment.get(name)]:
        return None, f"set {' and '.join(missing)} as the workers have it, or TXN_SWARM_LEDGER=skip to do without"
    python = environment.get("TXN_SWARM_PYTHON") or str(ROOT / ".venv/bin/python")
    try:
        with tempfile.NamedTemporaryFile("w", prefix="txn-swarm-", suffix=".ids") as file:
            file.writelines(f"{name}\n" for name in ids)
            file.flush()
            audit = _run([python, "-m", "txn", "audit", "--json", *(["--only", file.name] if ids else [])], environment)
        certificate: dict[str, Any] = json.loads(audit.stdout)
    except OSError as error:
        return None, f"{python} does not run ({error.strerror}): set TXN_SWARM_PYTHON to a Python that has txn"
    except ValueError:
        return None, f"the audit said: {audit.stderr.strip()[-500:] or f'nothing (exit code {audit.returncode})'}"
    return certificate, ""


def _run(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, env=dict(environment), capture_output=True, text=True, check=False)
