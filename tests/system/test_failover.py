"""The real processes behind sentinels: whatever happens to the primary, what was acknowledged is there, once."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from ops.ports import free_port
from ops.redis_server import RedisServer
from ops.sentinels import NAME, Watched, names
from tests.system.stack import Stack
from txn.store.connection import connect

pytestmark = pytest.mark.timeout(300)
RATE, CLIENTS = 300, 32
RECOVERY_S = 20.0  # two on a machine that does nothing else

Fault = Callable[["WatchedStack", RedisServer], None]


class WatchedStack(Stack):
    """The stack on a primary with two replicas and three sentinels."""

    def __init__(self, folder: Path, replicas: int = 1) -> None:
        self.watched = Watched({name: free_port() for name in names(2)}, folder / "redis")
        settings = {"TXN_REDIS_URL": self.watched.url, "TXN_REDIS_REPLICAS": str(replicas)}
        super().__init__(folder, settings)
        self.redis_server = self.watched  # type: ignore[assignment]  # of it, only start and kill are used

    def _begin(self) -> None:
        self.client = connect(self.watched.url, timeout_ms=5_000)
        super()._begin()


class Load:
    """Submits so many a second, each until it is acknowledged: which ids, and when."""

    def __init__(self, stack: WatchedStack, seconds: float, seed: int) -> None:
        self._stack, self._count, self._seed = stack, int(seconds * RATE), seed
        self._began_s = time.monotonic()
        self.acknowledged: list[tuple[float, str]] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._thread.join()

    def first_after(self, at_s: float) -> float:
        """How long after a time the next one was acknowledged, in s."""
        return min(when for when, _ in self.acknowledged if when >= at_s) - at_s

    def _run(self) -> None:
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(self._submit, range(self._count)))

    def _submit(self, number: int) -> None:
        time.sleep(max(0.0, self._began_s + number / RATE - time.monotonic()))
        name = self._stack.submit(f"{self._seed}-{number}")
        self.acknowledged.append((time.monotonic(), name))


def killed(stack: WatchedStack, primary: RedisServer) -> None:
    primary.kill()
    until_elected(stack, primary)


def frozen(stack: WatchedStack, primary: RedisServer) -> None:
    primary.freeze()
    until_elected(stack, primary)
    primary.thaw()


def cut_off(stack: WatchedStack, primary: RedisServer) -> None:
    stack.watched.cut_off(primary)
    until_elected(stack, primary)
    stack.watched.mend(primary)


def planned(stack: WatchedStack, primary: RedisServer) -> None:
    stack.watched.ask("sentinel0", "SENTINEL", "FAILOVER", NAME, "COORDINATED")
    until_elected(stack, primary)


def until_elected(stack: WatchedStack, old: RedisServer) -> None:
    stack.until(lambda: stack.watched.primary() is not old, "there is a new primary")


def fail_over(stack: WatchedStack, fault: Fault, seed: int, seconds: float) -> Load:
    stack.start_worker()
    with Load(stack, seconds, seed) as load:
        time.sleep(random.Random(seed).uniform(0.5, 2.0))  # into the load, at another moment each time
        fault(stack, stack.watched.primary())
        elected_s = time.monotonic()
    took_s = load.first_after(elected_s)
    print(f"{fault.__name__}, seed {seed}: acknowledged again {took_s:.2f} s after the election was seen")
    assert took_s < RECOVERY_S
    return load


def check(stack: WatchedStack, load: Load) -> None:
    """Nothing acknowledged is without a record, lost or doubled."""
    without = [name for _, name in load.acknowledged if not stack.client.exists(f"txn:t:{name}")]
    assert without == [], f"{len(without)} without a record"
    stack.until_quiet(120)
    stack.check_ledger(name for _, name in load.acknowledged)
    assert len({name for _, name in load.acknowledged}) == load._count


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


def test_without_waiting_for_replicas_what_is_lost_is_seen_by_the_audit(tmp_path: Path) -> None:
    with WatchedStack(tmp_path, replicas=0) as stack:
        stack.start_worker()
        old = stack.watched.primary()
        stack.watched.cut_off(old)
        lost = stack.submit("lost")  # on the old primary alone, and posted from there
        stack.until(lambda: lost in {row["id"] for row in stack.mock.rows()}, "it is posted")
        until_elected(stack, old)
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
