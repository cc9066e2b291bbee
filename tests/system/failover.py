"""A primary that goes away under load: what was acknowledged must be there, once."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import redis

from ops.load import Load
from ops.redis_server import RedisServer
from tests.system.stack import ShippedStack
from txn.store.connection import connect
from txn.store.keys import Keys, slot_of

RATE = 300
RECOVERY_S = 20.0  # two on a machine that does nothing else


class ReplicatedStack(ShippedStack):
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


S = TypeVar("S", bound=ReplicatedStack)


def fail_over(stack: S, fault: Callable[[S, RedisServer], None], seed: int, seconds: float) -> Load:
    """`fault` returns when there is a new primary."""
    stack.start_worker()
    load = Load(stack.url, RATE, seconds, f"seed-{seed}")
    load.start()
    time.sleep(random.Random(seed).uniform(0.5, 2.0))  # into the load, at another moment each time
    fault(stack, stack.primary())
    elected_s = time.perf_counter()
    load.join()
    took_s = min(when for when in load.accepted_s if when >= elected_s) - elected_s
    print(f"{fault.__name__}, seed {seed}: acknowledged again {took_s:.2f} s after the election was seen")
    assert took_s < RECOVERY_S
    return load


def check(stack: ReplicatedStack, load: Load) -> None:
    """Nothing acknowledged is without a record, lost or doubled."""
    assert (load.errors, len(set(load.accepted))) == ([], load.planned)
    without = [name for name in load.accepted if not stack.client.exists(stack.record(name))]
    assert without == [], f"{len(without)} without a record"
    stack.until_quiet(120)
    stack.check_ledger(load.accepted)


def killed(stack: ReplicatedStack, primary: RedisServer) -> None:
    primary.kill()
    stack.until_elected(primary)


def frozen(stack: ReplicatedStack, primary: RedisServer) -> None:
    primary.freeze()
    stack.until_elected(primary)
    primary.thaw()
