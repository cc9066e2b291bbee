"""A primary that goes away under load: what was acknowledged must be there, once."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import redis

from ops.redis_server import RedisServer
from tests.system.stack import Stack
from txn.store.connection import connect
from txn.store.keys import Keys, slot_of

RATE, CLIENTS = 300, 32
RECOVERY_S = 20.0  # two on a machine that does nothing else


class ReplicatedStack(Stack):
    """The stack on several servers. `primary`: who has our keys now."""

    def __init__(self, folder: Path, servers: Any, settings: dict[str, str], replicas: int = 1) -> None:
        super().__init__(folder, settings | {"TXN_REDIS_URL": servers.url, "TXN_REDIS_REPLICAS": str(replicas)})
        self.redis_server = self.servers = servers  # of which only start and kill are used
        self.slot = slot_of(Keys(self.prefix))

    def _begin(self) -> None:
        self.client = self._connect()
        super()._begin()

    def _connect(self) -> redis.Redis:
        return connect(self.servers.url, timeout_ms=5_000, slot=self.slot)

    def primary(self) -> RedisServer:
        raise NotImplementedError

    def until_elected(self, old: RedisServer) -> None:
        self.until(lambda: self.primary() is not old, "there is a new primary")


class Load:
    """Submits so many a second, each until it is acknowledged: which ids, and when."""

    def __init__(self, stack: Stack, seconds: float, seed: int) -> None:
        self._stack, self.count, self._seed = stack, int(seconds * RATE), seed
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
            list(pool.map(self._submit, range(self.count)))

    def _submit(self, number: int) -> None:
        time.sleep(max(0.0, self._began_s + number / RATE - time.monotonic()))
        name = self._stack.submit(f"{self._seed}-{number}")
        self.acknowledged.append((time.monotonic(), name))


S = TypeVar("S", bound=ReplicatedStack)


def fail_over(stack: S, fault: Callable[[S, RedisServer], None], seed: int, seconds: float) -> Load:
    """`fault` returns when there is a new primary."""
    stack.start_worker()
    with Load(stack, seconds, seed) as load:
        time.sleep(random.Random(seed).uniform(0.5, 2.0))  # into the load, at another moment each time
        fault(stack, stack.primary())
        elected_s = time.monotonic()
    took_s = load.first_after(elected_s)
    print(f"{fault.__name__}, seed {seed}: acknowledged again {took_s:.2f} s after the election was seen")
    assert took_s < RECOVERY_S
    return load


def check(stack: ReplicatedStack, load: Load) -> None:
    """Nothing acknowledged is without a record, lost or doubled."""
    without = [name for _, name in load.acknowledged if not stack.client.exists(stack.record(name))]
    assert without == [], f"{len(without)} without a record"
    stack.until_quiet(120)
    stack.check_ledger(name for _, name in load.acknowledged)
    assert len({name for _, name in load.acknowledged}) == load.count


def killed(stack: ReplicatedStack, primary: RedisServer) -> None:
    primary.kill()
    stack.until_elected(primary)


def frozen(stack: ReplicatedStack, primary: RedisServer) -> None:
    primary.freeze()
    stack.until_elected(primary)
    primary.thaw()
