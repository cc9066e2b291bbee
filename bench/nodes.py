"""What a transaction costs Redis on one server, and with partitions on a cluster of one to three nodes."""

import time
from typing import Any

import redis

from bench.scenarios import Figures, ledger, steady
from bench.stand import Stand
from ops.clusters import PRIMARIES, Sharded, with_buses
from ops.ports import free_port
from txn.store.keys import Keys, keys_of_partition, slot_of

PARTITIONS = 16
#: How long it is looked at what is used while nothing is to be done.
IDLE_S = 5


class OnNodes(Stand):
    """On so many nodes without replicas."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        names = with_buses([f"primary{number}" for number in range(nodes)])
        self.nodes = Sharded({name: free_port() for name in names}, self.folder / "redis")
        self.settings |= {"TXN_REDIS_URL": self.nodes.url, "TXN_PARTITIONS": str(PARTITIONS)}
        server: Any = self.nodes  # of which only start and kill are used
        self.redis_server = server

    def _begin(self) -> None:
        client: Any = redis.RedisCluster(host="127.0.0.1", port=self.nodes.port, socket_timeout=60)
        self.client = client
        super()._begin()

    def accepted(self) -> dict[str, int]:
        """How many, by the name of the node, which is its role."""
        found = dict.fromkeys(self.nodes.servers, 0)
        for number, prefix in enumerate(self.prefixes):
            server = self.nodes.primary(slot_of(keys_of_partition(Keys(self.prefix), number)), "primary0")
            found[self.nodes.name(server)] += int(self.client.hget(f"{prefix}count", "accepted") or 0)
        return found

    def _servers(self) -> list[tuple[str, Any]]:
        return [(name, server.process) for name, server in self.nodes.servers.items()]


def nodes(rate: int, seconds: int) -> Figures:
    """The same steady rate for each node, so that each does the same. `..._idle_pct`: of a core, while nothing is to be
    done.

    `..._own_cpu_us`: what a node's own transactions cost it, each, without that.
    """
    figures: Figures = {}
    for count in range(PRIMARIES + 1):
        name = f"{count}_nodes" if count else "undivided"
        figures |= {f"{name}_{figure}": value for figure, value in _on(count, rate * max(1, count), seconds).items()}
    return figures


def _on(count: int, rate: int, seconds: int) -> Figures:
    with OnNodes(count) if count else Stand() as stand:
        stand.start_everything()
        stand.load(100, 2).wait()
        stand.until_quiet(60)
        idle, before = _idle_cores(stand), _accepted(stand)
        began_s, spent_s = time.monotonic(), stand.cpu_s()
        found = steady(stand, rate, seconds)
        took_s, own = time.monotonic() - began_s, {name: at - before[name] for name, at in _accepted(stand).items()}
        net_s = {role: at - spent_s[role] - idle[role] * took_s for role, at in stand.cpu_s().items()}
        figures = {name: found[name] for name in ("completed_per_s", "submit_p99_ms", "foreign_cores")}
        figures["idle_pct"] = round(100 * sum(idle.values()), 1)
        figures["cpu_us"] = round(sum(net_s.values()) / sum(own.values()) * 1e6)
        for name, mine in own.items():
            figures[f"{name}_idle_pct"] = round(100 * idle[name], 1)
            figures[f"{name}_own_cpu_us"] = round(net_s[name] / mine * 1e6)
        return figures | ledger(stand)


def _idle_cores(stand: Stand) -> dict[str, float]:
    """What each role uses while nothing is to be done, in cores."""
    before = stand.cpu_s()
    time.sleep(IDLE_S)
    return {role: (now - before[role]) / IDLE_S for role, now in stand.cpu_s().items()}


def _accepted(stand: Stand) -> dict[str, int]:
    """How many, by the role of the server."""
    return stand.accepted() if isinstance(stand, OnNodes) else {"redis": stand.count("accepted")}
