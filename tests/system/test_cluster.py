"""The real processes on a cluster: whatever happens to our slot, what was acknowledged is there, once."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from ops.clusters import Sharded, names, with_buses
from ops.ports import free_port
from ops.redis_server import RedisServer
from tests.system.failover import RATE, ReplicatedStack, check, fail_over, frozen, killed

pytestmark = pytest.mark.timeout(300)

Fault = Callable[["ClusterStack", RedisServer], None]
#: The primary that our slot moves to.
TARGET = "primary1"


class ClusterStack(ReplicatedStack):
    """The stack on three primaries. That of our slot has two replicas; with `many`, the others have one each."""

    def __init__(self, folder: Path, *, many: bool = True) -> None:
        nodes = [name for name in names(2) if many or name not in ("replica1", "replica2")]
        self.cluster = Sharded({name: free_port() for name in with_buses(nodes)}, folder / "redis")
        super().__init__(folder, self.cluster, {"TXN_PREFIX": "{txn}:"})

    def primary(self) -> RedisServer:
        return self.cluster.primary(self.slot)

    def id(self, name: str) -> str:
        return str(self.cluster.ask(name, "CLUSTER", "MYID").decode())


def planned(stack: ClusterStack, primary: RedisServer) -> None:
    stack.cluster.ask(stack.cluster.replica(primary), "CLUSTER", "FAILOVER")
    stack.until_elected(primary)


def moved(stack: ClusterStack, primary: RedisServer) -> None:
    to = ("SLOTSRANGE", stack.slot, stack.slot, "NODE", stack.id(TARGET))
    stack.cluster.ask(stack.cluster.name(primary), "CLUSTER", "MIGRATESLOTS", *to)
    stack.until_elected(primary)


def moved_key_by_key(stack: ClusterStack, primary: RedisServer) -> None:
    source, slot = stack.cluster.name(primary), stack.slot
    stack.cluster.ask(TARGET, "CLUSTER", "SETSLOT", slot, "IMPORTING", stack.id(source))
    stack.cluster.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", stack.id(TARGET))
    port = stack.cluster.servers[TARGET].port
    with redis.Redis(port=primary.port, socket_timeout=30) as client:
        while keys := client.execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
            client.execute_command("MIGRATE", "127.0.0.1", port, "", 0, 10_000, "KEYS", *keys)
    for name in (TARGET, source):
        stack.cluster.ask(name, "CLUSTER", "SETSLOT", slot, "NODE", stack.id(TARGET))
    stack.until_elected(primary)


FAULTS: list[Fault] = [killed, frozen, planned, moved, moved_key_by_key]


@pytest.mark.slow
def test_after_the_primary_of_our_slot_was_killed_everything_acknowledged_is_there_once(tmp_path: Path) -> None:
    with ClusterStack(tmp_path, many=False) as stack:
        check(stack, fail_over(stack, killed, seed=0, seconds=3))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_whatever_happens_to_the_primary_of_our_slot_nothing_acknowledged_is_lost_or_doubled(
    tmp_path: Path, fault: Fault, seed: int
) -> None:
    with ClusterStack(tmp_path) as stack:
        check(stack, fail_over(stack, fault, seed, seconds=8))
        assert Counter(row["id"] for row in stack.mock.rows()).total() == 8 * RATE
