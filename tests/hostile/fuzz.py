"""`make fuzz`: seeded requests of four kinds to the real processes, and what must never come of them.

`ARGS="--count 1000 --seed 7"` for others than the first 50,000. What it finds is said with its seed.
"""

import argparse
import random
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import requests

from tests.admin.site import LINES, PASSWORD
from tests.hostile.requests_of_seeds import MARK, Source, admin, raw, shape, submit
from tests.server.echo import answers, told
from tests.system.stack import Stack
from txn.admin.door.sessions import Sessions
from txn.admin.door.users import read_users
from txn.admin.site import routes
from txn.composition.operators import open_tools
from txn.settings import Settings
from txn.store.durability import DurabilityMonitor

SETTINGS = {"TXN_ADMIN_USERS": LINES, "WEB_CONCURRENCY": "1", "TXN_LOG_FORMAT": "json", "TXN_ALLOW_CLEANUP": "0"}
#: What is said where the machine stands still: then it is sent again.
SILENT = b"Redis did not answer in time"
#: Of the client's making: a transfer coding, a version of HTTP.
REFUSALS = {501, 505}
#: What a log says only of our own mistakes.
OURS = ("Traceback", "unexpected error", "application failed", "Error handling", "goes on after an error")


def fuzz(stack: Stack, seeds: range) -> list[str]:
    """What is wrong, each with its seed."""
    sources = {"raw": raw, "shape": shape, "submit": submit, "admin": admin(_routes(stack), _sessions(stack))}
    before, wrong = stack.processes["api"].children(), []
    met: dict[str, Counter[int]] = {kind: Counter() for kind in sources}
    for seed in seeds:
        kind = list(sources)[seed % len(sources)]
        if problem := _judged(stack, sources[kind], seed, met[kind]):
            wrong.append(f"{kind} {seed}: {problem}")
    stack.submit("after-all-that")
    print(*(f"{kind}: {dict(sorted(statuses.items()))}" for kind, statuses in met.items()), sep="\n")
    log = (stack.folder / "api.log").read_text()
    wrong += [f"the log says {what!r}: {log[log.index(what) - 300 :][:900]}" for what in OURS if what in log]
    wrong += [f"the log quotes a client: {log[log.index(MARK) - 200 :][:400]}"] if MARK in log else []
    wrong += ["a worker process was lost"] if stack.processes["api"].children() != before else []
    return wrong


def _judged(stack: Stack, source: Source, seed: int, met: Counter[int]) -> str:
    sent = source(random.Random(seed))
    try:
        found = told(stack.api_port, sent)
        while SILENT in found:
            found = told(stack.api_port, sent)
        statuses = [status for status, _ in answers(found)]
    except (OSError, ValueError, IndexError) as error:
        return f"no answer that can be read ({error!r}) to {sent[:300]!r}"
    met.update(statuses)
    if bad := [status for status in statuses if status >= 500 and status not in REFUSALS]:
        return f"{bad} to {sent[:300]!r}"
    return ""


def _routes(stack: Stack) -> list[tuple[str, str]]:
    settings = Settings.from_environment({"TXN_REDIS_URL": stack.redis_server.url})
    users = read_users(LINES)
    tools = open_tools(settings, DurabilityMonitor(allow_lossy=True), 300)
    table = routes(tools, users, Sessions(users, "", 12))
    found = [(method, route.template) for route in table for method in route.roles]
    return [(method, path) for method, path in found if path not in ("/admin/logout", "/admin/login")] + [
        ("GET", "/admin/login")
    ]


def _sessions(stack: Stack) -> list[tuple[str, str]]:
    """Cookie and token of nobody and of each user."""
    found = [("", "")]
    for name in ("vic", "ada"):
        with requests.Session() as browser:
            page = browser.get(f"{stack.url}/admin/login", timeout=30).text
            form = {"csrf": _token(page), "name": name, "password": PASSWORD}
            page = browser.post(f"{stack.url}/admin/login", form, timeout=30).text
            found.append((f"txn_session={browser.cookies['txn_session']}", _token(page)))
    return found


def _token(page: str) -> str:
    [token, *_] = re.findall(r'name="csrf" value="([^"]+)"', page)
    return str(token)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="txn-fuzz-") as folder, Stack(Path(folder), SETTINGS) as stack:
        wrong = fuzz(stack, range(given.seed, given.seed + given.count))
    print(*wrong, sep="\n")
    print(f"{given.count} requests in {time.monotonic() - began:.0f} s, {len(wrong)} findings")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
