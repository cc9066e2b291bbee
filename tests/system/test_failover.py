"""The real processes behind sentinels: whatever happens to the primary, what was acknowledged is there, once."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from ops.ports import free_port
from ops.redis_server import RedisServer
from ops.sentinels import NAME, Watched, names
from tests.system.failover import RATE, ReplicatedStack, check, fail_over, frozen, killed

pytestmark = pytest.mark.timeout(300)

Fault = Callable[["WatchedStack", RedisServer], None]


class WatchedStack(ReplicatedStack):
    """The stack on a primary with two replicas and three sentinels."""

    def __init__(self, folder: Path, replicas: int = 1) -> None:
        self.watched = Watched({name: free_port() for name in names(2)}, folder / "redis")
        super().__init__(folder, self.watched, {}, replicas)

    def primary(self) -> RedisServer:
        return self.watched.primary()


def cut_off(stack: WatchedStack, primary: RedisServer) -> None:
    stack.watched.cut_off(primary)
    stack.until_elected(primary)
    stack.watched.mend(primary)


def planned(stack: WatchedStack, primary: RedisServer) -> None:
    stack.watched.ask("sentinel0", "SENTINEL", "FAILOVER", NAME, "COORDINATED")
    stack.until_elected(primary)


@pytest.mark.slow
def test_after_the_primary_was_killed_everything_acknowledged_is_there_once(tmp_path: Path) -> None:
    with WatchedStack(tmp_path) as stack:
        check(stack, fail_over(stack, killed, seed=0, seconds=5))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("fault", [killed, frozen, cut_off, planned], ids=lambda fault: fault.__name__)
def test_whatever_happens_to_the_primary_nothing_acknowledged_is_lost_or_doubled(
    tmp_path: Path, fault: Fault, seed: int
) -> None:
    with WatchedStack(tmp_path) as stack:
        check(stack, fail_over(stack, fault, seed, seconds=8))
        assert Counter(row["id"] for row in stack.mock.rows()).total() == 8 * RATE


@pytest.mark.slow
def test_without_waiting_for_replicas_what_is_lost_is_seen_by_the_audit(tmp_path: Path) -> None:
    with WatchedStack(tmp_path, replicas=0) as stack:
        stack.start_worker()
        old = stack.watched.primary()
        stack.watched.cut_off(old)
        lost = stack.submit("lost")  # on the old primary alone, and posted from there
        stack.until(lambda: lost in {row["id"] for row in stack.mock.rows()}, "it is posted")
        stack.until_elected(old)
        stack.watched.mend(old)
        # Until it has heard of the new primary, the API goes on acknowledging for the old one.
        with redis.Redis(port=stack.watched.primary().port) as primary:
            stack.until(lambda: primary.exists(f"txn:t:{stack.submit('after')}"), "it is at the new primary")
            after = stack.submit("after")
            assert not primary.exists(f"txn:t:{lost}")
        stack.until(lambda: stack.status(after)["status"] == "completed", "what came after is completed")
        audit = stack.audit()
        assert (audit["exit_code"], audit["posting"]["unknown_to_us"]) == (1, 1)
        assert [found["id"] for found in audit["findings"]["unknown_to_us"]] == [lost]
        assert stack.health()["status"] == "degraded"
        assert "TXN_REDIS_REPLICAS=1" in " ".join(stack.health()["problems"])
