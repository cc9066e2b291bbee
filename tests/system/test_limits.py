import re
import time

import pytest
import requests

from tests.system.stack import PATIENCE_S, Stack, stack_fixture
from txn.operate.limits import Limits, parse_rate
from txn.queue.message import NAME
from txn.store.database import Database
from txn.store.keys import Keys

pytestmark = pytest.mark.timeout(300)

stack = stack_fixture()


@pytest.fixture
def limits(stack: Stack) -> Limits:
    return Limits(Database(stack.client, Keys("txn:", NAME)), lease_ms=2_000)


def test_the_posting_service_never_sees_more_posts_at_once_than_the_limit(stack: Stack, limits: Limits) -> None:
    limits.set("ann", in_flight=4)
    accepted = stack.submit_many(200)
    stack.mock.faults(latency_ms=20)
    killed = stack.start_worker()
    stack.until(lambda: stack.mock.stats()["posts"] > 20, "some were posted")
    killed.kill()
    worker = stack.start_worker()
    stack.until_quiet(120)
    stack.check_ledger(accepted)
    assert stack.numbers()["limits"]["inUse"] == 0
    worker.stop(PATIENCE_S)  # now all its calls are counted
    # Whoever gives a POST up has no place any more, while a posting service that was held up may still have it.
    assert 4 <= stack.mock.stats()["max_posts_in_flight"] <= 4 + given_up(stack)


def given_up(stack: Stack) -> int:
    """POSTs without an answer in time: none, if the machine does not stand still."""
    found = requests.get(f"{stack.url}/metrics", timeout=60).text
    counts = re.findall(r'txn_posting_seconds_count\{.*"post".*"none".*\} (\S+)', found)
    return sum(int(float(count)) for count in counts)


def test_no_more_begin_than_the_rate_and_it_is_changed_while_they_run(stack: Stack, limits: Limits) -> None:
    limits.set("ann", rate=parse_rate("20/s"))
    accepted = stack.submit_many(150)
    began_s = time.monotonic()  # before anything could begin: a worker may stand still between a claim and its POST
    stack.start_worker()
    stack.until(lambda: stack.mock.stats()["posts"] >= 60, "some were posted")
    posts, took_s = stack.mock.stats()["posts"], time.monotonic() - began_s
    assert posts <= 20 * took_s + 3
    limits.remove("ann")
    stack.until_quiet(60)
    stack.check_ledger(accepted)
