"""A cluster on this machine: for tests, drills and `make run TXN_TOPOLOGY=cluster`."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import redis

from ops import redis_server
from ops.group import Group
from ops.redis_server import RedisServer
from ops.sentinels import SERVER

PRIMARIES, SLOTS = 3, 16_384
#: How long a node must be silent before the others elect its replica.
NODE_TIMEOUT_MS = 1_000
#: What names each node's port for the other nodes.
BUS = "-bus"


def names(replicas: int = 1) -> list[str]:
    """The nodes, in the order in which they start. `replicas`: of the primary that has the slot of `{txn}:`."""
    numbers = range(PRIMARIES)
    more = [f"more{number}" for number in range(1, replicas)]
    return [f"primary{number}" for number in numbers] + [f"replica{number}" for number in numbers] + more


def with_buses(nodes: list[str]) -> list[str]:
    """All that needs a port."""
    return nodes + [f"{name}{BUS}" for name in nodes]


def url(ports: Mapping[str, int]) -> str:
    """For TXN_REDIS_URL. `ports`: as `commands` takes them."""
    return "redis+cluster://" + ",".join(f"127.0.0.1:{ports[name]}" for name in _nodes(ports))


def commands(ports: Mapping[str, int], folder: Path, node_timeout_ms: int = NODE_TIMEOUT_MS) -> dict[str, list[str]]:
    """Command line of each node. What they have written into their files before stays.

    `ports`: of all in `with_buses`.
    """
    found = {}
    for name in _nodes(ports):
        file = folder / name / "nodes.conf"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text(_first_view(ports, name))
        found[name] = redis_server.command(
            ports[name],
            folder / name,
            **SERVER,
            cluster_enabled="yes",
            cluster_port=str(ports[f"{name}{BUS}"]),
            cluster_node_timeout=str(node_timeout_ms),
            cluster_require_full_coverage="no",
        )
    return found


class Sharded(Group):
    """The nodes."""

    def __init__(self, ports: Mapping[str, int], folder: Path) -> None:
        self.url, self.port = url(ports), ports["primary0"]
        super().__init__(ports, folder, commands(ports, folder))

    def primary(self, slot: int, of: str = "primary1") -> RedisServer:
        """Whom a node names for a slot. Raises: StopIteration, if it is none of ours."""
        return self._on([row[2][1] for row in self.ask(of, "CLUSTER", "SLOTS") if row[0] <= slot <= row[1]])

    def name(self, server: RedisServer) -> str:
        """Of one of ours."""
        return next(name for name, one in self.servers.items() if one is server)

    def replica(self, of: RedisServer) -> str:
        """The name of one that follows a server."""
        with redis.Redis(port=of.port, socket_timeout=5) as client:
            port = client.info("replication")["slave0"]["port"]
        return next(name for name, one in self.servers.items() if one.port == port)

    def _is_in_step(self) -> bool:
        links = 0
        for server in self.servers.values():
            with redis.Redis(port=server.port, socket_timeout=5) as client:
                seen = client.info("replication") | client.info("persistence")
                links += sum(one.get("state") == "online" for one in seen.values() if isinstance(one, dict))
                if client.cluster("info")["cluster_state"] != "ok" or seen["aof_rewrite_in_progress"]:
                    return False
        return links == len(self.servers) - _primaries(self.servers)


def _nodes(ports: Mapping[str, int]) -> list[str]:
    return [name for name in ports if not name.endswith(BUS)]


def _primaries(nodes: Iterable[str]) -> int:
    """How many of them are, at first."""
    return sum(name.startswith("primary") for name in nodes)


def _first_view(ports: Mapping[str, int], me: str) -> str:
    """What a node believes when it begins: who all of them are, and which has which slots."""
    nodes, lines = _nodes(ports), []
    primaries = _primaries(nodes)
    for number, name in enumerate(nodes):
        of = 0 if name.startswith("more") else int(name[-1])
        is_primary, epoch = name.startswith("primary"), of + 1
        flags = ("myself," if name == me else "") + ("master" if is_primary else "slave")
        follows = "-" if is_primary else _id(nodes.index(f"primary{of}"))
        slots = f" {SLOTS * of // primaries}-{SLOTS * (of + 1) // primaries - 1}" if is_primary else ""
        place = f"127.0.0.1:{ports[name]}@{ports[f'{name}{BUS}']}"
        lines.append(f"{_id(number)} {place} {flags} {follows} 0 0 {epoch} connected{slots}\n")
    return "".join(lines) + f"vars currentEpoch {primaries} lastVoteEpoch 0\n"


def _id(number: int) -> str:
    return f"{number + 1:040x}"
