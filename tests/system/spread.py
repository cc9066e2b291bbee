"""The stack with partitions on the nodes of a cluster, and a load that tells one node's ids from all others."""

import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Self

import redis
import requests

from ops.clusters import Sharded, names, with_buses
from ops.ports import free_port
from ops.redis_server import RedisServer
from tests.system.failover import ReplicatedStack
from tests.system.stack import BODY, PATIENCE_S
from txn.partitions.place import partition_of
from txn.store.keys import Keys, keys_of_partition, slot_of

#: For each of the two kinds of ids.
CLIENTS = 4


class SpreadStack(ReplicatedStack):
    """The stack on three primaries. Faults are of the one that has partition 3; it has so many replicas."""

    def __init__(self, folder: Path, partitions: int, replicas: int = 0) -> None:
        nodes = [name for name in names(replicas) if replicas or name.startswith("primary")]
        self.nodes = Sharded({name: free_port() for name in with_buses(nodes)}, folder / "redis")
        super().__init__(folder, self.nodes, {"TXN_PARTITIONS": str(partitions)}, min(1, replicas))
        self.partitions = partitions

    def _connect(self) -> redis.Redis:
        return redis.RedisCluster(host="127.0.0.1", port=self.nodes.port, socket_timeout=60)  # type: ignore[return-value]

    def primary(self) -> RedisServer:
        return self.node(3)

    def node(self, partition: int) -> RedisServer:
        """Who has it."""
        return self.nodes.primary(slot_of(keys_of_partition(Keys(self.prefix), partition)), "primary1")

    def of_node(self, node: RedisServer) -> list[int]:
        """The partitions that it has."""
        return [number for number in range(self.partitions) if self.node(number) is node]

    def try_to_submit(self, name: str) -> requests.Response:
        return requests.post(f"{self.url}/api/transactions", json=BODY | {"id": name}, timeout=PATIENCE_S)


class Divided:
    """As many submits as are answered: of ids in some partitions by `CLIENTS` clients, of all others by as many.

    What is refused is repeated until it is accepted.
    """

    def __init__(self, stack: SpreadStack, some: Collection[int]) -> None:
        self._stack, self._some, self._over = stack, some, threading.Event()
        self.accepted: list[str] = []
        starts: list[Callable[[], None]] = [lambda: self._run(of_some=True), lambda: self._run(of_some=False)]
        self._threads = [threading.Thread(target=start) for start in starts * CLIENTS]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def is_of_some(self, name: str) -> bool:
        return partition_of(name, self._stack.partitions) in self._some

    def rate(self, seconds: float) -> tuple[float, float]:
        """What is accepted and what is posted of the others in so long, a second."""
        began_s, before = time.monotonic(), self._of_others()
        time.sleep(seconds)
        took_s = time.monotonic() - began_s
        return tuple((now - then) / took_s for now, then in zip(self._of_others(), before, strict=True))  # type: ignore[return-value]

    def _of_others(self) -> tuple[int, int]:
        posted = [row["id"] for row in self._stack.mock.rows()]
        return tuple(sum(not self.is_of_some(name) for name in names) for names in ([*self.accepted], posted))  # type: ignore[return-value]

    def _run(self, *, of_some: bool) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            name = f"{threading.get_ident()}-{number}"
            if self.is_of_some(name) is of_some:
                self.accepted.append(self._stack.submit(name, BODY | {"id": name}))
