import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.stack import Stack
from txn.operate.limits import Limits, parse_rate
from txn.queue.message import NAME
from txn.store.database import Database
from txn.store.keys import Keys

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path) as found:
        yield found


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
    stack.start_worker()
    stack.until_quiet(120)
    stack.check_ledger(accepted)
    assert stack.mock.stats()["max_posts_in_flight"] == 4
    assert stack.health()["limits"]["inUse"] == 0


def test_no_more_begin_than_the_rate_and_it_is_changed_while_they_run(stack: Stack, limits: Limits) -> None:
    limits.set("ann", rate=parse_rate("20/s"))
    accepted = stack.submit_many(150)
    stack.start_worker()
    began, before = time.monotonic(), stack.mock.stats()["posts"]
    stack.until(lambda: time.monotonic() - began > 2, "some were posted")
    posts, took_s = stack.mock.stats()["posts"] - before, time.monotonic() - began
    assert 0 < posts <= 20 * took_s + 3
    limits.remove("ann")
    stack.until_quiet(60)
    stack.check_ledger(accepted)
