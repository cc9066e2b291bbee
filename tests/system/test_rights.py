from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.system.stack import Stack

#: What is taken away, of commands and of keys.
TAKEN = ["-zadd", "-set", "-hset", "-rpush", "-hincrby", "-expire", "due", "p:*", "dramatiq:*"]
KEYS = ("t:*", "p:*", "due", "count", "minute:*", "posting", "timings", "dramatiq:*", "doctor*", "sweep", "epoch")


class Limited(Stack):
    """The API logs in to Redis as a user of its own."""

    def environment(self) -> dict[str, str]:
        return super().environment() | {"TXN_REDIS_URL": f"redis://app:s3cret@127.0.0.1:{self.redis_port}/0"}

    def _begin(self) -> None:
        self.allow("on", ">s3cret", "~txn:*", "+@all")
        super()._begin()

    def allow(self, *rules: str) -> None:
        self.client.execute_command("ACL", "SETUSER", "app", *rules)

    def ask(self, path: str) -> tuple[int, str]:
        answer = requests.get(f"{self.url}{path}", timeout=30)
        return answer.status_code, answer.text


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Limited]:
    with Limited(tmp_path_factory.mktemp("rights"), processes=1) as stack:
        stack.start_worker()
        yield stack


@pytest.mark.parametrize("taken", TAKEN)
def test_what_the_user_may_not_do_is_named_and_nothing_is_acknowledged_and_lost(stack: Limited, taken: str) -> None:
    before = stack.submit(f"before-{TAKEN.index(taken)}")
    if taken.startswith("-"):
        stack.allow(taken)
    else:
        stack.allow("resetkeys", *(f"~txn:{key}" for key in KEYS if key != taken))
    told = {before}
    for number in range(5):
        answer = requests.post(
            f"{stack.url}/api/transactions",
            json={"amount": 1, "currency": "USD", "description": "x", "id": f"{taken.strip('-:*')}-{number}"},
            timeout=60,
        )
        if answer.status_code in (200, 202):
            told.add(answer.json()["transactionId"])
        else:
            assert answer.status_code == 503
    name = taken[1:].upper() if taken.startswith("-") else f"txn:{taken.rstrip('*:')}"
    stack.until(lambda: name in stack.ask("/readyz")[1], "it is not ready, and says what is missing")
    assert stack.ask("/readyz")[0] == 503
    stack.until(lambda: name in (stack.folder / "api.log").read_text(), "it is in the log")
    stack.allow("~txn:*", "+@all")
    stack.until(lambda: stack.ask("/readyz")[0] == 200, "it is ready again")
    stack.until_quiet()
    stack.check_ledger(told)
    certificate = stack.audit()
    assert (certificate["exit_code"], certificate["flaws"]) == (0, [])
    counts = {key: int(value) for key, value in stack.client.hgetall("txn:count").items()}
    assert counts[b"accepted"] == counts[b"completed"] == len(stack.client.keys("txn:t:*"))


def test_a_worker_says_what_it_lacks(stack: Limited, tmp_path: Path) -> None:
    worker = stack.start_worker()
    stack.allow("-lpop", "-zrem")
    stack.until(lambda: "may not run LPOP ZREM" in worker.log.read_text(), "it says so")
    stack.allow("+@all")
    stack.until(lambda: "what the Redis user may do is enough" in worker.log.read_text(), "that it is well again")


def test_what_an_older_version_left_half_stored_is_found_named_and_put_back(stack: Limited) -> None:
    name = stack.submit("half-stored")
    stack.until_quiet()
    stack.client.hset(f"txn:t:{name}", "status", "pending")
    certificate = stack.audit()
    mended = int(stack.client.hget("txn:count", "mended") or 0)
    assert (certificate["exit_code"] == 1 and {"what": "not_due", "name": name} in certificate["flaws"]) or mended
    stack.until(lambda: stack.status(name)["status"] == "completed", "it is delivered")
    stack.check_ledger([name])
