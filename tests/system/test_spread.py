"""The real processes with partitions on the nodes of a cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import requests

from ops.clusters import PRIMARIES, Sharded, with_buses
from ops.ports import free_port
from ops.redis_server import RedisServer
from tests.system.stack import BODY, Stack
from txn.partitions.place import partition_of
from txn.store.keys import Keys, keys_of_partition, slot_of

pytestmark = pytest.mark.timeout(180)

COUNT = 4


class SpreadStack(Stack):
    """The stack on three nodes without replicas."""

    def __init__(self, folder: Path, partitions: int = COUNT) -> None:
        nodes = [f"primary{number}" for number in range(PRIMARIES)]
        self.nodes = Sharded({name: free_port() for name in with_buses(nodes)}, folder / "redis")
        super().__init__(folder, {"TXN_REDIS_URL": self.nodes.url, "TXN_PARTITIONS": str(partitions)})
        self.redis_server, self.partitions = self.nodes, partitions  # type: ignore[assignment]

    def _begin(self) -> None:
        self.client = redis.RedisCluster(host="127.0.0.1", port=self.nodes.port, socket_timeout=60)  # type: ignore[assignment]
        super()._begin()

    def node(self, partition: int) -> RedisServer:
        """Who has it."""
        return self.nodes.primary(slot_of(keys_of_partition(Keys(self.prefix), partition)))

    def of_node(self, node: RedisServer) -> list[int]:
        """The partitions that it has."""
        return [number for number in range(self.partitions) if self.node(number) is node]

    def try_to_submit(self, name: str) -> requests.Response:
        return requests.post(f"{self.url}/api/transactions", json=BODY | {"id": name}, timeout=10)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[SpreadStack]:
    with SpreadStack(tmp_path) as found:
        yield found


def test_a_node_that_is_gone_takes_only_its_own_with_it(stack: SpreadStack) -> None:
    stack.mock.faults(fail_before=0.1, fail_after=0.1)
    stack.start_worker(processes=1)
    accepted = stack.submit_many(50)
    node = stack.node(1)
    gone = stack.of_node(node)
    node.kill()
    names = [f"n{number}" for number in range(24)]
    away = {name for name in names if partition_of(name, COUNT) in gone}
    answers = {name: stack.try_to_submit(name) for name in names}
    assert {name for name, answer in answers.items() if answer.status_code == 503} == away
    assert all(answers[name].headers["Retry-After"] for name in away)
    rest = set(names) - away
    stack.until(lambda: all(stack.status(name)["status"] == "completed" for name in rest), "the others are delivered")
    problems = stack.health()["problems"]
    named = {text.split(" is away")[0] for text in problems if " is away" in text}
    place = f"127.0.0.1:{node.port}"
    assert named == {f"Partition {number} of {COUNT} (on {place})" for number in gone}
    doctor = stack.command("doctor")
    assert doctor.returncode == 1
    said = " ".join(doctor.stdout.split())
    assert all(f"partition {number} of {COUNT}" in said for number in gone)
    assert f"start {place}" in said
    node.start()
    for name in away:
        stack.until(lambda name=name: stack.try_to_submit(name).status_code in (200, 202), "it is let in")  # type: ignore[misc]
    stack.until_quiet(120)
    stack.check_ledger([*accepted, *names])
    assert stack.audit()["exit_code"] == 0
