"""Many transactions that have failed, and somebody at the admin site who replays all of them."""

import os
import re
import signal
from collections import Counter
from typing import Any

import requests

from tests.parts import BODY
from tests.system.stack import Stack
from txn.model.submission import parse_submission
from txn.password_hash import hash_password

PASSWORD = "right horse"
CODE = "rejected"

#: Dead letters as accept, claim and settle leave them, a few a millisecond; through the API it would take minutes.
_FILL = """
local prefix, first, last, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
for n = first, last do
    local id, at = string.format('failed-%07d', n), string.format('%.0f', now - 600000 + math.floor(n / 3))
    local record = prefix .. 't:' .. id
    redis.call('SET', prefix .. 'p:' .. id, ARGV[5])
    redis.call('HSET', record, 'status', 'failed', 'submitted', at, 'completed', at, 'fingerprint', ARGV[6],
        'code', 'rejected', 'detail', 'POST: answered 400', 'attempts', 1, 'owner', 'long gone',
        'history', at .. ' {"attempt":1,"mode":"post","outcome":"rejected","http":400,"ms":3}\\n')
    redis.call('ZADD', prefix .. 'failed', at, id)
    redis.call('ZADD', prefix .. 'failed:rejected', at, id)
    redis.call('ZADD', prefix .. 'dramatiq:deliver.XQ', at, id)
    redis.call('HSET', prefix .. 'dramatiq:deliver.XQ.msgs', id, '{}')
end
local count = last - first + 1
redis.call('HINCRBY', prefix .. 'count', 'accepted', count)
redis.call('HINCRBY', prefix .. 'count', 'dead', count)
"""


def fill(stack: Stack, count: int) -> list[str]:
    """`count` dead letters: their ids."""
    content, script = parse_submission(BODY), stack.client.register_script(_FILL)
    seconds, _ = stack.client.time()
    for first in range(0, count, 5_000):
        last = min(first + 5_000, count) - 1
        script(args=["txn:", first, last, seconds * 1000, content.payload, content.fingerprint])
    return [f"failed-{number:07}" for number in range(count)]


def users() -> dict[str, str]:
    return {"TXN_ADMIN_USERS": f"ada:operate:{hash_password(PASSWORD)}"}


class Operator:
    """`ada` at her browser; the API process behind it may die between two clicks."""

    def __init__(self, url: str) -> None:
        self.url, self.session = f"{url}/admin", requests.Session()
        self.submit("/login", self.page("/login"), name="ada", password=PASSWORD)

    def page(self, path: str) -> str:
        answer = self.session.get(f"{self.url}{path}", timeout=60)
        answer.raise_for_status()
        return answer.text

    def submit(self, path: str, page: str, **fields: str) -> str:
        """Send the form of a page: where that leads."""
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page))
        answer = self.session.post(f"{self.url}{path}", data=hidden | fields, timeout=60, allow_redirects=False)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"].removeprefix("/admin")

    def replay_all(self) -> str:
        """Preview, confirm: the page of the run."""
        return self.submit("/bulk", self.page(f"/failed/preview?what=replay&code={CODE}"), why="it is back")

    def stop(self, run: str) -> None:
        self.submit(f"{run}/stop", self.page(run))


def run_of(stack: Stack, run: str) -> dict[str, Any]:
    """The record of a run, by its page."""
    found = stack.client.hgetall(f"txn:bulk:{run.rpartition('/')[2]}")
    return {name.decode(): int(value) if value.isdigit() else value.decode() for name, value in found.items()}


def kill_the_api_process(stack: Stack) -> None:
    """kill -9 of the processes that answer; gunicorn makes new ones."""
    for child in stack.processes["api"].children():
        os.kill(child.pid, signal.SIGKILL)


def kill_whoever_moves(stack: Stack, run: str) -> None:
    """kill -9 of the worker that has the run's lease, and of its master."""
    pid = int(re.split("[:#]", run_of(stack, run)["owner"])[1])
    [worker] = [one for one in stack.workers if pid in [child.pid for child in one.children()]]
    worker.kill()


def check_replayed_once(stack: Stack, names: list[str]) -> None:
    """Every one is completed, was replayed exactly once, and is in the ledger exactly once."""
    with stack.client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.hmget(f"txn:t:{name}", "status", "history")
        found = pipeline.execute()
    assert Counter(status for status, _ in found) == {b"completed": len(names)}
    assert Counter(history.count(b'"what":"replay"') for _, history in found) == {1: len(names)}
    rows = Counter(row["id"] for row in stack.mock.rows())
    assert {name: rows[name] for name in names if rows[name] != 1} == {}


def audit(stack: Stack) -> dict[str, Any]:
    """The certificate; nothing is missing, doubled or different."""
    found = stack.audit()
    assert found["exit_code"] == 0, found
    return found
