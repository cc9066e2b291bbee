import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.drill.stand import Movable
from ops.ports import free_port
from tests.system.stack import Stack

pytestmark = pytest.mark.timeout(300)
RECOVERY_S = 10.0  # two on a machine that does nothing else


class MovingStack(Movable, Stack):
    """The stack, with its Redis behind a name."""

    def said(self, process: str) -> list[dict[str, Any]]:
        texts = (self.folder / f"{process}.log").read_text().splitlines()
        return [json.loads(text) for text in texts if "[dramatiq.MainProcess]" not in text]


@pytest.fixture
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MovingStack]:
    with MovingStack(tmp_path, replica_read_only=getattr(request, "param", "yes")) as found:
        yield found


def beats(stack: MovingStack) -> Callable[[], bool]:
    """Whether every worker process has sent the promoted server a heartbeat since now."""
    since_ms = time.time() * 1000
    return lambda: stack.client.zcount("txn:dramatiq:__heartbeats__", since_ms, "inf") == stack.workers_each


def test_when_redis_moves_submits_and_deliveries_go_on_within_two_seconds(stack: MovingStack) -> None:
    stack.start_worker()
    before = stack.submit_many(20)
    stack.until_quiet()
    stack.fail_over()
    began = time.monotonic()
    after = stack.submit("after")
    stack.until(lambda: stack.status(after)["status"] == "completed", "it is completed")
    assert time.monotonic() - began < RECOVERY_S
    stack.check_ledger([*before, after])


@pytest.mark.parametrize("stack", ["yes", "no"], ids=["read-only", "writable"], indirect=True)
def test_an_idle_worker_follows_and_says_what_it_has_met(stack: MovingStack) -> None:
    stack.start_worker()
    stack.fail_over()
    assert stack.until(beats(stack), "every process is at the new server") < RECOVERY_S
    met = [line for line in stack.said("worker0") if line["event"].startswith("Redis takes no writes")]
    assert len(met) == stack.workers_each
    assert all("replica" in line["detail"] for line in met)


def test_while_redis_is_nothing_but_a_replica_the_worker_says_that_writes_are_refused(tmp_path: Path) -> None:
    with MovingStack(tmp_path) as stack:
        stack.start_worker(processes=1)
        stack.client.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
        said = "Redis is refusing writes"
        stack.until(lambda: said in [line["event"] for line in stack.said("worker0")], "it says so")
        [line] = [line for line in stack.said("worker0") if line["event"] == said]
        assert "replica" in line["detail"]
        stack.client.execute_command("REPLICAOF", "NO", "ONE")
        stack.until(lambda: "Redis is there" in [line["event"] for line in stack.said("worker0")], "it is mended")
